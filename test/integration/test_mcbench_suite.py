# SPDX-License-Identifier: BSD-3-Clause
"""mcbench suite: the whole of it in small. Most measurements are void where tests are run: what
must hold all the same is that they are there, that servers come and go, and that failures are
named."""
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import need_tool, wait_until
from lib.server import larderd_path, peer_path

HERE = Path(__file__).resolve().parent
MCBENCH = Path(larderd_path()).resolve().parents[2] / "src/cli/mcbench/mcbench"
TIMEOUT_S = 300

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")


def start(*arguments, cwd=None):
    words = [MCBENCH, "suite", "--larderd", larderd_path(), "--memcached", peer_path(),
             "--warmup-ms", "10", "--window-ms", "50", "--tries", "1", *arguments]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, cwd=cwd,
                            stderr=subprocess.PIPE, text=True)


def run(*arguments, status=0, cwd=None):
    """What was said on standard output and on standard error."""
    process = start(*arguments, cwd=cwd)
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert process.returncode == status, f"{out}\n{err}"
    return out, err


def children_of(pid):
    """What it has started and what still runs, by name."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return path.read_text().split() if path.exists() else []


def test_small_suite(tmp_path):
    mine = f"mine='{peer_path()}' {{listen}} {{user}} -t {{threads}} -m {{memory_mb}}"
    out, _ = run("--rounds", "2", "--workload", "get-p16", "--workload", "unix-set-quiet-p64",
                 "--without", "memcached -R 200", "--without", "redis", "--server", mine, "--output", tmp_path / "small")
    results = json.loads((tmp_path / "small.json").read_text())

    servers = {server["name"]: server for server in results["servers"]}
    assert list(servers) == ["larderd", "memcached", "mine", "empty"]
    assert servers["empty"]["is_limit"]
    assert "memcached 1.6" in servers["memcached"]["version"]
    assert servers["memcached"]["command"].startswith("memcached {listen}")
    assert "/" not in servers["mine"]["command"]
    assert [workload["name"] for workload in results["workloads"]] == ["get-p16",
                                                                       "unix-set-quiet-p64"]
    rounds = {(row["workload"], row["server"], row["round"]): row for row in results["rounds"]}
    assert len(rounds) == len(results["rounds"]) == 2 * len(servers) * 2
    for row in results["rounds"]:
        assert row["result"]["void"] or row["result"]["requests"] > 0
        assert row["result"]["misses"] == 0
        assert row["saturated"] in ("server", "generator", "neither")
        assert row["tries"] == 1
    # Within a round the first turn is another server's each time.
    firsts = [row["server"] for row in results["rounds"][::len(servers)]]
    assert firsts[0] != firsts[1]
    assert (tmp_path / "small.md").read_text().startswith("#")
    for name in servers:
        assert name in out


def test_a_server_that_dies_is_named(tmp_path):
    mortal = shlex.join([sys.executable, str(HERE / "mortal_server.py")])
    out, err = run("--rounds", "1", "--workload", "get", "--without", "memcached", "--without",
                   "memcached -R 200", "--without", "empty", "--without", "redis", "--server",
                   f"mortal={mortal} {{port}}", "--output", tmp_path / "x", status=1)
    assert "mortal failed in get: " in err
    assert "mortal has ended (status 3), and says:\nwas asked something" in err
    results = json.loads((tmp_path / "x.json").read_text())
    assert [row["server"] for row in results["rounds"]] == ["larderd"]
    assert [server["name"] for server in results["servers"] if server["has_failed"]] == ["mortal"]
    assert "larderd" in out


def test_redis_speaks_its_own_protocol(tmp_path):
    redis = need_tool("redis-server", "redis-server")
    workloads = ["mget-50", "counters", "unix-set-p16", "mg"]
    run("--rounds", "1", "--redis", redis, "--without", "larderd", "--without", "memcached",
        "--without", "memcached -R 200", "--output", tmp_path / "redis",
        *[word for name in workloads for word in ("--workload", name)])
    results = json.loads((tmp_path / "redis.json").read_text())
    rounds = {row["workload"]: row["result"] for row in results["rounds"]
              if row["server"] == "redis"}
    assert sorted(rounds) == ["counters", "mget-50", "unix-set-p16"]
    assert all(result["misses"] == 0 for name, result in rounds.items() if name != "counters")
    assert results["servers"][0]["version"].startswith("Redis server")


def test_no_redis_is_said():
    out, err = run("--list", "--redis", "/nowhere/redis")
    assert "no redis" not in err
    _, err = run("--rounds", "1", "--workload", "get", "--redis", "/nowhere/redis", "--without",
                 "larderd", "--without", "memcached", "--without", "memcached -R 200")
    assert "there is no program /nowhere/redis" in err


def test_results_are_named_for_the_day(tmp_path):
    few = ["--rounds", "1", "--workload", "set", "--without", "memcached", "--without",
           "memcached -R 200", "--without", "redis", "--without", "larderd", "--results", tmp_path]
    run(*few)
    run(*few)
    first, second = sorted(tmp_path.glob("*.json"), key=lambda path: len(path.name))
    day = json.loads(first.read_text())["date"][:10]
    assert first.name.startswith(day) and first.name.endswith(f"-{os.cpu_count()}cpu.json")
    assert second.stem == first.stem + "-2"


def test_interrupt_stops_the_servers():
    process = start("--workload", "get", "--rounds", "50", "--without", "memcached -R 200",
                    "--without", "redis", "--window-ms", "500")
    try:
        assert wait_until(lambda: len(children_of(process.pid)) == 3, TIMEOUT_S)
        children = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "interrupted" in err
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert "get: GET one at a time" in out


@pytest.mark.parametrize("arguments, complaint", [
    (["--group", "cor"], "there is no group 'cor'"),
    (["--workload", "gets"], "there is no workload 'gets'"),
    (["--server", "nameless"], "NAME=COMMAND"),
    (["--server", "larderd=x"], "two servers are called 'larderd'"),
    (["--load-cpus", "x"], "is no list of CPUs"),
    (["--rounds", "51"], "--rounds"),
])
def test_wrong_command_lines(arguments, complaint):
    _, err = run(*arguments, status=2)
    assert complaint in err


def test_list_and_help():
    out, _ = run("--list")
    assert "get-p16" in out and "latency-90" in out
    out, _ = run("--help")
    assert "examples:" in out
