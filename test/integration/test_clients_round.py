# SPDX-License-Identifier: BSD-3-Clause
"""Clients nobody here wrote make the full round of client_round.py against the server."""

import functools
import importlib
import subprocess

import pytest

import client_round
from client_round import PATIENCE_S
from helpers import HERE, loop_arguments, need, need_node_module, need_tool
from lib.server import Server


class Pymemcache:
    """Pinterest's client. Its serializer hook hands us the flags as they are on the wire."""

    module, package = "pymemcache", "python3-pymemcache"

    def __init__(self, port):
        from pymemcache.client.base import Client
        from pymemcache.exceptions import MemcacheError

        class Serde:
            flags = 0

            def serialize(self, _, value):
                return value, self.flags

            def deserialize(self, _, value, flags):
                self.seen = flags
                return value

        self.refused = MemcacheError
        self.serde = Serde()
        self.client = Client(("127.0.0.1", port), serde=self.serde, timeout=PATIENCE_S,
                             default_noreply=False)
        self.get = self.client.get
        self.get_many = self.client.get_many
        self.gets = self.client.gets
        self.incr = self.client.incr
        self.decr = self.client.decr
        self.delete = self.client.delete

    def set(self, key, value, ttl_s=0):
        return self.client.set(key, value, expire=ttl_s)

    def cas(self, key, value, token):
        return self.client.cas(key, value, token)

    def flags_round(self, key):
        for flags in (0, 1, 0xffff, 0xffffffff):
            self.serde.flags = flags
            assert self.set(key, b"x")
            assert self.get(key) == b"x"
            assert self.serde.seen == flags
        self.serde.flags = 0


class PythonMemcached:
    """python-memcached: keeps the type of a value in its flags."""

    module, package = "memcache", "python3-memcache"
    refused = ()

    def __init__(self, port):
        from memcache import Client
        self.refused = Client.MemcachedKeyError
        # 0: let the server judge the size.
        self.client = Client([f"127.0.0.1:{port}"], cache_cas=True, server_max_value_length=0,
                             socket_timeout=PATIENCE_S)
        self.get = self.client.get
        self.get_many = self.client.get_multi
        self.incr = self.client.incr
        self.decr = self.client.decr

    def set(self, key, value, ttl_s=0):
        return self.client.set(key, value, time=ttl_s)

    def gets(self, key):
        self.client.reset_cas()
        return self.client.gets(key), None  # the client remembers the token by key

    def cas(self, key, value, _):
        return self.client.cas(key, value)

    def delete(self, key):
        # It takes NOT_FOUND for success too, unless the reply is asked for by hand.
        there = self.client.get(key) is not None
        return self.client.delete(key) and there

    def flags_round(self, key):
        for value in ("text ä", 12345, 1 << 70, [1, {"a": None}], b"bytes"):
            assert self.set(key, value)
            fetched = self.get(key)
            assert fetched == value and type(fetched) is type(value)


class Pylibmc:
    """pylibmc: libmemcached under Python, text protocol."""

    module, package = "pylibmc", "python3-pylibmc"

    def __init__(self, port):
        import pylibmc
        self.refused = (pylibmc.Error, ValueError)
        self.not_found = pylibmc.NotFound
        self.client = pylibmc.Client([f"127.0.0.1:{port}"], binary=False,
                                     behaviors={"cas": True, "connect_timeout": PATIENCE_S * 1000,
                                                "receive_timeout": PATIENCE_S * 1_000_000,
                                                "send_timeout": PATIENCE_S * 1_000_000})
        self.get = self.client.get
        self.get_many = self.client.get_multi
        self.gets = self.client.gets
        self.delete = self.client.delete

    def set(self, key, value, ttl_s=0):
        return self.client.set(key, value, time=ttl_s)

    def cas(self, key, value, token):
        return self.client.cas(key, value, token)

    def incr(self, key, delta):
        try:
            return self.client.incr(key, delta)
        except self.not_found:
            return None

    def decr(self, key, delta):
        return self.client.decr(key, delta)

    def flags_round(self, key):
        for value in ("text ä", 12345, [1, {"a": None}], b"bytes"):
            assert self.set(key, value)
            fetched = self.get(key)
            assert fetched == value and type(fetched) is type(value)


PYTHON = {"pymemcache": Pymemcache, "python-memcached": PythonMemcached, "pylibmc": Pylibmc}

# What a client cannot do at all. A step skipped beyond these is a failure.
WITHOUT = {"Cache::Memcached": {"cas"}}


def perl_command(client, package):
    perl = need_tool("perl", "perl")
    installed = subprocess.run([perl, f"-M{client}", "-e", "1"], stderr=subprocess.DEVNULL)
    need(installed.returncode == 0, client, f"apt-get install {package}")
    return [perl, HERE / "clients/round.pl", client]


def php_command():
    php = need_tool("php", "php-cli")
    modules = subprocess.run([php, "-m"], stdout=subprocess.PIPE, text=True).stdout.split()
    need("memcached" in modules, "php-memcached", "apt-get install php-memcached")
    return [php, HERE / "clients/round.php"]


def node_command():
    return [need_node_module("memcached"), HERE / "clients/round.js"]


SCRIPTS = {
    "Cache::Memcached": lambda: perl_command("Cache::Memcached", "libcache-memcached-perl"),
    "Cache::Memcached::Fast": lambda: perl_command("Cache::Memcached::Fast",
                                                   "libcache-memcached-fast-perl"),
    "php-memcached": php_command,
    "npm-memcached": node_command,
}


def python_round(name, loop):
    adapter = PYTHON[name]
    try:
        importlib.import_module(adapter.module)
    except ImportError:
        need(False, adapter.module, f"apt-get install {adapter.package}")
    with Server(loop_arguments(loop)) as server:
        return client_round.run(adapter(server.port), client_round.parameters(server.port))


def script_round(name, loop):
    command = SCRIPTS[name]()
    with Server(loop_arguments(loop)) as server:
        return client_round.run_script(command, server.port)


@functools.cache
def round_of(name, loop):
    """Make the round once; the tests below look at one step each."""
    try:
        return python_round(name, loop) if name in PYTHON else script_round(name, loop)
    except Exception as error:  # every step of it fails then, without waiting for it again
        return dict.fromkeys(client_round.STEPS, f"{type(error).__name__}: {error}")


def check_step(name, step, loop="auto"):
    result = round_of(name, loop)[step]
    if result and result.startswith("skipped: ") and step in WITHOUT.get(name, ()):
        pytest.skip(result)
    assert result is None, result


def in_one_process(*words):
    """The parameters of tests that share a round: beside others, but all in one process."""
    name = "-".join(words)
    return pytest.param(*words, id=name, marks=pytest.mark.xdist_group(name))


# Slow: a sanitizer learns nothing from further clients, the two on each loop below are enough.
@pytest.mark.slow
@pytest.mark.parametrize("step", client_round.STEPS)
@pytest.mark.parametrize("client", [in_one_process(client) for client in (*PYTHON, *SCRIPTS)])
def test_client_makes_the_round(client, step):
    check_step(client, step)


@pytest.mark.larderd
@pytest.mark.parametrize("step", client_round.STEPS)
@pytest.mark.parametrize("client, loop", [in_one_process(client, loop)
                                          for client in ("pymemcache", "pylibmc")
                                          for loop in ("epoll", "uring")])
def test_client_makes_the_round_on_each_loop(client, loop, step):
    check_step(client, step, loop)
