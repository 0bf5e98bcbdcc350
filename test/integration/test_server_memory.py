# SPDX-License-Identifier: BSD-3-Clause
"""-m is the whole truth: whatever is stored, the process stays near it, and nothing is refused."""

import random

import pytest

from helpers import get, is_larderd, loop_arguments, memory_kib, storage
from lib.server import Server

KIB = 1 << 10
MIB = 1 << 20


def limit_kib(megabytes):
    """What -m allows: 5 % and 16 MiB for the program, its stacks and its buffers."""
    return int(megabytes * KIB * 1.05) + 16 * KIB


def store_all(client, items, batch=200):
    """Store (key, value) pairs, pipelined; every single one has to be taken."""
    pending, count = [], 0

    def flush():
        client.send(b"".join(pending))
        answers = client.read_exactly(8 * len(pending))
        assert answers == b"STORED\r\n" * len(pending), answers.replace(b"STORED\r\n", b"")[:200]
        pending.clear()
    for key, value in items:
        pending.append(storage(key, value))
        count += 1
        if len(pending) == batch or len(value) > 64 * KIB:
            flush()
    flush()
    return count


def read_large(client, size):
    """read_exactly() without its copies: for values of many MiB."""
    buffer = bytearray(size)
    view = memoryview(buffer)
    done = len(client.pending[:size])
    view[:done], client.pending = client.pending[:size], client.pending[size:]
    while done < size:
        count = client.socket.recv_into(view[done:])
        assert count, f"closed after {done} of {size} bytes"
        done += count
    return buffer


def small(random_source, count):
    """Sizes as they are met: mostly tiny, a tail up to some KiB."""
    for n in range(count):
        size = min(int(random_source.paretovariate(0.9) * 12), 8 * KIB)
        yield f"small:{n}", b"s" * size


def mixed(random_source, total):
    """Values of all sizes, some keys stored over and over, in all about `total` bytes."""
    stored = 0
    while stored < total:
        kind = random_source.random()
        if kind < 0.60:
            key, size = f"tiny:{random_source.randrange(1 << 30)}", random_source.randrange(60)
        elif kind < 0.85:
            key, size = f"over:{random_source.randrange(5000)}", random_source.randrange(4 * KIB)
        elif kind < 0.97:
            key, size = f"page:{random_source.randrange(1 << 30)}", random_source.randrange(32 * KIB)
        else:
            key, size = f"large:{random_source.randrange(500)}", random_source.randrange(900 * KIB)
        stored += size + 60
        yield key, b"m" * size


@pytest.mark.measured
@pytest.mark.slow
@pytest.mark.larderd
@pytest.mark.parametrize("megabytes", [64, 256])
def test_memory_stays_under_m_through_mixed_sizes_and_evictions(megabytes):
    source = random.Random(megabytes)
    with Server(["-m", megabytes, "-t", "2"]) as server, server.connect() as client:
        count = store_all(client, small(source, 4000 * megabytes))
        count += store_all(client, mixed(source, 2 * megabytes * MIB))
        stats = client.stats()
        peak = memory_kib(server.pid, "VmHWM")
        print(f"-m {megabytes}: {count} stored, {stats['curr_items']} held, "
              f"{stats['evictions']} evicted, peak {peak} KiB of {limit_kib(megabytes)}")
        assert int(stats["evictions"]) > 0, "not filled, so nothing is shown"
        assert int(stats["limit_maxbytes"]) == megabytes * MIB
        assert int(stats["bytes"]) <= megabytes * MIB
        assert peak <= limit_kib(megabytes)


@pytest.mark.measured
@pytest.mark.slow
@pytest.mark.larderd
@pytest.mark.parametrize("loop_name", ["epoll", "uring"])
def test_memory_stays_under_m_with_large_values_only(loop_name):
    with Server([*loop_arguments(loop_name), "-m", "64"]) as server, server.connect() as client:
        store_all(client, ((f"k{n}", b"x" * (1000 * KIB)) for n in range(200)))
        store_all(client, ((f"k{n}", b"x" * (n * 4 * KIB % (1000 * KIB))) for n in range(400)))
        assert memory_kib(server.pid, "VmHWM") <= limit_kib(64)


@pytest.mark.measured
@pytest.mark.slow
@pytest.mark.larderd
def test_memory_of_overwrites_is_used_again():
    """The same thousand keys a hundred times: nothing may be evicted for it."""
    with Server(["-m", "64"]) as server, server.connect() as client:
        for turn in range(100):
            size = 500 + turn * 37 % 3000
            store_all(client, ((f"k{n}", b"x" * size) for n in range(1000)))
        stats = client.stats()
        assert int(stats["curr_items"]) == 1000
        assert int(stats["evictions"]) == 0
        assert memory_kib(server.pid, "VmHWM") <= limit_kib(64)


@pytest.mark.measured
@pytest.mark.larderd
def test_memory_is_taken_as_it_is_needed():
    with Server(["-m", "4096"]) as server, server.connect() as client:
        assert memory_kib(server.pid, "VmRSS") < 16 * KIB
        store_all(client, ((f"k{n}", b"x" * KIB) for n in range(20_000)))
        # 20 MiB of items, and a table whose first size is 1/64 of -m.
        assert memory_kib(server.pid, "VmRSS") < 128 * KIB


def test_nothing_is_refused_while_something_can_be_evicted():
    """From tiny to large and back: no size can starve another."""
    with Server(["-m", "64"]) as server, server.connect() as client:
        store_all(client, ((f"t{n}", b"x" * 10) for n in range(400_000)))
        store_all(client, ((f"l{n}", b"x" * 500_000) for n in range(200)))
        store_all(client, ((f"t{n}", b"x" * 100) for n in range(200_000)))
        found = get(client, "t199999", "l199", "t0")
        assert found["t199999"] == b"x" * 100


def test_disabled_evictions_refuse_new_items_and_keep_the_old():
    with Server(["-m", "64", "-M"]) as server, server.connect() as client:
        stored = 0
        while stored < 1000:
            client.send(storage(f"k{stored}", b"x" * 200_000))
            if (answer := client.read_line()) != b"STORED":
                break
            stored += 1
        assert answer == b"SERVER_ERROR out of memory storing object"
        assert 150 < stored < 340
        assert get(client, "k0") == {"k0": b"x" * 200_000}
        assert client.stats()["evictions"] == "0"


@pytest.mark.measured
@pytest.mark.slow
@pytest.mark.parametrize("loop_name", ["epoll", "uring"])
def test_item_of_128_mib_is_stored_and_read(loop_name):
    if not is_larderd() and loop_name == "uring":
        pytest.skip("memcached has one loop")
    words = loop_arguments(loop_name) if is_larderd() else []
    size = 128 * MIB
    value = bytes(range(256)) * (size // 256)
    with Server([*words, "-I", "256m", "-m", "1024"]) as server, server.connect() as client:
        client.send(storage("huge", value, flags=42))
        assert client.read_line() == b"STORED"
        client.send(b"get huge\r\n")
        assert client.read_line() == b"VALUE huge 42 %d" % size
        assert read_large(client, size) == value, "another value came back"
        assert client.read_exactly(7) == b"\r\nEND\r\n"
        # Twice more, so that the old one has to go, and beside it another.
        client.send(storage("huge", value[1:]) + storage("other", value[2:]))
        assert client.read_line() == b"STORED"
        assert client.read_line() == b"STORED"
        client.send(b"get huge\r\n")
        assert client.read_line() == b"VALUE huge 0 %d" % (size - 1)
        assert read_large(client, size - 1) == value[1:]
        assert client.read_exactly(7) == b"\r\nEND\r\n"
        if is_larderd():
            assert memory_kib(server.pid, "VmHWM") <= limit_kib(1024)
        client.send(b"set toobig 0 0 %d\r\n" % (257 * MIB))
        for _ in range(257):
            client.send(b"x" * MIB)
        client.send(b"\r\nversion\r\n")
        assert client.read_line() == b"SERVER_ERROR object too large for cache"
        assert client.read_line().startswith(b"VERSION")


def test_item_size_limit_is_where_it_was_put():
    for option, below, above in (("1m", MIB - 1024, MIB), ("2m", 2 * MIB - 1024, 2 * MIB),
                                 ("8k", 8 * KIB - 128, 8 * KIB)):
        with Server(["-I", option, "-o", "slab_chunk_max=4"]) as server, server.connect() as client:
            client.send(storage("below", b"x" * below) + storage("above", b"x" * above))
            assert client.read_line() == b"STORED", option
            assert client.read_line() == b"SERVER_ERROR object too large for cache", option
            assert client.stats()["store_too_large"] == "1"


def test_memory_limit_can_be_changed_while_running():
    with Server(["-m", "256"]) as server, server.connect() as client:
        store_all(client, ((f"k{n}", b"x" * 10_000) for n in range(12_000)))
        assert client.ask(b"cache_memlimit 64") == b"OK"
        assert client.stats()["limit_maxbytes"] == str(64 * MIB)
        store_all(client, ((f"n{n}", b"x" * 10_000) for n in range(3000)))
        assert int(client.stats()["evictions"]) > 0
        assert client.ask(b"cache_memlimit 1") == \
            b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"
