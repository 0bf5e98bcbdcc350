# SPDX-License-Identifier: BSD-3-Clause
"""The process is killed, stopped, or cannot write its log."""

import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from helpers import cpu_s, get, read_values, storage, wait_until
from lib.server import TIMEOUT_S, Client, Server, free_port, larderd_path


def start_at(port, *words):
    """A server at this very port, tried again as a supervisor would.

    The kernel takes the ring of a killed process apart in the background, and until then the
    listening socket in it exists: the next server may find the port in use for a moment.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        server = Server(["-l", "127.0.0.1", "-p", port, "-U", "0", *words], listen=False).start()
        server.port = port
        wait_until(lambda: not server.is_running() or is_ready(server))
        if server.is_running():
            return server
        text = server.stderr()
        server.kill()
        assert "in use" in text and time.monotonic() < deadline, text
        time.sleep(0.05)


def is_ready(server):
    """Does this very process answer? A dying one may still hold the port."""
    try:
        with server.connect(10) as client:
            return client.stats().get("pid") == str(server.pid)
    except (OSError, AttributeError):
        return False


class Load(threading.Thread):
    """Stores and reads back until told to stop; connects anew whenever the server is gone."""

    def __init__(self, port, number):
        super().__init__()
        self.port, self.number = port, number
        self.over = threading.Event()
        self.rounds = 0
        self.wrong = []

    def connect(self):
        return Client(socket.create_connection(("127.0.0.1", self.port), timeout=20), 20)

    def run(self):
        while not self.over.is_set():
            try:
                with self.connect() as client:
                    while not self.over.is_set() and self.one_round(client):
                        self.rounds += 1
            except OSError:
                time.sleep(0.01)

    def one_round(self, client):
        values = {f"load:{self.number}:{n}": b"%d " % self.rounds * (1 + n * n) for n in range(50)}
        client.send(b"".join(storage(key, value) for key, value in values.items()))
        for _ in values:
            answer = client.read_line()
            if answer is None:
                return False
            if answer != b"STORED":
                self.wrong.append(answer)
        client.send(b"get " + " ".join(values).encode() + b"\r\n")
        try:
            found = read_values(client)
        except AssertionError:
            return False  # cut off in the middle
        self.wrong += [key for key, (_, value) in found.items() if values[key] != value]
        return True


def test_killed_under_load_it_starts_again_at_once(loop):
    port = free_port()
    loads = [Load(port, number) for number in range(3)]
    server = start_at(port, *loop)
    try:
        for load in loads:
            load.start()
        for _ in range(3):
            before = [load.rounds for load in loads]
            assert wait_until(lambda: all(load.rounds > rounds + 3
                                          for load, rounds in zip(loads, before)))
            server.process.kill()
            assert server.wait() == -signal.SIGKILL
            server.kill()
            server = start_at(port, *loop)
        before = [load.rounds for load in loads]
        assert wait_until(lambda: all(load.rounds > rounds
                                      for load, rounds in zip(loads, before))), "no load came back"
    finally:
        for load in loads:
            load.over.set()
        for load in loads:
            load.join()
        assert server.process is None or server.is_running()
        server.stop()
    assert [load.wrong for load in loads] == [[], [], []]


def test_killed_it_leaves_nothing_that_hinders_the_next(tmp_path):
    words = ["-s", str(tmp_path / "socket"), "-P", str(tmp_path / "pid")]

    def listens():
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(words[1]) == 0
    with Server(words, listen=False) as first:
        assert wait_until(listens)
        assert wait_until(lambda: os.path.exists(words[3]))
        first.process.kill()
        first.wait()
        first.kill()
    assert os.path.exists(words[1])
    with Server(words, listen=False) as second:
        assert wait_until(listens), second.stderr()
        assert wait_until(lambda: (tmp_path / "pid").read_text() == f"{second.pid}\n")


def all_threads_stopped(pid):
    stats = pathlib.Path(f"/proc/{pid}/task").glob("*/stat")
    return all(stat.read_text().rsplit(")", 1)[1].split()[0] in "Tt" for stat in stats)


def test_stopped_for_a_while_it_goes_on_where_it_was(loop):
    with Server(loop) as server, server.connect() as client:
        client.send(storage("brief", b"x", exptime=2) + storage("steady", b"y"))
        assert client.read_line() == b"STORED"
        assert client.read_line() == b"STORED"
        half = server.connect()
        half.send(b"set half 0 0 10\r\n01234")
        def behind_s():
            """What the server's clock is behind ours, less where it began."""
            return time.monotonic() - int(late.stats()["uptime"]) - began

        late = server.connect()
        began = 0
        began = behind_s()
        os.kill(server.pid, signal.SIGSTOP)
        assert wait_until(lambda: all_threads_stopped(server.pid))
        try:
            half.send(b"56789\r\nget half\r\n")
            newest = server.connect()  # the kernel takes it
            newest.send(b"get steady\r\n")
            assert newest.read_available(4) == b""
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert half.read_line() == b"STORED"
        assert read_values(half) == {"half": (0, b"0123456789")}
        assert "steady" in read_values(newest)
        # The time it stood still has passed, as soon as the clock has ticked once. It counts seconds.
        assert wait_until(lambda: behind_s() < 2), "its clock stood still"
        assert wait_until(lambda: get(late, "brief") == {})
        for other in (half, late, newest):
            other.close()


# ---- a log that cannot be written ----

def run_with_stderr(stderr, port):
    user = ["-u", "root"] if os.geteuid() == 0 else []
    return subprocess.Popen([larderd_path(), *user, "-l", "127.0.0.1", "-p", str(port), "-U", "0",
                             "-vvv"], stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)


def check_serves_and_stops(process, port):
    def connect():
        try:
            return Client(socket.create_connection(("127.0.0.1", port), timeout=20))
        except OSError:
            assert process.poll() is None, "it ended"
    client = wait_until(connect)
    try:
        for n in range(3000):
            client.send(b"set k 0 0 1\r\nx\r\nget k\r\nnonsense\r\n")
            assert client.read_line() == b"STORED"
            assert get_after(client) == b"x"
            assert client.read_line() == b"ERROR", n
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
    finally:
        client.close()
        if process.poll() is None:
            process.kill()
            process.wait()


def get_after(client):
    (_, value), = read_values(client).values()
    return value


def test_full_disk_under_the_log_stops_nothing():
    port = free_port()
    with open("/dev/full", "wb") as full:
        check_serves_and_stops(run_with_stderr(full, port), port)


@pytest.mark.larderd  # memcached ends by SIGPIPE if it has to write before it ignores the signal
def test_closed_pipe_under_the_log_stops_nothing():
    port = free_port()
    reader, writer = os.pipe()
    process = run_with_stderr(writer, port)
    os.close(writer)
    os.close(reader)
    check_serves_and_stops(process, port)


# ---- starved of descriptors ----

@pytest.mark.larderd  # memcached spins here until one is free
def test_out_of_descriptors_it_waits_without_spinning(loop):
    with Server([*loop, "-c", "1000", "-t", "2"]) as server, server.connect() as client:
        assert client.ask(b"version")
        used = len(os.listdir(f"/proc/{server.pid}/fd"))
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used + 10, 1100))
        crowd = []
        try:
            for _ in range(40):
                crowd.append(server.connect())
            time.sleep(0.3)
            before = cpu_s(server.pid)
            time.sleep(1)
            spent = cpu_s(server.pid) - before
            assert spent < 0.3, f"{spent:.2f} s of CPU in a second of waiting"
            assert client.ask(b"version").startswith(b"VERSION"), "who is in is served"
        finally:
            for other in crowd:
                other.close()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (1100, 1100))

        def answers():
            with server.connect() as late:
                return late.ask(b"version")
        assert answers().startswith(b"VERSION"), "does not accept again"


@pytest.mark.larderd
def test_connection_limit_beyond_the_descriptor_limit_is_said(tmp_path):
    """-c asks for more than the process may have: it says so, at start, not at the first crowd."""
    script = 'ulimit -n 256; exec "$@"'
    user = ["-u", "root"] if os.geteuid() == 0 else []
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", script, "sh", larderd_path(), *user, "-l", "127.0.0.1", "-p", "-1", "-c",
             "100000000"], stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def has_said_it():
        return re.search("open files|connections", log.read_text())
    try:
        assert wait_until(lambda: has_said_it() or process.poll() is not None)
        assert has_said_it(), log.read_text()
        assert process.poll() is None or process.returncode > 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
