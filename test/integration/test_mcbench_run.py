# SPDX-License-Identifier: BSD-3-Clause
"""mcbench run: what it says agrees with what the server has counted, and no lie of a server passes.

A machine that runs tests is busy with other things, so most of these runs are void, and say so.
What must hold all the same is asked here: counts, not speeds.
"""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from helpers import wait_until
from lib.server import TREE, Server, free_port, larderd_path, peer_path

MCBENCH = Path(larderd_path()).resolve().parents[2] / "src/cli/mcbench/mcbench"
DURATION_S = 0.3
SHORT = ["--duration", DURATION_S, "--warmup", "0", "--timeout", "60"]
RUN_TIMEOUT_S = 120


def mcbench(*arguments, status=(0, 1)):
    """The finished process; its status is one of those."""
    done = subprocess.run([MCBENCH, "run", *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=RUN_TIMEOUT_S)
    assert done.returncode in status, f"status {done.returncode}: {done.stderr}\n{done.stdout}"
    return done


def measure_once(duration_s, arguments):
    done = mcbench(*SHORT, "--duration", duration_s, "--json", "-", *arguments)
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)["result"]
    assert done.returncode == (1 if result["void"] else 0)
    assert result["void"] == ("void: " in done.stderr)
    assert not result["cut"]
    return result


def measure(*arguments):
    """The result in the JSON of a short run. Void is no failure here, anything else is.

    Where the machine was so busy that there was next to nothing to count, a longer run follows;
    result["runs"] is how many there were.
    """
    for runs, duration_s in enumerate((DURATION_S, 2, 10), 1):
        result = measure_once(duration_s, arguments)
        if result["requests"] >= 100:
            break
    return {**result, "runs": runs, "duration_s": duration_s}


def address_of(server):
    return server.path if server.unix else f"127.0.0.1:{server.port}"


def stats_of(server):
    with server.connect() as client:
        return {name: int(value) for name, value in client.stats().items() if value.isdigit()}


@pytest.fixture(params=["larderd", "peer"])
def program(request):
    return peer_path() if request.param == "peer" else larderd_path()


# ---- what is counted ----

@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("protocol", ["text", "meta"])
def test_closed_loop_agrees_with_the_server(program, protocol, unix):
    with Server(program=program, unix=unix) as server:
        result = measure("--populate", "-P", protocol, "-k", 2000, "-c", 10, "-p", 8,
                         address_of(server))
        stats = stats_of(server)
    assert result["requests"] == result["keys"] == result["hits"] == result["verbs"]["get"] > 0
    assert result["misses"] == result["refused"] == 0
    assert result["value_bytes"] == 100 * result["hits"]
    assert stats["curr_items"] == 2000
    assert stats["cmd_set"] == result["runs"] * 2000
    assert stats["get_hits"] == stats["cmd_get"]
    # What was under way when the time was over is not counted, but answered.
    assert result["keys"] <= stats["cmd_get"] <= result["keys"] + result["runs"] * (100 + 10 * 8)
    assert result["latency"]["service"]["count"] == result["requests"]
    assert result["latency"]["intended"] is None


@pytest.mark.parametrize("protocol", ["text", "meta"])
def test_mix(program, protocol):
    with Server(program=program) as server:
        result = measure("--populate", "-P", protocol, "-m", "get:5,set:3,delete:1,incr:1", "-k",
                         500, "-g", "2-20", "-p", 4, address_of(server))
        stats = stats_of(server)
    verbs = result["verbs"]
    assert all(count > 0 for count in verbs.values())
    assert sum(verbs.values()) == result["requests"]
    assert result["hits"] + result["misses"] == result["keys"] >= 2 * verbs["get"]
    assert result["misses"] == 0  # deletes have keys of their own
    assert stats["incr_hits"] >= verbs["incr"] and stats["incr_misses"] == 0
    assert stats["delete_hits"] + stats["delete_misses"] >= verbs["delete"]


@pytest.mark.parametrize("protocol", ["text", "meta"])
def test_quiet_sets(program, protocol):
    with Server(program=program) as server:
        result = measure("-m", "set:1", "--noreply", "-P", protocol, "-p", 50, "-c", 5, "-k", 1000,
                         address_of(server))
        stats = stats_of(server)
    sets = result["verbs"]["set"]
    assert 0 < sets <= stats["cmd_set"] <= sets + result["runs"] * (100 + 5 * 50)
    # One of a batch is answered, and only that one has a latency.
    assert result["latency"]["service"]["count"] == sets / 50


def test_sizes_from_nothing_to_large(program):
    with Server(["-m", "256"], program=program) as server:
        result = measure("--populate", "-m", "get:3,set:1", "-v", "0-400000", "--key-size", "16-250",
                         "-k", 200, "-p", 4, "-c", 5, address_of(server))
        assert result["hits"] == result["keys"] > 0
        result = measure("--populate", "-v", "etc", "--key-size", "etc", "-o", "zipf:1.1", "-k",
                         2000, address_of(server))
        assert result["hits"] == result["keys"] > 0


def test_misses_are_filled(program):
    with Server(program=program) as server:
        result = measure("--fill-miss", "-k", 300, "-g", 5, "-c", 4, address_of(server))
        stats = stats_of(server)
    assert result["misses"] > 0 and result["hits"] > 0
    assert result["verbs"]["set"] >= 300 == stats["curr_items"]


def test_connections_come_and_go(program):
    with Server(program=program) as server:
        result = measure("--populate", "-c", 20, "--reconnect", 25, "-p", 4, "-k", 100,
                         address_of(server))
        stats = stats_of(server)
    assert result["reconnects"] > 0
    # Its own, the one that looked whether anybody is there, and those of this test.
    total = stats["total_connections"] - 20 * result["runs"]
    assert result["reconnects"] <= total <= result["reconnects"] + 50 * result["runs"]
    assert result["hits"] == result["keys"]


def test_many_connections_and_threads(server):
    result = measure("--populate", "-c", 900, "-t", 3, "-k", 1000, address_of(server))
    assert result["hits"] == result["keys"] > 0


def test_populate_only(server):
    done = mcbench("--populate-only", "-k", 3000, "-v", "10-2000", address_of(server), status=[0])
    assert "stored" in done.stdout
    assert stats_of(server)["curr_items"] == 3000


def test_same_seed_same_requests(server):
    """Whatever one run has stored, the next one knows: values depend on nothing but the key."""
    mcbench("--populate-only", "-k", 500, "-v", "1-300", "--seed", 3, address_of(server), status=[0])
    result = measure("-k", 500, "-v", "1-300", "--seed", 4, "-P", "meta", address_of(server))
    assert result["hits"] == result["keys"] > 0


def test_ipv6():
    port = free_port()
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with Server(["-l", "::1", "-p", port], listen=False) as server:
        wait_until(lambda: socket.socket(socket.AF_INET6).connect_ex(("::1", port)) == 0)
        assert measure("--populate", "-k", 100, f"[::1]:{port}")["hits"] > 0
        assert server.is_running()


# ---- open loops ----

@pytest.mark.parametrize("burst", [[], ["--burst", "40"]], ids=["poisson", "bursts"])
def test_open_loop_keeps_its_rate(program, burst):
    with Server(program=program) as server:
        result = measure("--populate", "-r", 4000, *burst, "-k", 100, address_of(server))
    latency = result["latency"]
    # Every request that fell due in the window has an intended latency, sent or not.
    assert latency["intended"]["count"] == latency["service"]["count"] + result["unsent"]
    expected = 4000 * result["duration_s"]
    assert 0.7 * expected <= latency["intended"]["count"] <= 1.3 * expected
    assert latency["intended"]["max_ns"] >= latency["service"]["max_ns"]
    assert result["hits"] == result["keys"]


def test_overload_is_not_hidden(program):
    with Server(program=program) as server:
        result = measure("--populate", "-r", 5000000, "-c", 2, "-k", 100, address_of(server))
    latency = result["latency"]
    assert result["unsent"] > 0
    assert latency["intended"]["count"] == latency["service"]["count"] + result["unsent"]
    assert latency["intended"]["count"] > 0.95 * 5000000 * result["duration_s"]
    # Half of them waited for half of the time: nobody asks only when it suits the server.
    assert latency["intended"]["p50_ns"] > 0.3e9 * result["duration_s"]


def test_measuring_lane(program):
    with Server(program=program) as server:
        result = measure("--populate", "-p", 16, "--probe", 500, "-k", 100, address_of(server))
        quiet = measure("--populate", "-r", 1000, "--probe", 500, "-k", 100, address_of(server))
    for each in result, quiet:
        assert 0 < each["latency"]["probe"]["count"] < 2 * 500 * each["duration_s"]


# ---- where it is said ----

def test_json_and_logs_are_files(server, tmp_path):
    done = mcbench(*SHORT, "--populate", "-r", 1000, "--probe", 100, "-k", 100, "--json",
                   tmp_path / "r.json", "--hist", tmp_path / "h", "--pid", server.pid,
                   address_of(server))
    assert "per second" in done.stdout and "latency" in done.stdout
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["work"]["load"]["offered_per_s"] == 1000
    assert document["result"]["server_cpu"]["run_ns"] > 0
    for name in "service", "intended", "probe":
        assert "Histogram log format version" in (tmp_path / f"h.{name}.hlog").read_text()


def test_files_that_cannot_be_written(server):
    for option in "--json", "--hist":
        done = mcbench(*SHORT, option, "/no/such/folder/x", address_of(server), status=[1])
        assert "cannot write /no/such/folder/x" in done.stderr


def test_progress_is_for_terminals(server):
    master, terminal = pty.openpty()
    done = subprocess.run([MCBENCH, "run", "-d", "2.2", "-w", "0", "--populate", "--timeout", "60",
                           address_of(server)], stdout=subprocess.PIPE, stderr=terminal,
                          timeout=RUN_TIMEOUT_S)
    os.close(terminal)
    shown = b""
    try:
        while data := os.read(master, 65536):
            shown += data
    except OSError:
        pass  # the other end is closed
    os.close(master)
    assert done.returncode in (0, 1)
    assert b"\r" in shown and b"requests/s" in shown
    assert "requests/s" not in mcbench(*SHORT, address_of(server)).stderr


def test_interrupted(server):
    process = subprocess.Popen(
        [MCBENCH, "run", "-d", "600", "-w", "0", "--populate", "-k", "100", "--timeout", "60",
         "--json", "-", address_of(server)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert wait_until(lambda: stats_of(server)["cmd_get"] > 100, timeout_s=60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    result = json.loads(out)["result"]
    assert process.returncode == 1
    assert result["cut"] and result["requests"] > 0 and 0 < result["wall_s"] < 600
    assert result["void"] or "cut short" in err


def test_help_and_manual():
    """Every option is in the manual; there are examples to begin with."""
    manual = (TREE / "doc/man/mcbench.1").read_text()
    text = mcbench("--help", status=[0]).stdout
    options = re.findall(r"^  (?:-(\w), |    )--([\w-]+)", text, re.M)
    assert len(options) > 25
    for letter, name in options:
        spelled = rf"^\.It .*Fl -{name}\b" if not letter else rf"^\.It Fl {letter}\b.*Fl -{name}\b"
        assert re.search(spelled, manual, re.M), f"mcbench.1 does not know --{name}"
    assert len(re.findall(r"^    mcbench run ", text, re.M)) >= 5


@pytest.mark.parametrize("arguments, words", [
    (["--mix", "get"], "--mix get"), (["--mix", "get:1,get:2"], "--mix"), (["-g", "0"], "multi-get"),
    (["-g", "501"], "multi-get"), (["-o", "zipf"], "order"), (["-o", "zipf:9"], "order"),
    (["-v", "9-1"], "value-size"), (["--key-size", "15"], "key-size"), (["--cpu", "a"], "--cpu"),
    (["-b", "5"], "rate"), (["-t", "2", "-c", "1"], "connection"), (["-r", "0"], "-r"),
    (["--nonsense"], "nonsense"), (["a:1", "b:2"], "'b:2'")])
def test_wrong_command_lines(arguments, words):
    assert words in mcbench(*arguments, status=[2]).stderr


def test_nobody_listens(tmp_path):
    for address in f"127.0.0.1:{free_port()}", tmp_path / "no.sock", "no-such-host.invalid:1":
        assert str(address).split(":")[0] in mcbench(address, status=[1]).stderr


# ---- servers that lie ----

class Liar:
    """A small cache that speaks text, and does to the answers of a few gets what it is told to.

    lie(answers, client, keys) gets the answers to what has just been received, a list of bytes, and
    returns what is sent instead; None sends nothing and listens no more.
    """

    def __init__(self, lie):
        self.lie = lie
        self.items = {}
        self.get_count = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets = []

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        for client in self.sockets:
            client.close()

    def accept(self):
        try:
            while True:
                client, _ = self.listener.accept()
                self.sockets.append(client)
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()
        except OSError:
            pass  # closed

    def serve(self, client):
        pending = b""
        try:
            while data := client.recv(1 << 16):
                answers, keys, pending = self.answer(pending + data)
                if keys:
                    answers = self.lie(self, answers, client, keys)
                if answers is None:
                    return
                client.sendall(b"".join(answers))
        except OSError:
            pass  # the generator has gone, or this test has

    def answer(self, data):
        """Answers to all requests in data, the keys that were read, and what is left of data."""
        answers, keys = [], []
        while (end := data.find(b"\r\n")) >= 0:
            words = data[:end].split()
            if words[0] == b"set":
                size = int(words[4])
                if len(data) < end + 2 + size + 2:
                    break
                self.items[words[1]] = words[2], data[end + 2:end + 2 + size]
                end += size + 2
                answers.append(b"STORED\r\n")
            else:
                assert words[0] == b"get" and len(words) == 2
                keys.append(words[1])
                answers.append(self.hit(words[1], words[1]))
                self.get_count += 1
            data = data[end + 2:]
        return answers, keys, data

    def hit(self, key, named):
        flags, value = self.items[key]
        return b"VALUE %s %s %d\r\n%s\r\nEND\r\n" % (named, flags, len(value), value)


def other_than(liar, key):
    return next(name for name in liar.items if name != key)


def flip_a_byte(liar, answers, _client, _keys):
    at = answers[-1].index(b"\r\n") + 40  # in the value
    answers[-1] = answers[-1][:at] + bytes([answers[-1][at] ^ 1]) + answers[-1][at + 1:]
    return answers


def value_of_another_key(liar, answers, _client, keys):
    answers[-1] = liar.hit(other_than(liar, keys[-1]), keys[-1])
    return answers


def answer_of_another_key(liar, answers, _client, keys):
    answers[-1] = liar.hit(*[other_than(liar, keys[-1])] * 2)
    return answers


def out_of_order(_liar, answers, _client, _keys):
    return answers[::-1]


def wrong_flags(_liar, answers, _client, _keys):
    line, rest = answers[-1].split(b"\r\n", 1)
    words = line.split()
    words[2] = b"%d" % (int(words[2]) + 1)
    return answers[:-1] + [b" ".join(words) + b"\r\n" + rest]


def too_much(_liar, answers, _client, _keys):
    return answers + [b"END\r\n"]


def error_line(_liar, answers, _client, _keys):
    return answers[:-1] + [b"CLIENT_ERROR bad command line format\r\n"]


def truncate(_liar, answers, client, _keys):
    client.sendall(b"".join(answers)[:-20])
    client.shutdown(socket.SHUT_RDWR)


def close(_liar, _answers, client, _keys):
    client.shutdown(socket.SHUT_RDWR)


def stall(_liar, _answers, _client, _keys):
    return None


def after(count, lie):
    """Honest for so many gets."""
    def maybe(liar, answers, client, keys):
        return lie(liar, answers, client, keys) if liar.get_count > count else answers
    return maybe


@pytest.mark.parametrize("arrival", [[], ["--rate", "2000"]], ids=["closed", "open"])
@pytest.mark.parametrize("lie", [flip_a_byte, value_of_another_key, answer_of_another_key,
                                 out_of_order, wrong_flags, too_much, error_line])
def test_wrong_answers_are_shown(lie, arrival):
    honest_count = 100
    if lie is out_of_order:
        arrival = []  # needs several at once
    with Liar(after(honest_count, lie)) as liar:
        done = mcbench("-d", 60, "-w", 0, "--populate", "-k", 64, "-c", 2, "-p", 4, *arrival,
                       "--timeout", 60, liar.address, status=[1])
    assert f"{liar.address} answered wrong: " in done.stderr
    assert "received, " in done.stderr
    assert "requests answered" in done.stderr
    if lie is not too_much:
        assert "request, " in done.stderr
        assert re.search(r"000000  67 65 74 20 .* \|get bench:v:", done.stderr)
        assert re.search(r"000000  (56 41 4c 55 45 .* \|VALUE |43 4c 49 45)", done.stderr)
    assert len(done.stderr) < 4200
    assert done.stdout == ""


@pytest.mark.parametrize("lie, words", [(close, "closed the connection"),
                                        (truncate, "closed the connection"),
                                        (stall, "does not answer any more")])
def test_servers_that_go_away(lie, words):
    with Liar(after(100, lie)) as liar:
        timeout_s = 2 if lie is stall else 60
        done = mcbench("-d", 60, "-w", 0, "--populate", "-k", 64, "-c", 2, "-p", 4, "--timeout",
                       timeout_s, liar.address, status=[1])
    assert f"{liar.address} {words}" in done.stderr or (
        lie is not stall and "Connection reset" in done.stderr)
    assert "under way, the oldest, a get, for" in done.stderr


def test_honest_liar():
    """The little server is right as long as it is not told to lie."""
    with Liar(lambda _liar, answers, _client, _keys: answers) as liar:
        result = measure("--populate", "-k", 64, "-c", 2, "-p", 4, liar.address)
    assert result["hits"] == result["keys"] > 0


@pytest.mark.larderd
def test_more_connections_than_the_server_takes():
    with Server(["-c", "20"]) as server:
        done = mcbench("-c", 60, "-d", 60, "--timeout", 3, address_of(server), status=[1])
    assert re.search("does not answer any more|closed the connection|takes no more connections|"
                     "cannot be|got 'ERROR Too many open connections", done.stderr)
