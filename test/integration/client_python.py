# SPDX-License-Identifier: BSD-3-Clause
"""Clients written in Python, in the words that client_round.run() speaks."""

import ssl

from client_round import PATIENCE_S


class Pymemcache:
    """Pinterest's client. Its serializer hook hands us the flags as they are on the wire."""

    module, package = "pymemcache", "python3-pymemcache"

    def __init__(self, p):
        from pymemcache.client.base import Client
        from pymemcache.exceptions import MemcacheError

        class LoggedIn(Client):
            """It has no call for it: the log-in is the first set of each connection, of whatever key."""

            def _connect(self):
                super()._connect()
                assert self.set("login", f"{p['user']} {p['password']}".encode())

        class Serde:
            flags = 0

            def serialize(self, _, value):
                return value, self.flags

            def deserialize(self, _, value, flags):
                self.seen = flags
                return value

        self.refused = MemcacheError
        self.serde = Serde()
        context = p["ca"] and ssl.create_default_context(cafile=p["ca"])
        self.client = (LoggedIn if p["user"] else Client)(
            (p["host"], p["port"]), serde=self.serde, timeout=PATIENCE_S, default_noreply=False,
            tls_context=context)
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

    def __init__(self, p):
        from memcache import Client
        self.refused = Client.MemcachedKeyError
        # 0: let the server judge the size.
        self.client = Client([f"{p['host']}:{p['port']}"], cache_cas=True, server_max_value_length=0,
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
    """pylibmc: libmemcached under Python."""

    module, package = "pylibmc", "python3-pylibmc"

    def __init__(self, p):
        import pylibmc
        self.refused = (pylibmc.Error, ValueError)
        self.not_found = pylibmc.NotFound
        self.client = pylibmc.Client([f"{p['host']}:{p['port']}"], binary=p["binary"],
                                     username=p["user"], password=p["password"],
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
