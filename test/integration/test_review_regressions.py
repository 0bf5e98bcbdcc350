# SPDX-License-Identifier: BSD-3-Clause
"""Bytes that once ended the server, or its answers."""

import time

import pytest

from lib.server import Server


@pytest.fixture
def server(loop):
    """One worker, so that every connection meets what another one left."""
    with Server([*loop, "-t", "1"]) as server:
        yield server


@pytest.mark.parametrize("size", [0, 1, 1000, 4000])
def test_value_behind_a_line_of_blanks_may_come_in_parts(size):
    """Line and value together were more than a connection may leave unread."""
    value = b"x" * size + b"\r\n"
    # epoll receives such a line whole; io_uring does not, and then it is cut off, as by memcached.
    with Server(["--loop", "epoll"]) as server, server.connect() as client:
        for blanks in (12000, 14000, 16000, 16300):
            client.send(b"set key" + b" " * blanks + b"7 0 %d\r\n" % size + value[:size * 3 // 4])
            assert client.read_available() == b""
            client.send(value[size * 3 // 4:])
            assert client.read_line() == b"STORED"
            assert client.ask(b"get key") == b"VALUE key 7 %d" % size
            assert client.read_exactly(size + 7) == value + b"END\r\n"


def test_long_line_without_a_key_after_a_key_that_was_too_long(server):
    """The key that the first line left behind was taken for the second line's."""
    with server.connect() as client:
        assert client.ask(b"delete " + b"a" * 300) == b"CLIENT_ERROR bad command line format"
        client.send(b"get " + b"b" * 3000)
        assert client.read_line() == b"CLIENT_ERROR bad command line format"
        client.send(b" c\r\n")
        assert client.ask(b"mn") == b"MN"


def test_answers_before_quit_reach_a_slow_reader(loop):
    """What the socket did not take at once was thrown away; a UNIX socket takes little."""
    size = 900000
    with Server([*loop], unix=True) as server, server.connect() as client:
        client.send(b"set key 0 0 %d\r\n" % size + b"x" * size + b"\r\n")
        assert client.read_line() == b"STORED"
        client.send(b"get key\r\nquit\r\nget key\r\n")
        time.sleep(0.2)
        answer = client.read_until(b"END\r\n")
        assert answer is not None and len(answer) == size + len(b"VALUE key 0 900000\r\n\r\nEND\r\n")
        assert client.is_closed()


def test_refused_line_leaves_no_count_to_the_next(server):
    """A long get stopped half-way, grew by a bad key, and the next get skipped as many keys."""
    size = 500000
    with server.connect() as client:
        for number in range(4):
            client.send(b"set k%d 0 0 %d\r\n" % (number, size) + b"x" * size + b"\r\n")
            assert client.read_line() == b"STORED"
        keys = b"get " + b" ".join(b"k%d" % (number % 4) for number in range(4000))
        client.send(keys[:8192] + b"z" * 300 + b" k1\r\nget k1 k2\r\n")
        assert client.read_until(b"CLIENT_ERROR bad command line format\r\n")
        for key in (b"k1", b"k2"):
            assert client.read_line() == b"VALUE %s 0 %d" % (key, size)
            client.read_exactly(size + 2)
        assert client.read_line() == b"END"


APPENDS = 1000


def test_client_of_long_requests_gives_way(server):
    """Every append copies the value: a thousand of them arrive at once, and kept the worker."""
    size = 1000000
    with server.connect() as busy, server.connect() as other:
        busy.send(b"set big 0 0 %d\r\n" % size + b"x" * size + b"\r\n")
        assert busy.read_line() == b"STORED"
        busy.send(b"append big 0 0 1 noreply\r\nx\r\n" * APPENDS + b"mn\r\n")
        assert other.ask(b"mn") == b"MN"
        busy.timeout_s = 200
        assert busy.read_line() == b"MN"
        stats = other.stats()
        assert int(stats["conn_yields"]) > 0
        assert other.ask(b"get none") == b"END"
        busy.send(b"mg big s\r\n")
        assert busy.read_line() == b"HD s%d" % (size + APPENDS)
