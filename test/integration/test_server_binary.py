# SPDX-License-Identifier: BSD-3-Clause
"""Binary clients that are rude, and places that speak one protocol only."""

import struct

from helpers import memory_kib, wait_until
from lib.server import Server, free_port
from test_server_listen import can_connect, connect

HEADER = struct.Struct(">BBHBBHIIQ")
GET, SET, NOOP = 0x00, 0x01, 0x0A


def packet(opcode, key=b"", extras=b"", value=b"", body_size=None, magic=0x80):
    size = len(extras) + len(key) + len(value) if body_size is None else body_size
    return HEADER.pack(magic, opcode, len(key), len(extras), 0, 0, size, 7, 0) + extras + key + value


def check_serves(client):
    client.send(packet(NOOP))
    assert client.read_exactly(24) == packet(NOOP, magic=0x81)


def status(client):
    """Of the next answer."""
    fields = HEADER.unpack(client.read_exactly(HEADER.size))
    client.read_exactly(fields[6])
    return fields[5]


def test_promises_cost_nothing(loop):
    """A thousand times a body that never comes: refused, or not reserved before it comes."""
    lies = (
        packet(SET, b"k", bytes(8), body_size=0xFFFFFFFF),  # refused
        packet(SET, b"k", bytes(8), body_size=(1 << 30) - 1),  # too large, thrown away as it comes
        packet(0xFF, body_size=1 << 30),  # no opcode: thrown away as it comes
        packet(GET, b"k" * 250)[:100],  # a key that does not come
    )
    with Server([*loop, "-c", "2048", "-m", "64"]) as server, server.connect() as witness:
        check_serves(witness)
        before = memory_kib(server.pid, "VmRSS")
        clients = []
        for number in range(1000):
            client = server.connect()
            client.send(lies[number % len(lies)])
            clients.append(client)
        assert status(clients[0]) == 0x04
        assert clients[0].is_closed()
        assert status(clients[1]) == 0x03
        assert status(clients[2]) == 0x81
        check_serves(witness)
        # A block of 16 KiB for each of the 250 that have sent half a request; little for the others.
        assert memory_kib(server.pid, "VmRSS") - before < 24 * 1024
        for client in clients:
            client.close()
        with server.connect() as text:
            assert wait_until(lambda: int(text.stats()["curr_connections"]) < 10)


def test_garbage_ends_a_connection_and_no_other(server):
    with server.connect() as witness:
        check_serves(witness)
        for garbage in (b"\x81" * 24, b"\x00" * 100, b"get key\r\n" * 3, b"\x16\x03\x01" * 8):
            with server.connect() as rude:
                check_serves(rude)
                rude.send(garbage)
                assert rude.is_closed()
        check_serves(witness)


def test_a_place_may_speak_one_protocol_only():
    ports = [free_port() for _ in range(3)]
    words = [f"proto[{protocol}]:127.0.0.1:{port}"
             for protocol, port in zip(("ascii", "binary", "negotiating"), ports)]
    with Server(["-l", ",".join(words), "-B", "ascii"], listen=False) as server:
        assert wait_until(lambda: can_connect("127.0.0.1", ports[2])), server.stderr()
        with connect("127.0.0.1", ports[0]) as client:
            assert client.ask(b"mn") == b"MN"
        with connect("127.0.0.1", ports[0]) as client:
            assert client.ask(packet(0x0B)) == b"ERROR"
        with connect("127.0.0.1", ports[1]) as client:
            check_serves(client)
        with connect("127.0.0.1", ports[1]) as client:
            client.send(b"mn\r\n")
            assert client.is_closed()
        with connect("127.0.0.1", ports[2]) as client:
            check_serves(client)
        with connect("127.0.0.1", ports[2]) as client:
            assert client.ask(b"mn") == b"MN"
