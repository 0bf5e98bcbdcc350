# SPDX-License-Identifier: BSD-3-Clause
"""What mcbench makes of measurements: logs that HdrHistogram's own reader reads, compare, plot."""

import json
import random
import re
import subprocess
import xml.etree.ElementTree
from pathlib import Path

import pytest

from helpers import HERE, need_node_module
from lib.server import larderd_path

BUILD = Path(larderd_path()).resolve().parents[2]
PERCENTILES = 8  # as hist_log.c and clients/hist_log.js have them


def sample_histograms():
    """Latencies of every kind: few, many, none, beyond both ends of the range, and all the same."""
    generator = random.Random(5)
    for count in (1, 10, 1000, 50000):
        yield [int(generator.lognormvariate(11, 1.3)) for _ in range(count)]
    yield [0, 0, 1, 2047, 2048, 3600 * 10**9, 10**15]
    yield []
    yield [7] * 20000


def test_log_is_read_by_hdrhistogram(tmp_path):
    log = tmp_path / "latency.hlog"
    numbers = "".join("".join(f"{value}\n" for value in values) + "\n"
                      for values in sample_histograms())
    ours = subprocess.run([BUILD / "test/integration/hist-log", log], input=numbers,
                          stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    node = need_node_module("hdr-histogram-js")
    theirs = subprocess.run([node, HERE / "clients/hist_log.js", log], stdout=subprocess.PIPE,
                            text=True, check=True).stdout.splitlines()

    assert len(ours) == len(theirs) == 7
    for index, (mine, other) in enumerate(zip(ours, theirs)):
        tag, count, least, most, mean, *percentiles = mine.split()
        their_tag, start, end, *figures = other.split()
        assert their_tag == tag == f"h{index}"
        assert [int(start), int(end)] == [1700000000250 + index * 1000, 1700000000750 + index * 1000]
        assert figures[:3] == [count, least, most]
        assert abs(float(figures[3]) - float(mean)) <= 1e-9 * float(mean)
        assert figures[4:] == percentiles
        assert len(percentiles) == PERCENTILES


def mcbench(*arguments):
    """The finished process: status and both outputs."""
    return subprocess.run([BUILD / "src/cli/mcbench/mcbench", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)


def latency(nanoseconds):
    return {"count": 1000, "mean_ns": nanoseconds * 1.1, "p50_ns": nanoseconds,
            "p99_ns": nanoseconds * 3, "p999_ns": nanoseconds * 5, "max_ns": nanoseconds * 9}


def make_result(rate, is_open=False):
    return {"void": False, "reason": "", "wall_s": 1.0, "requests": int(rate),
            "requests_per_s": rate, "server_cpu": {"ns_per_request": 1e9 / rate},
            "load_cpu": {"busy_ns_per_request": 100.0},
            "latency": {"service": latency(int(1e9 / rate)), "probe": None,
                        "intended": latency(int(2e9 / rate)) if is_open else None}}


def make_workload(name, title, arrival="closed", curve=None):
    workload = {"name": name, "title": title, "work": {"load": {"arrival": arrival}, "seed": 1}}
    if curve:
        workload["curve"] = curve
    return workload


def make_results(seed=1, noise=0.01):
    """A result file of six rounds: larderd is better at `get`, worse at `set`, and equal at `incr`."""
    generator = random.Random(seed)
    speed = {"larderd": {"get": 2e6, "set": 0.8e6, "incr": 1e6}, "memcached": {}, "empty": {}}
    threads = {"name": "scale", "title": "By threads", "axis": "server_threads"}
    load = {"name": "get", "title": "Latency against load", "axis": "offered_per_s"}
    workloads = [make_workload("get", "GET <1> | one"), make_workload("set", "SET"),
                 make_workload("incr", "INCR"),
                 *(make_workload(f"threads-{count}", f"{count} threads", curve={**threads, "x": count})
                   for count in (1, 2)),
                 *(make_workload(f"load-{rate}", f"{rate}/s", "poisson", {**load, "x": rate})
                   for rate in (1000, 2000))]
    rounds = []
    for number in range(1, 7):
        drift = generator.uniform(0.8, 1.2)  # of the machine: all servers move together
        for workload in workloads:
            for server in speed:
                rate = speed[server].get(workload["name"], 1e6) * max(0.1, generator.gauss(1, noise)) * drift
                rounds.append({"round": number, "workload": workload["name"], "server": server,
                               "result": make_result(rate, workload["name"].startswith("load"))})
    replay = [{"trace": trace, "server": server, "memory_bytes": size << 20, "requests": 1000,
               "hits": 1000 - misses, "misses": misses, "working_set_share": 0.01 * size}
              for trace, size, server, misses in (
                  ("w01", 1, "larderd", 450), ("w01", 1, "memcached", 500),
                  ("w01", 5, "larderd", 330), ("w01", 5, "memcached", 300))]
    servers = [{"name": name, "version": "1", "command": name} for name in speed]
    servers[2]["is_limit"] = True
    return {"schema": 1, "kind": "results", "date": "2026-11-21T13:00:00Z",
            "machine": {"processor": "P", "cpus": 2}, "servers": servers, "workloads": workloads,
            "rounds": rounds, "replay": replay}


def of(results, workload, server):
    return [entry["result"] for entry in results["rounds"]
            if entry["workload"] == workload and entry["server"] == server]


@pytest.fixture
def store(tmp_path):
    """Writes results to a file and returns its path."""
    def write(name, results):
        path = tmp_path / name
        path.write_text(json.dumps(results))
        return path
    return write


def test_compare_finds_a_regression(store):
    base, new = make_results(1), make_results(2)
    for result in of(new, "get", "larderd"):
        result["requests_per_s"] *= 0.85
        result["server_cpu"]["ns_per_request"] /= 0.85
    paths = store("base.json", base), store("new.json", new)

    # The machine drifts by 20 %: it takes the other server's figures to see it.
    assert mcbench("compare", *paths).returncode == 0
    found = mcbench("compare", "--against", "memcached", *paths)
    assert found.returncode == 1, found.stdout
    rows = [line for line in found.stdout.splitlines() if line.endswith("WORSE")]
    assert [row.split()[:2] for row in rows] == [["get", "larderd"]] * 2
    assert "2 worse by more than 5 % and the noise" in found.stdout
    assert mcbench("compare", "--against", "memcached", "--threshold", "30", *paths).returncode == 0
    assert mcbench("compare", "--against", "memcached", *reversed(paths)).returncode == 0


def test_compare_tells_small_changes_from_large(store):
    """A loss below the threshold is named and no failure, a win is named, what overlaps is the same."""
    base, new = make_results(1, noise=0.001), make_results(2, noise=0.001)
    for workload, factor in (("get", 0.97), ("set", 1.2)):
        for result in of(new, workload, "larderd"):
            result["requests_per_s"] *= factor
    paths = store("base.json", base), store("new.json", new)
    result = mcbench("compare", "--all", "--against", "memcached", *paths)
    assert result.returncode == 0
    assert re.search(r"^get +larderd +requests/s .* worse, below threshold$", result.stdout, re.M)
    assert re.search(r"^set +larderd +requests/s .* better$", result.stdout, re.M)
    assert re.search(r"^incr +larderd +requests/s .* same$", result.stdout, re.M)
    assert "0 worse by more than 5 % and the noise, 1 worse by less, 1 better" in result.stdout
    result = mcbench("compare", "--threshold", "1", "--against", "memcached", *paths)
    assert result.returncode == 1


def test_compare_says_what_it_cannot_tell(store):
    noisy = store("noisy.json", make_results(1, noise=0.5))
    few = make_results(1)
    few["rounds"] = [entry for entry in few["rounds"] if entry["round"] < 3]
    few = store("few.json", few)

    result = mcbench("compare", "--all", noisy, noisy)
    assert result.returncode == 0
    assert re.search(r"^get +larderd +requests/s .* cannot tell$", result.stdout, re.M)
    result = mcbench("compare", "--all", few, few)
    assert result.returncode == 0
    assert "cannot tell: too few rounds" in result.stdout
    assert "cannot be told" in result.stdout


def test_compare_leaves_void_rounds_out(store):
    base, new = make_results(1), make_results(1)
    for result in of(new, "get", "larderd"):
        result.update(void=True, reason="busy", requests_per_s=1.0)
    result = mcbench("compare", "--all", store("base.json", base), store("new.json", new))
    assert result.returncode == 0
    assert "cannot tell: the new file has no valid round" in result.stdout


def test_compare_does_not_trust_the_generators_limit(store):
    base, new = make_results(1), make_results(1)
    for result in of(new, "get", "larderd"):
        result.update(load_bound=True, requests_per_s=result["requests_per_s"] * 0.5)
    result = mcbench("compare", "--all", "--server", "larderd", store("base.json", base),
                     store("new.json", new))
    assert result.returncode == 0
    assert re.search(r"^get +larderd +requests/s .* cannot tell: generator's limit$", result.stdout,
                     re.M)


def test_compare_replays(store):
    base, new = make_results(1), make_results(1)
    new["replay"][0]["misses"] += 50
    result = mcbench("compare", store("base.json", base), store("new.json", new))
    assert result.returncode == 1
    assert re.search(r"^w01 +larderd +misses +450 +500 +1.111 .* WORSE$", result.stdout, re.M)


def test_compare_warns_of_differences(store):
    base, new = make_results(1), make_results(1)
    new["machine"]["processor"] = "Q"
    new["workloads"][0]["work"]["seed"] = 2
    del new["servers"][2]
    new["rounds"] = [entry for entry in new["rounds"] if entry["server"] != "empty"]
    paths = store("base.json", base), store("new.json", new)
    result = mcbench("compare", "--all", *paths)
    assert result.returncode == 0
    assert "the machines differ" in result.stderr and "processor" in result.stderr
    assert "workload get is not the same in both files and is left out; it differs in seed" in \
        result.stderr
    assert "server empty is only in the base file" in result.stderr
    assert not re.search(r"^get ", result.stdout, re.M)

    for workload in new["workloads"]:
        workload["name"] = "other-" + workload["name"]
    for entry in new["rounds"]:
        entry["workload"] = "other-" + entry["workload"]
    new["replay"] = []
    result = mcbench("compare", paths[0], store("other.json", new))
    assert result.returncode == 2
    assert "nothing in common" in result.stderr


@pytest.mark.parametrize("command", [["compare"], ["plot", "--output", "page"]])
def test_bad_files(store, tmp_path, command):
    good = store("good.json", make_results())
    broken = make_results()
    del broken["rounds"][3]["result"]["latency"]
    cases = {"none.json": "No such file", "text.json": "text.json:1:", "half.json": "half.json:",
             "broken.json": "broken.json: rounds[3].result.latency: is missing",
             "run.json": "run.json: kind: is not",
             "later.json": "later.json: schema: is not 1"}
    (tmp_path / "text.json").write_text("hello")
    (tmp_path / "half.json").write_text(good.read_text()[:1000])
    store("broken.json", broken)
    store("run.json", {"schema": 1, "kind": "run"})
    store("later.json", {**make_results(), "schema": 2})
    for name, complaint in cases.items():
        second = [good] if command == ["compare"] else []
        result = subprocess.run([BUILD / "src/cli/mcbench/mcbench", *command, name, *second],
                                stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                cwd=tmp_path)
        assert result.returncode == 2, name
        assert complaint in result.stderr, result.stderr
        assert result.stdout == ""
    assert not list(tmp_path.glob("page*"))


def test_command_lines(store):
    good = store("good.json", make_results())
    for arguments in (["compare"], ["compare", good], ["plot", good], ["compare", "--no", good, good],
                      ["compare", "--against", "nobody", good, good],
                      ["plot", "--server", "nobody", "--output", good.parent / "x", good]):
        result = mcbench(*arguments)
        assert result.returncode == 2, arguments
        assert result.stderr and not result.stdout
    for command in ("compare", "plot"):
        result = mcbench(command, "--help")
        assert result.returncode == 0 and "examples:" in result.stdout


def drawings(folder):
    """Their texts, by name; each is well-formed."""
    found = {}
    for path in folder.glob("*.svg"):
        root = xml.etree.ElementTree.parse(path).getroot()
        found[path.name] = [element.text for element in root.iter() if element.tag.endswith("text")]
    return found


def test_plot_markdown(store, tmp_path):
    results = make_results()
    results["rounds"][0]["result"].update(void=True, reason="busy")
    result = mcbench("plot", store("r.json", results), "--output", tmp_path / "page")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    page = (tmp_path / "page.md").read_text()

    worse, unclear, rest = re.split(r"^## ", page, flags=re.M)[1:4]
    assert worse.startswith("Where larderd is worse")
    assert re.findall(r"^\| (\S+)", worse, re.M)[1:] == ["SET", "SET", "w01"]
    assert re.search(r"^\| w01 at 5.0 MiB \| misses \| memcached \| \*\*0.91\*\* \|$", worse, re.M)
    assert unclear.startswith("Where no difference was shown")
    assert "| INCR |" in unclear and "GET" not in unclear
    assert "Void rounds, which count nowhere: 1." in unclear
    assert re.search(r"^\| GET \\<1\\> \\\| one \| [\d,]+ \| (1.9|2.0)\d \(", rest, re.M), rest
    assert re.search(r"^\| SET \| [\d,]+ \| \*\*0.8\d \(", rest, re.M)

    texts = drawings(tmp_path)
    assert set(re.findall(r"\]\((\S+)\)", page)) == set(texts) == {
        "page-ratio.svg", "page-cpu.svg", "page-latency-get.svg", "page-threads-scale.svg",
        "page-hits.svg"}
    assert "GET <1> | one" in texts["page-ratio.svg"]
    assert {"requests offered per second", "latency since due, µs"} <= set(
        texts["page-latency-get.svg"])
    assert "empty" not in texts["page-hits.svg"]


def test_plot_of_the_generators_limit(store, tmp_path):
    """A loss that may be the generator's is none, and neither is such a win; both carry a sign."""
    results = make_results()
    for workload, server in (("set", "larderd"), ("get", "memcached")):
        for result in of(results, workload, server):
            result["load_bound"] = True
    assert mcbench("plot", store("r.json", results), "--output", tmp_path / "p").returncode == 0
    worse, unclear, rest = re.split(r"^## ", (tmp_path / "p.md").read_text(), flags=re.M)[1:4]
    assert "SET | requests/s" not in worse and "SET | CPU" in worse
    assert "| SET | requests/s | memcached | ≥ 0.8" in unclear
    assert re.search(r"one \| requests/s \| memcached \| ≤ (1.9|2.0)", unclear)
    assert re.search(r"^\| SET \| [\d,]+ \| ≥ 0.8\d \(", rest, re.M)
    assert any(text.startswith("≥ 0.8") for text in drawings(tmp_path)["p-ratio.svg"])


def test_plot_html_of_another_server(store, tmp_path):
    path = store("r.json", make_results())
    result = mcbench("plot", path, "--output", tmp_path / "page.html", "--server", "memcached",
                     "--title", "A & B")
    assert result.returncode == 0
    page = (tmp_path / "page.html").read_text()
    assert "<h1>A &amp; B</h1>" in page
    assert "<h2>Where memcached is worse</h2>" in page
    assert "<td>GET &lt;1&gt; | one</td>" in page
    assert set(re.findall(r'<img src="(\S+)"', page)) == set(drawings(tmp_path))


def test_plot_of_little(store, tmp_path):
    """Nothing but replays, nothing but void rounds, nothing at all: a page each, and no empty drawing."""
    replays, nothing, void = make_results(), make_results(), make_results()
    replays["workloads"] = replays["rounds"] = []
    nothing["workloads"] = nothing["rounds"] = nothing["replay"] = []
    for entry in void["rounds"]:
        entry["result"]["void"] = True
    void["replay"] = []
    for name, results, expected in (("replays", replays, {"replays-hits.svg"}),
                                    ("nothing", nothing, set()), ("void", void, set())):
        folder = tmp_path / name
        folder.mkdir()
        result = mcbench("plot", store(f"{name}.json", results), "--output", folder / name)
        assert (result.returncode, result.stderr) == (0, "")
        assert "Where larderd is worse" in (folder / f"{name}.md").read_text()
        assert set(drawings(folder)) == expected


def test_plot_where_nothing_can_be_written(store, tmp_path):
    path = store("r.json", make_results())
    result = mcbench("plot", path, "--output", tmp_path / "no" / "page")
    assert result.returncode == 2
    assert "No such file" in result.stderr
    (tmp_path / "page-cpu.svg").mkdir()
    result = mcbench("plot", path, "--output", tmp_path / "page")
    assert result.returncode == 1
    assert "page-cpu.svg" in result.stderr
