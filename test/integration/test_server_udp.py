# SPDX-License-Identifier: BSD-3-Clause
"""UDP (-U): memcached's frame, replies of many datagrams, what is refused, and what bad input gets."""

import os
import signal
import socket
import struct
import subprocess
import threading

import pytest

from helpers import is_larderd, memory_kib, storage, wait_until
from lib.server import TIMEOUT_S, Server, free_port, larderd_path, peer_path

FRAME = struct.Struct(">HHHH")
HEADER = struct.Struct(">BBHBBHIIQ")
PACKET_MAX = 1400
IP_HEADERS = 28
ANY_LENGTH = ["-o", "udp_reply_factor=0"]
BIG = bytes(range(256)) * 100  # 25,600 bytes: 19 datagrams


class Datagrams:
    """A client's socket. Requests are numbered; replies are put together again."""

    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.connect((host, port))
        self.number = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, request, sequence=0, count=1, reserved=0, number=None):
        self.number = (self.number + 1) % 65536 if number is None else number
        self.socket.send(FRAME.pack(self.number, sequence, count, reserved) + request)
        return self.number

    def packets(self, timeout_s=TIMEOUT_S):
        """The datagrams of the next reply, in order: (request id, [payload])."""
        self.socket.settimeout(timeout_s)
        found = {}
        while True:
            packet = self.socket.recv(65536)
            number, sequence, count, reserved = FRAME.unpack_from(packet)
            assert len(packet) <= PACKET_MAX and reserved == 0
            assert sequence < count and sequence not in found
            found[sequence] = packet[FRAME.size:]
            if len(found) == count:
                return number, [found[index] for index in range(count)]

    def ask(self, request, **frame):
        """The whole reply; it carries the request's id."""
        sent = self.send(request, **frame)
        number, parts = self.packets()
        assert number == sent
        return b"".join(parts)

    def is_silent_about(self, *datagrams):
        """No answer to any of them: the next request has the first one. With one worker only."""
        for datagram in datagrams:
            self.socket.send(datagram)
        return self.ask(b"mn\r\n") == b"MN\r\n"


def binary(opcode, key=b"", extras=b"", value=b"", opaque=0):
    return HEADER.pack(0x80, opcode, len(key), len(extras), 0, 0,
                       len(extras) + len(key) + len(value), opaque, 0) + extras + key + value


def udp_server(*arguments, **options):
    """A server with UDP on a port of its own: (Server, port)."""
    port = free_port()
    return Server(["-U", port, *arguments], **options), port


@pytest.fixture
def pair():
    """One worker, so that datagrams are answered in their order: (Server, Datagrams)."""
    server, port = udp_server("-t", "1")
    with server, Datagrams(port) as client:
        yield server, client


def udp_ports():
    lines = open("/proc/net/udp").read().splitlines()[1:]
    return {int(line.split()[1].split(":")[1], 16) for line in lines}


# ---- where it listens ----

def test_udp_is_off_by_default():
    port = free_port()
    with Server(["-l", f"127.0.0.1:{port}"], listen=False) as server:
        server.port = port
        server.wait_ready()
        assert port not in udp_ports()
        with Datagrams(port) as client:
            client.send(b"version\r\n")
            with pytest.raises(ConnectionRefusedError):
                client.packets()
        with server.connect() as tcp:
            assert tcp.stats(b"settings")["udpport"] == "0"
            assert not any(name.startswith("udp_") for name in tcp.stats())


def test_port_of_u_alone_is_that_of_both(loop):
    port = free_port()
    with Server(["-l", "127.0.0.1", "-U", port, *loop], listen=False) as server:
        server.port = port
        server.wait_ready()
        with Datagrams(port) as client, server.connect() as tcp:
            assert tcp.ask(b"set k 0 0 1\r\nx") == b"STORED"
            assert client.ask(b"get k\r\n") == b"VALUE k 0 1\r\nx\r\nEND\r\n"
            settings = tcp.stats(b"settings")
            assert (settings["tcpport"], settings["udpport"]) == (str(port), str(port))


def test_port_file_names_both(tmp_path):
    ports = tmp_path / "ports"
    with Server(["-l", "127.0.0.1", "-p", "-1", "-U", "-1"], listen=False,
                environment={"MEMCACHED_PORT_FILENAME": str(ports)}) as server:
        assert wait_until(ports.exists), server.stderr()
        found = dict(line.split(": ") for line in ports.read_text().splitlines())
        assert set(found) == {"TCP INET", "UDP INET"}
        with Datagrams(int(found["UDP INET"])) as client:
            assert client.ask(b"mn\r\n") == b"MN\r\n"


@pytest.mark.larderd
def test_taken_port_is_refused(pair):
    port = pair[1].socket.getpeername()[1]
    second = subprocess.run(
        [larderd_path(), "-u", "root", "-l", "127.0.0.1", "-p", "-1", "-U", str(port)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S)
    assert second.returncode == os.EX_OSERR
    assert f"UDP port {port} of 127.0.0.1: bind: Address already in use" in second.stdout


@pytest.mark.larderd
def test_no_udp_beside_a_unix_socket():
    server, port = udp_server(unix=True)
    with server, server.connect() as client:
        assert client.ask(b"mn") == b"MN"
        assert port not in udp_ports()
        assert f"option -U: there is no UDP beside a UNIX socket: port {port}" in server.stderr()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_port_is_free_when_the_server_has_gone(loop, number):
    server, port = udp_server(*loop)
    with server, Datagrams(port) as client:
        assert client.ask(b"mn\r\n") == b"MN\r\n"
        server.stop(number)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert wait_until(lambda: port not in udp_ports())
        sock.bind(("127.0.0.1", port))


# ---- what is served ----

def test_commands_are_answered(loop):
    server, port = udp_server("-t", "2", *loop)
    with server, Datagrams(port) as client:
        for request, reply in [
                (b"set k 7 0 5\r\nhello\r\n", b"STORED\r\n"),
                (b"get k\r\n", b"VALUE k 7 5\r\nhello\r\nEND\r\n"),
                (b"get none k\r\n", b"VALUE k 7 5\r\nhello\r\nEND\r\n"),
                (b"get none\r\n", b"END\r\n"),
                (b"add k 0 0 1\r\nx\r\n", b"NOT_STORED\r\n"),
                (b"append k 0 0 1\r\n!\r\n", b"STORED\r\n"),
                (b"mg k v f\r\n", b"VA 6 f7\r\nhello!\r\n"),
                (b"mg none v\r\n", b"EN\r\n"),
                (b"ms n 1\r\n4\r\n", b"HD\r\n"),
                (b"incr n 8\r\n", b"12\r\n"),
                (b"incr k 1\r\n", b"CLIENT_ERROR cannot increment or decrement "
                                  b"non-numeric value\r\n"),
                (b"touch n 100\r\n", b"TOUCHED\r\n"),
                (b"gat 100 n\r\n", b"VALUE n 0 2\r\n12\r\nEND\r\n"),
                (b"delete n\r\n", b"DELETED\r\n"),
                (b"delete n\r\n", b"NOT_FOUND\r\n"),
                (b"nonsense\r\n", b"ERROR\r\n"),
                (b"get " + b"k" * 251 + b"\r\n", b"CLIENT_ERROR bad command line format\r\n"),
                (b"flush_all\r\n", b"OK\r\n"),
                (b"get k\n", b"END\r\n")]:
            assert client.ask(request) == reply, request


def test_what_is_to_be_silent_is_silent(pair):
    server, client = pair
    client.send(b"set k 0 0 1 noreply\r\nx\r\n")
    client.send(b"mg none v q\r\n")
    client.send(b"quit\r\n")
    assert client.ask(b"get k\r\n") == b"VALUE k 0 1\r\nx\r\nEND\r\n"
    with server.connect() as tcp:
        assert tcp.stats()["cmd_set"] == "1"


@pytest.mark.larderd
def test_several_requests_in_a_datagram_have_one_reply(pair):
    _, client = pair
    assert client.ask(b"set k 0 0 1\r\nx\r\nget k\r\nmn\r\n") == (
        b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\nMN\r\n")
    assert client.ask(b"get k\r\nquit\r\nget k\r\n") == b"VALUE k 0 1\r\nx\r\nEND\r\n"
    assert client.ask(b"mg k v\r\n" * 500) == b"VA 1\r\nx\r\n" * 500


def test_request_ids_are_returned(pair):
    _, client = pair
    for number in (0, 1, 255, 256, 0x8000, 65535):
        assert client.send(b"mn\r\n", number=number) == number
        assert client.packets()[0] == number
    assert client.ask(b"mn\r\n", reserved=9) == b"MN\r\n"  # memcached does not look at it either


def test_long_reply_is_many_datagrams(loop):
    server, port = udp_server(*ANY_LENGTH, *loop)
    with server, Datagrams(port) as client, server.connect() as tcp:
        assert tcp.ask(storage("big", BIG)[:-2]) == b"STORED"
        client.send(b"get big\r\n")
        number, parts = client.packets()
        assert number == client.number
        assert {len(part) for part in parts[:-1]} == {PACKET_MAX - FRAME.size}
        assert b"".join(parts) == b"VALUE big 0 %d\r\n" % len(BIG) + BIG + b"\r\nEND\r\n"
        # Several keys, some of whose values are lent to the socket and some copied.
        for index in range(40):
            assert tcp.ask(storage(f"k{index}", BIG[:index * 300])[:-2]) == b"STORED"
        keys = [*range(40), 99, 3]
        wanted = b"".join(b"VALUE k%d 0 %d\r\n%s\r\n" % (key, key * 300, BIG[:key * 300])
                          for key in keys if key != 99)
        assert client.ask(b"get %s\r\n" % b" ".join(b"k%d" % key for key in keys)) == (
            wanted + b"END\r\n")


def test_large_request_in_one_datagram(pair):
    server, client = pair
    value = os.urandom(60000)
    assert client.ask(storage("big", value)) == b"STORED\r\n"
    with server.connect() as tcp:
        tcp.send(b"get big\r\n")
        assert tcp.read_line() == b"VALUE big 0 60000"
        assert tcp.read_exactly(60000) == value


def test_binary_protocol(pair):
    server, client = pair
    stored = client.ask(binary(0x01, b"k", struct.pack(">II", 5, 0), b"value", opaque=7))
    assert HEADER.unpack(stored)[:8] == (0x81, 0x01, 0, 0, 0, 0, 0, 7)
    found = client.ask(binary(0x00, b"k", opaque=8))
    assert HEADER.unpack_from(found)[:8] == (0x81, 0x00, 0, 4, 0, 0, 9, 8)
    assert found[HEADER.size:] == struct.pack(">I", 5) + b"value"
    assert HEADER.unpack_from(client.ask(binary(0x00, b"none")))[5] == 1
    # Quiet requests and what ends them are one datagram, and one reply.
    quiet = client.ask(binary(0x09, b"none") + binary(0x09, b"k", opaque=1) + binary(0x0a))
    assert len(quiet) == 24 + 9 + 24 and quiet[1] == 0x09 and quiet[34] == 0x0a
    # Each datagram says which protocol it speaks.
    assert client.ask(b"get k\r\n") == b"VALUE k 5 5\r\nvalue\r\nEND\r\n"
    assert HEADER.unpack_from(client.ask(binary(0x99)))[5] == 0x81


def test_clients_by_the_dozen(loop):
    server, port = udp_server("-t", "4", *loop)
    with server:
        failed = []

        def run(which):
            with Datagrams(port) as client:
                for index in range(50):
                    value = b"%d-%d" % (which, index)
                    if client.ask(storage(f"k{which}", value)) != b"STORED\r\n" or client.ask(
                            b"get k%d\r\n" % which) != b"VALUE k%d 0 %d\r\n%s\r\nEND\r\n" % (
                                which, len(value), value):
                        failed.append((which, index))

        threads = [threading.Thread(target=run, args=(which,)) for which in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []


# ---- frames ----

@pytest.mark.larderd
def test_frames_that_are_no_request_get_silence(pair):
    server, client = pair
    whole = b"set k 0 0 4\r\nabcd\r\n"
    halves = [FRAME.pack(9, 0, 2, 0) + whole[:9], FRAME.pack(9, 1, 2, 0) + whole[9:]]
    wrong = [
        *halves, *reversed(halves), halves[0], halves[0], halves[1], halves[1],  # of two, any order
        FRAME.pack(1, 0, 0, 0) + whole,                                         # of none
        FRAME.pack(1, 1, 1, 0) + whole, FRAME.pack(1, 65535, 1, 0) + whole,     # behind the last
        FRAME.pack(1, 0, 256, 0) + whole, FRAME.pack(1, 0, 65535, 0) + whole,
        *((FRAME.pack(1, 0, 1, 0))[:size] for size in range(9)),                # short
    ]
    assert client.is_silent_about(*wrong)
    with server.connect() as tcp:
        stats = tcp.stats()
        assert stats["cmd_set"] == "0"
        assert stats["udp_malformed"] == str(len(wrong))
        assert stats["udp_requests"] == "1"


@pytest.mark.larderd
def test_replies_are_not_requests(pair):
    """Two servers that are made to talk to each other by a forged address must not go on for ever."""
    _, client = pair
    frame = FRAME.pack(1, 0, 1, 0)
    lines = [b"ERROR\r\n", b"CLIENT_ERROR x\r\n", b"SERVER_ERROR x\r\n", b"END\r\n", b"STORED\r\n",
             b"VALUE k 0 1\r\nx\r\nEND\r\n", b"17\r\n", b"HD\r\n", b"EN\r\n", b"\r\n", b" \r\n",
             b"\x81" + b"\0" * 23, b"\0" * 100, b"\xff" * 100]
    assert client.is_silent_about(*(frame + line for line in lines))


@pytest.mark.larderd
def test_request_that_is_not_whole_is_refused(pair):
    server, client = pair
    refused = b"CLIENT_ERROR incomplete datagram\r\n"
    value = storage("k", b"x" * 30000)
    for request in (b"get k", b"set k 0 0 10\r\nabc", b"set k 0 0 3\r\nabc", value[:20], value[:-1],
                    value[:-3], b"get " + b"k " * 3000, b"set k 0 0 500000\r\n"):
        assert client.ask(request) == refused, request[:40]
    assert client.ask(b"mn\r\nget k") == b"MN\r\n" + refused
    answer = client.ask(binary(0x01, b"k", struct.pack(">II", 0, 0), b"value", opaque=5)[:-1])
    assert HEADER.unpack_from(answer)[:2] == (0x81, 0x01)
    assert HEADER.unpack_from(answer)[5] == 4 and HEADER.unpack_from(answer)[7] == 5
    assert client.is_silent_about(*(FRAME.pack(1, 0, 1, 0) + binary(0x00, b"k")[:size]
                                    for size in range(1, 24)))
    with server.connect() as tcp:
        stats = tcp.stats()
        assert stats["cmd_set"] == "0" and stats["curr_items"] == "0"
        assert int(stats["udp_malformed"]) == 10 + 23


def test_what_a_refused_value_leaves_is_no_request(pair):
    """The rest of a datagram whose first line is refused is thrown away, as on a connection."""
    _, client = pair
    assert client.ask(b"set " + b"k" * 251 + b" 0 0 9\r\nflush_all\r\n").startswith(b"CLIENT_ERROR")
    assert client.ask(b"set k 0 0 1\r\nx\r\n") == b"STORED\r\n"


@pytest.mark.larderd
@pytest.mark.parametrize("command", [
    b"watch", b"watch fetchers", b"lru_crawler metadump all", b"lru_crawler mgdump all",
    b"stats conns", b"stats cachedump 1 0"])
def test_what_takes_a_connection_is_refused(pair, command):
    _, client = pair
    assert client.ask(command + b"\r\n") == b"CLIENT_ERROR not over UDP\r\n"
    assert client.ask(b"mn\r\n") == b"MN\r\n"


# ---- no amplifier ----

def reply_size(client, request):
    """Bytes on the wire of the reply, and its text. None, None: silence."""
    client.send(request)
    marker = client.send(b"mn\r\n", number=4242)
    number, parts = client.packets()
    if number == marker:
        return None, None
    assert client.packets()[0] == marker
    return sum(len(part) + FRAME.size + IP_HEADERS for part in parts), b"".join(parts)


def wire(request):
    return len(request) + FRAME.size + IP_HEADERS


@pytest.mark.larderd
@pytest.mark.parametrize("factor", [1, 2, 3, 10, 50])
def test_reply_is_bounded_by_its_request(factor):
    server, port = udp_server("-t", "1", *(["-o", f"udp_reply_factor={factor}"] if factor != 3
                                           else []))
    with server, Datagrams(port) as client, server.connect() as tcp:
        outcomes = set()
        for size in (0, 10, 50, 60, 100, 200, 500, 1000, 1300, 1400, 5000, 9000, 20000, 200000):
            assert tcp.ask(storage("k", b"x" * size)[:-2]) == b"STORED"
            found = b"VALUE k 0 %d\r\n%s\r\nEND\r\n" % (size, b"x" * size)
            for request in (b"get k\r\n", b"mg k v\r\n", b"get k k k\r\n",
                            b"get k" + b" " * 500 + b"\r\n", b"get k" + b" k" * 700 + b"\r\n"):
                bound = factor * wire(request)
                answered, text = reply_size(client, request)
                assert answered is None or answered <= bound, (size, request[:20])
                if request == b"get k\r\n":
                    packets = -(-len(found) // (PACKET_MAX - FRAME.size))
                    served = len(found) + packets * (FRAME.size + IP_HEADERS) <= bound
                    assert (text == found) == served
                    outcomes.add("silence" if text is None else "served" if served else text)
        stats = tcp.stats()
        assert int(stats["udp_refused"]) > 0
        assert tcp.stats(b"settings")["udp_reply_factor"] == str(factor)
    assert outcomes <= {"served", "silence", b"SERVER_ERROR too large for UDP\r\n"}
    if factor == 3:
        assert outcomes == {"served", b"SERVER_ERROR too large for UDP\r\n"}
    assert (factor > 1) == ("silence" not in outcomes)


@pytest.mark.larderd
def test_statistics_are_bounded_too(pair):
    server, client = pair
    for command in (b"stats", b"stats settings", b"stats engine"):
        assert client.ask(command + b"\r\n") == b"SERVER_ERROR too large for UDP\r\n"
    client.send(binary(0x10, opaque=3))
    parts = client.packets()[1]
    assert HEADER.unpack_from(parts[0])[:8] == (0x81, 0x10, 0, 0, 0, 3, 10, 3)
    with server.connect() as tcp:
        assert int(tcp.stats()["udp_refused"]) == 4


@pytest.mark.larderd
def test_padding_earns_a_longer_reply(pair):
    server, client = pair
    with server.connect() as tcp:
        assert tcp.ask(storage("k", b"x" * 1000)[:-2]) == b"STORED"
    assert client.ask(b"get k\r\n") == b"SERVER_ERROR too large for UDP\r\n"
    assert client.ask(b"get k" + b" " * 400 + b"\r\n") == (
        b"VALUE k 0 1000\r\n" + b"x" * 1000 + b"\r\nEND\r\n")


@pytest.mark.larderd
def test_longest_reply_is_a_mebibyte():
    server, port = udp_server("-t", "1", "-I", "8m", "-m", "256", *ANY_LENGTH)
    with server, Datagrams(port) as client, server.connect() as tcp:
        for size in (1 << 20, 3 << 20):
            assert tcp.ask(storage("k", b"x" * size)[:-2]) == b"STORED"
            assert client.ask(b"get k\r\n") == b"SERVER_ERROR too large for UDP\r\n"
            assert client.ask(b"get k k k\r\n") == b"SERVER_ERROR too large for UDP\r\n"
        assert tcp.ask(storage("k", b"x" * 100000)[:-2]) == b"STORED"
        assert client.ask(b"get" + b" k" * 100 + b"\r\n") == b"SERVER_ERROR too large for UDP\r\n"
        assert client.ask(b"get k\r\n").endswith(b"x\r\nEND\r\n")
        assert tcp.stats()["udp_refused"] == "5"


# ---- others ----

@pytest.mark.larderd
def test_flood_of_garbage_harms_nobody(loop):
    server, port = udp_server("-t", "2", *ANY_LENGTH, *loop)
    with server, Datagrams(port) as client, server.connect() as tcp:
        assert tcp.ask(storage("big", BIG)[:-2]) == b"STORED"
        before_kib = memory_kib(server.pid, "VmRSS")
        stop = threading.Event()
        sent = []

        def flood(seed):
            import random
            rng = random.Random(seed)
            count = 0
            with Datagrams(port) as sender:
                sender.socket.setblocking(False)
                while not stop.is_set():
                    kind = rng.randrange(5)
                    data = rng.randbytes(rng.choice([0, 1, 7, 8, 9, 40, 1400, 30000]))
                    if kind == 1:
                        data = FRAME.pack(1, 0, 1, 0) + data
                    elif kind == 2:
                        data = FRAME.pack(1, 0, 1, 0) + b"\x80" + data
                    elif kind == 3:
                        data = FRAME.pack(1, 0, 1, 0) + b"set k 0 0 100000\r\n" + data
                    elif kind == 4:
                        data = FRAME.pack(1, 0, 1, 0) + b"get big big\r\n" + data
                    try:
                        sender.socket.send(data)
                        count += 1
                    except (BlockingIOError, ConnectionRefusedError):
                        pass
            sent.append(count)

        threads = [threading.Thread(target=flood, args=(seed,)) for seed in range(2)]
        for thread in threads:
            thread.start()
        try:
            for index in range(300):
                assert tcp.ask(b"set t 0 0 3\r\n%03d" % index) == b"STORED"
                tcp.send(b"get t\r\n")
                assert tcp.read_until(b"END\r\n") == b"VALUE t 0 3\r\n%03d\r\nEND\r\n" % index
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert min(sent) > 100

        def answered():
            client.send(b"mn\r\n")
            try:
                return client.packets(timeout_s=1)[1] == [b"MN\r\n"]
            except socket.timeout:
                return False  # its datagram found the buffer full

        assert wait_until(answered)
        stats = tcp.stats()
        assert int(stats["udp_malformed"]) > 0 and int(stats["udp_requests"]) > 0
        # A receive buffer of a megabyte for each worker, the blocks they keep, and no more.
        assert memory_kib(server.pid, "VmRSS") - before_kib < 16384


@pytest.mark.larderd
def test_conns_and_counters_know_of_udp(pair):
    server, client = pair
    with server.connect() as tcp:
        assert client.ask(b"mn\r\n") == b"MN\r\n"
        client.send(b"mn\r\nbad")
        assert client.packets()[1] == [b"MN\r\nCLIENT_ERROR incomplete datagram\r\n"]
        client.send(b"set k 0 0 1 noreply\r\nx\r\n")
        assert client.ask(b"mn\r\n") == b"MN\r\n"
        lines = tcp.stats(b"conns")
        (number,) = [name.split(":")[0] for name in lines if name.endswith(":UDP")]
        port = client.socket.getpeername()[1]
        assert lines[f"{number}:UDP"] == "UDP"
        assert lines[f"{number}:addr"] == f"udp:127.0.0.1:{port}"
        assert lines[f"{number}:state"] == "conn_read"
        assert int(lines[f"{number}:secs_since_last_cmd"]) < TIMEOUT_S
        assert f"{number}:listen_addr" not in lines
        assert wait_until(lambda: tcp.stats()["udp_packets"] == "3")
        stats = tcp.stats()
        assert {name: stats[name] for name in stats if name.startswith("udp_")} == {
            "udp_requests": "4", "udp_replies": "3", "udp_packets": "3", "udp_refused": "0",
            "udp_malformed": "1", "udp_lost": "0"}
        assert stats["curr_connections"] == "1"
        assert int(stats["bytes_read"]) > 60 and int(stats["bytes_written"]) > 60
        assert tcp.ask(b"stats reset") == b"RESET"
        assert tcp.stats()["udp_requests"] == "0"


def test_watchers_see_what_udp_asks_for(pair):
    server, client = pair
    with server.connect() as watcher:
        assert watcher.ask(b"watch fetchers mutations") == b"OK"
        assert client.ask(b"set k 0 0 1\r\nx\r\n") == b"STORED\r\n"
        assert client.ask(b"get k\r\n").startswith(b"VALUE")
        for wanted in (b"type=item_get key=k status=not_found",
                       b"type=item_store key=k status=stored", b"type=item_get key=k status=found"):
            line = watcher.read_line()
            assert wanted in line and b"cfd=-1" not in line


def test_replies_are_memcacheds():
    """Where one request is one reply in memcached, too."""
    if not is_larderd():
        pytest.skip("this is memcached")
    requests = [b"set k 3 0 5\r\nhello\r\n", b"get k\r\n", b"get none\r\n", b"mg k v t\r\n", b"mn\r\n",
                b"gat 0 k\r\n", b"set n 0 0 1\r\n1\r\n", b"incr n 5\r\n", b"decr n 2\r\n", b"incr k 1\r\n",
                b"incr none 1\r\n", b"touch k 10\r\n", b"delete k\r\n", b"delete k\r\n", b"bogus\r\n",
                b"get\r\n", b"get " + b"x" * 300 + b"\r\n", b"verbosity 1\r\n",
                storage("big", BIG), b"get big\r\n", b"ms k 3\r\nabc\r\n", b"mg none v\r\n",
                b"ma n\r\n", b"md n\r\n", b"cas k 0 0 1 99\r\nx\r\n",
                binary(0x00, b"k", opaque=1), binary(0x00, b"none", opaque=2), binary(0x0a, opaque=3),
                binary(0x01, b"b", struct.pack(">II", 1, 0), b"v", opaque=4), binary(0x04, b"b")]
    replies = []
    for program in (None, peer_path()):
        server, port = udp_server("-t", "1", *(ANY_LENGTH if program is None else []),
                                  program=program)
        with server, Datagrams(port) as client:
            replies.append([client.ask(request) for request in requests])
            silent = [FRAME.pack(1, 0, 2, 0) + b"get k\r\n", FRAME.pack(1, 0, 0, 0) + b"get k\r\n",
                      FRAME.pack(1, 0, 1, 0), b"", b"abc"]
            assert client.is_silent_about(*silent)
    without_cas = [[reply[:16] + reply[24:] if reply[:1] == b"\x81" else reply for reply in all_of]
                   for all_of in replies]
    for request, ours, theirs in zip(requests, *without_cas):
        assert ours == theirs, request[:40]
