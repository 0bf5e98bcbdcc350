# SPDX-License-Identifier: BSD-3-Clause
"""Many, slow, silent and rude clients: limits, back-pressure, memory per connection."""

import contextlib
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from helpers import (allow_descriptors, get, loop_arguments, memory_kib, private_kib, read_values,
                     storage, wait_until)
from lib.server import TIMEOUT_S, Client, Server

MIB = 1 << 20
TOO_MANY = b"ERROR Too many open connections"


def start(loop, *words):
    return Server([*loop, *words])


@contextlib.contextmanager
def connected(server, count):
    """That many open connections."""
    sockets = []
    try:
        for _ in range(count):
            sockets.append(socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S))
        yield sockets
    finally:
        for sock in sockets:
            sock.close()


def connection_count(client):
    return int(client.stats()["curr_connections"])


# ---- the limit ----

def test_connection_over_the_limit_is_told_and_closed(loop):
    with start(loop, "-c", "32", "-t", "2") as server, server.connect() as first:
        assert first.ask(b"version")
        with connected(server, 40) as sockets:
            def refused():
                return int(first.stats()["rejected_connections"]) >= 8
            assert wait_until(refused)
            last = Client(sockets[-1])
            assert last.read_line() == TOO_MANY
            assert last.is_closed()
            assert first.ask(b"version").startswith(b"VERSION"), "the others are not touched"
        assert wait_until(lambda: connection_count(first) < 10)
        with server.connect() as late:
            assert late.ask(b"version").startswith(b"VERSION"), "places that came free are used"


@pytest.mark.larderd  # memcached closes its backlog meanwhile and may lose who knocks
def test_connection_over_the_limit_waits_when_told_to(loop):
    with start(loop, "-c", "32", "-t", "2", "-o", "no_maxconns_fast") as server:
        # At the limit connect() may hang or succeed, by how the server stops accepting: either is
        # waiting.
        late, answers = [], []

        def come_late():
            client = server.connect()
            late.append(client)
            answers.append(client.ask(b"version"))
        with server.connect() as first, connected(server, 20) as leaving:
            assert first.ask(b"version")
            threads = [threading.Thread(target=come_late) for _ in range(16)]
            for thread in threads:
                thread.start()
            assert not wait_until(lambda: len(answers) == 16, timeout_s=0.7), "there is no limit"
            # Each worker may have one more under way when the limit is reached.
            assert connection_count(first) <= 32 + 2
            for sock in leaving:
                sock.close()
            for thread in threads:
                thread.join()
            assert len(answers) == 16, "some were forgotten"
            assert all(answer.startswith(b"VERSION") for answer in answers)
            assert int(first.stats()["listen_disabled_num"]) > 0
        for client in late:
            client.close()


# ---- idle ----

@pytest.mark.slow
def test_idle_connection_is_closed_after_the_timeout(loop):
    with start(loop, "-o", "idle_timeout=3") as server:
        idle, active, watcher = (server.connect() for _ in range(3))
        assert idle.ask(b"version")
        closed = []

        def watch_idle():
            closed.append(idle.is_closed())
        thread = threading.Thread(target=watch_idle)
        thread.start()
        while thread.is_alive():
            assert active.ask(b"version"), "an active connection was closed"
            time.sleep(0.2)
        thread.join()
        assert closed == [True]
        assert int(active.stats()["idle_kicks"]) >= 1
        for client in (idle, active, watcher):
            client.close()


IDLE_COUNT = 10_000


@pytest.mark.measured
@pytest.mark.slow
@pytest.mark.larderd
def test_ten_thousand_idle_connections_take_less_than_1_kib_each(loop):
    """Each has made a request before it fell silent: buffers have to go back to the pool."""
    allow_descriptors(IDLE_COUNT + 500)
    with start(loop, "-c", str(IDLE_COUNT + 100)) as server, server.connect() as client:
        client.send(storage("key", b"x" * 3000))
        assert client.read_line() == b"STORED"
        with connected(server, 50) as warm_up:
            for sock in warm_up:
                sock.sendall(b"get key\r\n")
                assert Client(sock).read_until(b"END\r\n")
        before = private_kib(server.pid)
        with connected(server, IDLE_COUNT) as sockets:
            for sock in sockets:
                sock.sendall(b"get key\r\n")
            for sock in sockets:
                assert Client(sock).read_until(b"END\r\n")
            assert connection_count(client) >= IDLE_COUNT
            each = (private_kib(server.pid) - before) * 1024 / IDLE_COUNT
            print(f"{each:.0f} bytes for each of {IDLE_COUNT} idle connections")
            assert each < 1024
            started = time.monotonic()
            assert get(client, "key")
            assert time.monotonic() - started < 10, "one pays for the others"
            for sock in sockets[::100]:
                sock.sendall(b"version\r\n")
                assert Client(sock).read_line().startswith(b"VERSION")
        assert wait_until(lambda: connection_count(client) < 10), "closed ones are still counted"


@pytest.mark.measured
def test_storm_of_short_connections_leaves_nothing_behind(loop):
    with start(loop) as server, server.connect() as client:
        assert client.ask(b"version")

        def storm(count):
            for n in range(count):
                with server.connect() as brief:
                    if n % 3:  # every third leaves without a word
                        assert brief.ask(b"set k 0 0 1\r\nx") == b"STORED"
                    if n % 3 == 1:  # and some in the middle of one
                        brief.send(b"set k 0 0 100\r\nabc")
        storm(200)
        before = memory_kib(server.pid, "VmRSS")
        threads = [threading.Thread(target=storm, args=(500,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wait_until(lambda: connection_count(client) <= 3)
        assert int(client.stats()["total_connections"]) >= 2200
        assert memory_kib(server.pid, "VmRSS") - before < 4096


@pytest.mark.measured
# ---- slow readers ----

def test_slow_reader_of_large_values_takes_no_memory_from_the_others(loop):
    """64 clients ask for 64 MiB each and read nothing: 4 GiB if it were all kept."""
    value = bytes(n % 251 for n in range(MIB - 1024))
    with start(loop, "-m", "256", "-t", "2") as server, server.connect() as client:
        client.send(storage("big", value))
        assert client.read_line() == b"STORED"
        before = memory_kib(server.pid, "VmRSS")
        with connected(server, 64) as slow:
            for sock in slow:
                sock.sendall(b"get big\r\n" * 64)
            # Long enough for a server without a limit to fill memory; others are served all along.
            deadline = time.monotonic() + 2
            worst = 0.0
            while time.monotonic() < deadline:
                started = time.monotonic()
                assert client.ask(b"version").startswith(b"VERSION")
                worst = max(worst, time.monotonic() - started)
                time.sleep(0.01)
            grown = memory_kib(server.pid, "VmRSS") - before
            print(f"{grown} KiB for 64 slow readers, worst answer meanwhile {worst * 1000:.0f} ms")
            assert grown < 192 * 1024, "what slow readers do not take is kept without bound"
            assert worst < 10
            # The storage they do not read is not pinned: the key can be stored anew.
            client.send(storage("big", b"new"))
            assert client.read_line() == b"STORED"
            # And one that begins to read gets what it asked for, in order, whole values.
            reader = Client(slow[0])
            sizes = set()
            for _ in range(64):
                (got, ), = [read_values(reader).values()]
                assert got[1] in (value, b"new"), "a torn value"
                sizes.add(len(got[1]))
            assert MIB - 1024 in sizes


@pytest.mark.measured
def test_client_that_pipelines_without_reading_is_stopped(loop):
    """Back-pressure: at some point the server stops receiving, so our send blocks."""
    with start(loop, "-t", "2") as server, server.connect() as other:
        other.send(storage("k", b"v" * 1000))
        assert other.read_line() == b"STORED"
        before = memory_kib(server.pid, "VmRSS")
        with connected(server, 1) as (sock,):
            sock.setblocking(False)
            request = b"get k\r\n" * 1000
            sent, blocked_since = 0, None
            while blocked_since is None or time.monotonic() < blocked_since + 1:
                try:
                    sent += sock.send(request[sent % 7:])
                    blocked_since = None
                except BlockingIOError:
                    blocked_since = blocked_since or time.monotonic()
                    time.sleep(0.01)
                assert sent < 256 * MIB, "the server takes everything"
            assert other.ask(b"version").startswith(b"VERSION")
            assert memory_kib(server.pid, "VmRSS") - before < 64 * 1024
            # Reading sets it free again, with every answer in its place.
            sock.setblocking(True)
            sock.settimeout(TIMEOUT_S)
            answer = b"VALUE k 0 1000\r\n" + b"v" * 1000 + b"\r\nEND\r\n"
            reader = Client(sock)
            for n in range(sent // 7):
                assert reader.read_exactly(len(answer)) == answer, f"answer {n} is wrong"
                if n == 50_000:
                    break


# ---- slow writers ----

def test_set_in_single_bytes_is_stored(loop):
    with start(loop) as server, server.connect() as client:
        for byte in storage("dribble", bytes(range(256)) * 4, flags=7):
            client.socket.sendall(bytes([byte]))
        assert client.read_line() == b"STORED"
        client.send(b"get dribble\r\n")
        assert read_values(client) == {"dribble": (7, bytes(range(256)) * 4)}


def test_slow_writer_of_a_large_value_holds_up_nobody(loop):
    value = bytes(n % 251 for n in range(MIB - 1024))
    with start(loop, "-t", "1") as server, server.connect() as slow, server.connect() as other:
        stream = storage("slow", value)
        other.send(storage("slow", b"old"))
        assert other.read_line() == b"STORED"
        for start_at in range(0, len(stream), 4096):
            slow.socket.sendall(stream[start_at:start_at + 4096])
            if start_at % (64 * 1024) == 0:
                assert get(other, "slow") == {"slow": b"old"}, "half a value is visible"
        assert slow.read_line() == b"STORED"
        assert get(other, "slow") == {"slow": value}


def test_client_that_leaves_in_the_middle_of_a_set_changes_nothing(loop):
    with start(loop) as server, server.connect() as client:
        client.send(storage("k", b"old"))
        assert client.read_line() == b"STORED"
        for size in (100, 10_000, 1_000_000):
            with server.connect() as leaver:
                leaver.send(b"set k 0 0 %d\r\n" % size + b"x" * (size - 1))
        assert wait_until(lambda: connection_count(client) <= 2)
        assert get(client, "k") == {"k": b"old"}


# ---- pipelines ----

def test_pipeline_of_mixed_commands_is_answered_in_order(loop):
    with start(loop) as server, server.connect() as client:
        requests, answers = [], []
        for n in range(20_000):
            key = f"k{n % 100}"
            value = b"%d" % n + b"x" * (n % 700)
            requests.append(storage(key, value) + f"get {key}\r\n".encode() + b"mn\r\n")
            answers.append(b"STORED\r\nVALUE %s 0 %d\r\n%s\r\nEND\r\nMN\r\n"
                           % (key.encode(), len(value), value))
        sender = threading.Thread(target=client.socket.sendall, args=(b"".join(requests),))
        sender.start()
        expected = b"".join(answers)
        got = client.read_exactly(len(expected))
        sender.join()
        assert got == expected


def test_multi_get_of_ten_thousand_keys_on_one_line(loop):
    with start(loop) as server, server.connect() as client:
        stored = {f"key:{n}": b"value %d" % n for n in range(10_000)}
        sender = threading.Thread(target=client.socket.sendall, args=(
            b"".join(storage(key, value) for key, value in stored.items()),))
        sender.start()
        for _ in stored:
            assert client.read_line() == b"STORED"
        sender.join()
        assert get(client, *stored) == stored


def sleeps(pid):
    """How often each thread has gone to sleep."""
    statuses = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])
            for status in statuses]


ROUNDS_MAX = 500


@pytest.mark.larderd
@pytest.mark.parametrize("loop_name", ["epoll", "uring"])
def test_workers_share_the_connections(loop_name):
    """Work wakes all four threads: none sits idle while another does everything."""
    words = loop_arguments(loop_name)
    with Server([*words, "-t", "4"]) as server, connected(server, 64) as sockets:
        for _ in range(ROUNDS_MAX):  # on a busy machine a thread may find more work and not sleep
            for sock in sockets:
                sock.sendall(b"get nothing\r\n" * 50)
            for sock in sockets:
                client = Client(sock)
                assert client.read_exactly(5 * 50) == b"END\r\n" * 50
            if len([count for count in sleeps(server.pid) if count > 20]) >= 4:
                return
        assert False, sleeps(server.pid)
