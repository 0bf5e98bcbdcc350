# SPDX-License-Identifier: BSD-3-Clause
"""The network at its worst: single bytes, resets, half-closed connections."""

import random
import socket
import struct
import threading

import pytest

import client_round
from helpers import get, read_values, storage, wait_until
from lib.server import Client, Server

MIB = 1 << 20


class Dribble:
    """A proxy that hands on what it gets in pieces of random size, in both directions."""

    def __init__(self, target_port, piece_max, seed=1):
        self.target_port, self.piece_max, self.seed = target_port, piece_max, seed
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        self.threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self):
        self.threads[0].start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed by its peer
            sock.close()
        for thread in self.threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target_port))
            self.sockets += [near, far]
            for one, other in ((near, far), (far, near)):
                other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._hand_on, args=(one, other), daemon=True)
                self.threads.append(thread)
                thread.start()

    def _hand_on(self, one, other):
        source = random.Random(self.seed)
        try:
            while data := one.recv(65536):
                start = 0
                while start < len(data):
                    size = source.randint(1, self.piece_max)
                    other.sendall(data[start:start + size])
                    start += size
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the connection is gone: so is the need to hand on


def conversation(source, count):
    """Requests of all kinds with the answers they must get, as two byte strings."""
    requests, answers, known = [], [], {}
    for n in range(count):
        key = f"k{source.randrange(20)}"
        kind = source.randrange(6)
        if kind < 2:
            value = bytes(source.randrange(256) for _ in range(source.choice([0, 1, 5, 300, 5000])))
            requests.append(storage(key, value, flags=n))
            answers.append(b"STORED\r\n")
            known[key] = (n, value)
        elif kind == 2:
            requests.append(b"delete %s\r\n" % key.encode())
            answers.append(b"DELETED\r\n" if known.pop(key, None) else b"NOT_FOUND\r\n")
        elif kind == 3:
            requests.append(b"get %s none\r\n" % key.encode())
            if key in known:
                flags, value = known[key]
                answers.append(b"VALUE %s %d %d\r\n%s\r\n"
                               % (key.encode(), flags, len(value), value))
            answers.append(b"END\r\n")
        elif kind == 4:
            requests.append(b"mg %s s v\r\n" % key.encode())
            if key in known:
                value = known[key][1]
                answers.append(b"VA %d s%d\r\n%s\r\n" % (len(value), len(value), value))
            else:
                answers.append(b"EN\r\n")
        else:
            requests.append(b"no such command\r\n")
            answers.append(b"ERROR\r\n")
    return b"".join(requests), b"".join(answers)


@pytest.mark.parametrize("piece_max", [1, 3, 100, 1500])
def test_pieces_of_any_size_make_the_same_conversation(loop, piece_max):
    source = random.Random(piece_max)
    requests, answers = conversation(source, 60 if piece_max < 10 else 600)
    with Server(loop) as server, Dribble(server.port, piece_max) as proxy:
        client = Client(socket.create_connection(("127.0.0.1", proxy.port)))
        sender = threading.Thread(target=client.socket.sendall, args=(requests,))
        sender.start()
        assert client.read_exactly(len(answers)) == answers
        sender.join()
        client.close()


def test_client_makes_its_round_through_pieces(loop):
    pytest.importorskip("pymemcache")
    from client_python import Pymemcache
    with Server(loop) as server, Dribble(server.port, 997) as proxy:
        parameters = client_round.parameters(proxy.port)
        results = client_round.run(Pymemcache(parameters), parameters)
    assert {step: why for step, why in results.items() if why} == {}


def reset(client):
    """Close with a reset in place of a FIN: what is under way is thrown away."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_resets_at_every_point_of_an_exchange_leave_the_server_whole(loop):
    value = bytes(n % 251 for n in range(300_000))
    source = random.Random(7)
    with Server(loop) as server, server.connect() as client:
        client.send(storage("big", value))
        assert client.read_line() == b"STORED"
        script = b"get big\r\n" * 3 + storage("other", value) + b"get other\r\nnonsense\r\n"
        for _ in range(300):
            victim = server.connect()
            victim.socket.settimeout(0.2)
            try:
                victim.socket.sendall(script[:source.randrange(len(script))])
                if source.random() < 0.5:
                    victim.socket.recv(source.randrange(1, 100_000))
            except TimeoutError:
                pass  # one of us waits for the other: a point like any other
            reset(victim)
        assert wait_until(lambda: int(client.stats()["curr_connections"]) <= 2)
        assert get(client, "big") == {"big": value}
        assert get(client, "other").get("other", value) == value


def test_half_closed_connection_gets_all_its_answers(loop):
    """printf 'get k\\r\\n' | nc: the client has said all, and waits."""
    value = b"v" * 500_000
    with Server(loop) as server:
        with server.connect() as client:
            client.send(storage("k", value) + b"get k\r\n" * 20)
            client.socket.shutdown(socket.SHUT_WR)
            assert client.read_line() == b"STORED"
            for _ in range(20):
                assert read_values(client) == {"k": (0, value)}
            assert client.is_closed()
