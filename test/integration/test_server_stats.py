# SPDX-License-Identifier: BSD-3-Clause
"""What monitoring reads: statistics, settings, connections, the watch stream, dumps of the keys."""

import base64
import contextlib
import re
import threading
import time
from urllib.parse import unquote_to_bytes

import pytest

from helpers import get, is_larderd, read_values, storage, wait_until
from lib.server import Server

# In memcached's order. Left out: slabs that move, the LRU's maintainer and crawler, libevent and
# the hash table of memcached, which say nothing about another engine.
GENERAL = """
pid uptime time version pointer_size rusage_user rusage_system max_connections curr_connections
total_connections rejected_connections connection_structures cmd_get cmd_set cmd_flush cmd_touch
cmd_meta get_hits get_misses get_expired get_flushed delete_misses delete_hits incr_misses
incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses
store_too_large store_no_memory auth_cmds auth_errors bytes_read bytes_written limit_maxbytes
accepting_conns listen_disabled_num time_in_listen_disabled_us threads conn_yields hash_bytes
log_worker_written log_watcher_skipped log_watcher_sent log_watchers bytes
curr_items total_items expired_unfetched evicted_unfetched evictions reclaimed
""".split()

SETTINGS = """
maxbytes maxconns tcpport udpport inter verbosity evictions domain_socket umask shutdown_command
num_threads stat_key_prefix detail_enabled cas_enabled tcp_backlog binding_protocol
item_size_max maxconns_fast flush_enabled dump_enabled idle_timeout track_sizes
drop_privileges auth_enabled_sasl auth_enabled_ascii
""".split()

TEXTS = {"version", "rusage_user", "rusage_system"}


def test_general_statistics_have_the_names_monitoring_knows(server):
    with server.connect() as client:
        stats = client.stats()
    assert [name for name in GENERAL if name not in stats] == []
    for name, value in stats.items():
        if name in GENERAL and name not in TEXTS:
            assert re.fullmatch(r"\d+", value), (name, value)
    for name in ("rusage_user", "rusage_system"):
        assert re.fullmatch(r"\d+\.\d{6}", stats[name])


def test_statistics_tell_what_was_done(server):
    with server.connect() as client:
        client.send(storage("k", b"5") + storage("k2", b"x" * 100)
                    + b"get k none k2\r\nget none\r\nincr k 1\r\nincr none 1\r\ndecr k 1\r\n"
                    b"decr none 1\r\ntouch k 100\r\ntouch none 1\r\ngat 100 k\r\n"
                    b"delete k2\r\ndelete none\r\ngets k\r\ncas k 0 0 1 999999\r\n1\r\n"
                    b"cas none 0 0 1 1\r\n1\r\nmg k v\r\nmg none v\r\nmn\r\n")
        assert client.read_until(b"MN\r\n")
        stats = client.stats()
    # incr, decr and a failed cas count as what they are; the two sets and two cas are cmd_set.
    expected = {"cmd_get": 7, "get_hits": 4, "get_misses": 3, "cmd_set": 4, "cmd_touch": 3,
                "touch_hits": 2, "touch_misses": 1, "incr_hits": 1, "incr_misses": 1,
                "decr_hits": 1, "decr_misses": 1, "delete_hits": 1, "delete_misses": 1,
                "cas_badval": 1, "cas_misses": 1, "cas_hits": 0, "curr_items": 1,
                "curr_connections": 2}
    found = {name: int(stats[name]) for name in expected}
    # memcached itself differs in none of these but its own reserved connections.
    found["curr_connections"] = min(found["curr_connections"], 2)
    assert found == {**expected, "curr_connections": found["curr_connections"]}
    assert int(stats["pid"]) == server.pid
    assert abs(int(stats["time"]) - time.time()) <= 10
    assert int(stats["bytes_read"]) > 300
    assert int(stats["bytes_written"]) > 300


def test_reset_clears_the_counters_and_keeps_the_items(server):
    with server.connect() as client:
        client.send(storage("k", b"x") + b"get k\r\n")
        assert client.read_line() == b"STORED"
        read_values(client)
        assert client.ask(b"stats reset") == b"RESET"
        stats = client.stats()
        assert (stats["cmd_get"], stats["cmd_set"], stats["get_hits"]) == ("0", "0", "0")
        assert stats["curr_items"] == "1"


def test_settings_show_what_was_asked_for():
    with Server(["-m", "100", "-c", "200", "-t", "3", "-I", "2m", "-F", "-o",
                 "idle_timeout=77"]) as server, server.connect() as client:
        settings = client.stats(b"settings")
    assert [name for name in SETTINGS if name not in settings] == []
    expected = {"maxbytes": str(100 << 20), "maxconns": "200", "num_threads": "3",
                "item_size_max": str(2 << 20), "flush_enabled": "no", "idle_timeout": "77",
                "tcpport": str(server.port), "udpport": "0", "inter": "127.0.0.1",
                "evictions": "on", "cas_enabled": "yes", "verbosity": "0", "umask": "700",
                "binding_protocol": "auto-negotiate", "maxconns_fast": "yes"}
    assert {name: settings[name] for name in expected} == expected


def test_conns_lists_every_connection_with_its_state(loop):
    with Server(loop) as server, server.connect() as client, server.connect() as half:
        half.send(b"set k 0 0 1000\r\nabc")
        assert wait_until(lambda: "conn_nread" in client.stats(b"conns").values())
        lines = client.stats(b"conns")
        address = {sock: "tcp:127.0.0.1:%d" % sock.socket.getsockname()[1]
                   for sock in (client, half)}
    conns = {}
    for name, value in lines.items():
        number, field = name.split(":", 1)
        conns.setdefault(number, {})[field] = value
    assert all({"addr", "state", "secs_since_last_cmd"} <= set(conn)
               for conn in conns.values()), conns
    states = {conn["addr"]: conn["state"] for conn in conns.values()}
    assert states[address[half]] == "conn_nread"
    assert states[address[client]] == "conn_parse_cmd"
    assert "conn_listening" in states.values()


def test_conns_is_in_the_order_of_descriptors(loop):
    """As memcached's: who connects to a server and takes its last line, finds itself."""
    with Server([*loop, "-t", "3"]) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(9)]
        assert all(client.ask(b"version\r\n") for client in clients)  # all are accepted
        for client in clients:
            numbers = [int(name.split(":")[0]) for name in client.stats(b"conns")]
            assert numbers == sorted(numbers) and len(set(numbers)) > len(clients)


def test_items_and_slabs_keep_their_shape(server):
    with server.connect() as client:
        client.send(storage("k", b"x"))
        assert client.read_line() == b"STORED"
        items, slabs = client.stats(b"items"), client.stats(b"slabs")
        assert items and all(re.fullmatch(r"items:\d+:\w+", name) for name in items), items
        assert sum(int(value) for name, value in items.items() if name.endswith(":number")) == 1
        assert all(re.fullmatch(r"\d+:\w+|active_slabs|total_malloced", name) for name in slabs)
        assert {"active_slabs", "total_malloced"} <= set(slabs)
        assert client.stats(b"sizes") == {"sizes_status": "disabled"}


def test_detail_counts_by_prefix(server):
    with server.connect() as client:
        assert client.ask(b"stats detail on") == b"OK"
        client.send(storage("user:1", b"x") + b"get user:1\r\nget user:2\r\ndelete user:1\r\n")
        assert client.read_until(b"DELETED\r\n")
        client.send(b"stats detail dump\r\n")
        assert client.read_until(b"END\r\n") == b"PREFIX user get 2 hit 1 set 1 del 1\r\nEND\r\n"


# ---- watch ----

class Watcher:
    """A connection that watches; its lines as dictionaries, collected as they come."""

    def __init__(self, server, what):
        self.client = server.connect()
        assert self.client.ask(b"watch " + what.encode()) == b"OK"
        self.lines = []
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.socket.shutdown(2)
        self.thread.join()
        self.client.close()

    def _collect(self):
        while line := self.client.read_line():
            self.lines.append(line.decode())

    def find(self, pattern, count=1):
        """The matches of `count` lines, or an assertion that shows what came."""
        def matches():
            return [match for line in list(self.lines) if (match := re.fullmatch(pattern, line))]
        assert wait_until(lambda: len(matches()) >= count), \
            f"{pattern}\nin {self.lines[-20:]}"
        return matches()


HEAD = r"ts=\d+\.\d+ gid=\d+ "


def test_watch_fetchers_shows_hits_and_misses(loop):
    with Server(loop) as server, Watcher(server, "fetchers") as watcher, \
            server.connect() as client:
        client.send(storage("a%b", b"value") + b"get a%b\r\nget none\r\n")
        client.read_until(b"END\r\nEND\r\n")
        watcher.find(HEAD + r"type=item_get key=a%25b status=found clsid=\d+ cfd=\d+ size=\d+")
        watcher.find(HEAD + r"type=item_get key=none status=not_found clsid=\d+ cfd=\d+ size=0")


def test_watch_mutations_shows_what_was_stored_and_how(server):
    with Watcher(server, "mutations") as watcher, server.connect() as client:
        client.send(storage("k", b"x", exptime=100) + storage("k", b"x", verb="add")
                    + storage("k", b"y", verb="append"))
        client.read_until(b"STORED\r\nNOT_STORED\r\nSTORED\r\n")
        form = r"type=item_store key=k status=%s cmd=%s ttl=\d+ clsid=\d+ cfd=\d+ size=\d+"
        watcher.find(HEAD + form % ("stored", "set"))
        watcher.find(HEAD + form % ("not_stored", "add"))
        watcher.find(HEAD + form % ("stored", "append"))


@pytest.mark.slow
def test_watch_evictions_shows_what_had_to_go():
    with Server(["-m", "64"]) as server, Watcher(server, "evictions") as watcher, \
            server.connect() as client:
        for n in range(200):
            client.send(storage(f"k{n}", b"x" * 500_000))
            assert client.read_line() == b"STORED"
        watcher.find(HEAD + r"type=eviction key=k\d+ fetch=no ttl=-?\d+ la=\d+ clsid=\d+ size=\d+")


def test_watch_connevents_shows_who_comes_and_goes(server):
    with Watcher(server, "connevents") as watcher:
        with server.connect() as client:
            port = client.socket.getsockname()[1]
            assert client.ask(b"version")
        address = rf"rip=127\.0\.0\.1 rport={port} transport=tcp"
        watcher.find(HEAD + rf"type=conn_new {address} cfd=\d+")
        watcher.find(HEAD + rf"type=conn_close {address} reason=normal cfd=\d+")


def test_watch_deletions_shows_deleted_keys(server):
    with Watcher(server, "deletions") as watcher, server.connect() as client:
        client.send(storage("k", b"x") + b"delete k\r\n")
        client.read_until(b"DELETED\r\n")
        watcher.find(HEAD + r"type=deleted key=k cmd=delete clsid=\d+ size=\d+")


def test_watcher_that_does_not_read_loses_lines_and_slows_nobody(loop):
    with Server(loop) as server, server.connect() as lazy, server.connect() as client:
        assert lazy.ask(b"watch fetchers mutations") == b"OK"
        client.send(storage("k" * 200, b"x"))
        assert client.read_line() == b"STORED"
        request = b"get " + b"k" * 200 + b"\r\n"
        started = time.monotonic()
        for _ in range(200):
            client.send(request * 500)
            for _ in range(500):
                read_values(client)
        print(f"100000 watched gets in {time.monotonic() - started:.1f} s")
        stats = client.stats()
        lost = ("log_watcher_skipped", "log_worker_dropped")
        assert sum(int(stats.get(name, 0)) for name in lost) > 0
        assert lazy.read_until(b"\n").startswith(b"ts=")


def test_watch_can_be_switched_off():
    with Server(["-W"]) as server, server.connect() as client:
        assert client.ask(b"watch") == b"CLIENT_ERROR watch commands not allowed"


# ---- dumps ----

LINE = re.compile(rb"key=(\S+) exp=(-?\d+) la=\d+ cas=\d+ fetch=(?:yes|no) cls=\d+ size=\d+"
                  rb"(?: flags=\d+)? ?\n")


def dump(client, command):
    """The keys of a dump, with or without the OK line that newer memcacheds begin with."""
    client.send(command + b"\r\n")
    end = b"EN\r\n" if b"mgdump" in command else b"END\r\n"
    text = client.read_until(end)
    return text[:-len(end)].removeprefix(b"OK\r\n")


def dumped_keys(text):
    lines = text.splitlines(keepends=True)
    matches = [LINE.fullmatch(line) for line in lines]
    assert all(matches), [line for line, match in zip(lines, matches) if not match][:3]
    return [unquote_to_bytes(match[1]).decode() for match in matches]


def test_metadump_lists_every_key_once(server):
    keys = [f"key:{n} %".replace(" ", "_") for n in range(3000)]
    with server.connect() as client:
        client.send(b"".join(storage(key, b"x", exptime=1000) for key in keys))
        client.read_exactly(8 * len(keys))
        found = dumped_keys(dump(client, b"lru_crawler metadump all"))
        assert sorted(found) == sorted(keys)
        text = dump(client, b"lru_crawler metadump all")
        exp = int(LINE.match(text)[2])
        assert abs(exp - (time.time() + 1000)) < 10


def test_mgdump_prints_commands_that_fetch_every_key(server):
    with server.connect() as client:
        binary = base64.b64encode(b"\x00bin ary")
        client.send(storage("plain", b"x") + b"ms " + binary + b" 1 b\r\nx\r\n")
        assert client.read_line() == b"STORED"
        assert client.read_line() == b"HD"
        lines = sorted(dump(client, b"lru_crawler mgdump all").splitlines())
        assert lines == sorted([b"mg plain", b"mg " + binary + b" b"])
        for line in lines:
            assert client.ask(line) == b"HD"


@pytest.mark.slow
def test_metadump_while_others_write_lists_every_key_that_stays(loop):
    """A dump is no snapshot, but what is there all the time has to be in it, and only once."""
    steady = [f"steady:{n}" for n in range(20_000)]
    with Server([*loop, "-m", "256"]) as server, server.connect() as client:
        client.send(b"".join(storage(key, b"x") for key in steady))
        client.read_exactly(8 * len(steady))
        stop = threading.Event()

        def write(number):
            with server.connect() as writer:
                turn = 0
                while not stop.is_set():
                    turn += 1
                    writer.send(b"".join(storage(f"new:{number}:{turn}:{n}", b"y" * 50)
                                         + b"delete new:%d:%d:%d\r\n" % (number, turn - 1, n)
                                         for n in range(100)))
                    for _ in range(200):
                        writer.read_line()
        threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                found = dumped_keys(dump(client, b"lru_crawler metadump all"))
                steady_found = [key for key in found if key.startswith("steady:")]
                assert len(steady_found) == len(set(steady_found)), "a key came twice"
                # memcached's crawler passes over what moves between its queues meanwhile.
                assert len(steady_found) >= len(steady) * (1 if is_larderd() else 0.99)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_dumps_can_be_switched_off():
    with Server(["-X"]) as server, server.connect() as client:
        assert client.ask(b"lru_crawler metadump all") == b"ERROR metadump not allowed"
        assert client.ask(b"stats cachedump 1 10") == b"CLIENT_ERROR stats cachedump not allowed"
        assert client.ask(b"stats detail on") == b"CLIENT_ERROR stats detail not allowed"


def test_cachedump_lists_keys_with_size_and_time():
    with Server([] if is_larderd() else ["-o", "no_modern"]) as server, \
            server.connect() as client:
        client.send(storage("k", b"12345"))
        assert client.read_line() == b"STORED"
        classes = {name.split(":")[1] for name in client.stats(b"items")}
        lines = []
        for number in classes:
            client.send(b"stats cachedump %s 10\r\n" % number.encode())
            lines += client.read_until(b"END\r\n").splitlines()[:-1]
        assert len(lines) == 1
        assert re.fullmatch(rb"ITEM k \[5 b; \d+ s\]", lines[0]), lines


def test_flush_all_empties_and_is_counted(server):
    with server.connect() as client:
        client.send(storage("k", b"x") + b"flush_all\r\n")
        assert client.read_line() == b"STORED"
        assert client.read_line() == b"OK"
        assert get(client, "k") == {}
        assert client.stats()["cmd_flush"] == "1"
