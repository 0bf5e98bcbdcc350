# SPDX-License-Identifier: BSD-3-Clause
"""The request streams of real systems through a real client (pylibmc), against larderd and memcached
at equal -m: every request is a get, a miss is followed by a set, as an application would do.

`mcbench replay` does the same and more, faster; this is the second opinion, in other words and
with another client. The traces are no part of the project: without them this is skipped, and says so.
"""

import bisect
import hashlib
import importlib.util
import itertools
import lzma
import os
import struct
import subprocess

import pytest

from helpers import need
from lib.server import TREE, Server, peer_path

FOLDER = os.environ.get("LARDER_TRACES") or TREE.parent / "shared/traces"
REQUESTS = 500_000  # enough that both have to evict
BATCH = 32  # one by one the client's own time is most of the run

# ETC: the probability of each value size from 0 to 14; above, a generalized Pareto distribution.
ETC_BELOW = list(itertools.accumulate([.00536, .00047, .17820, .09239, .00018, .02740, .00065,
                                       .00606, .00023, .00837, .00837, .08989, .00092, .00326,
                                       .01980]))
ETC_LOCATION, ETC_SCALE, ETC_SHAPE = 15, 214.476, 0.348238
VALUE_SIZE_MAX = 1_000_000  # fits any server at the default -I
BYTES = b"larder replays " * (VALUE_SIZE_MAX // 15 + 1)


def read_ids(path):
    """Numbers of 8 bytes. Their byte order does not matter: they are names."""
    with lzma.open(path) as file:
        while piece := file.read(8 * 65536):
            yield from (row[0] for row in struct.iter_unpack(">Q", piece))


def read_extents(path):
    """Lines `start count ...`: the blocks from start on."""
    with subprocess.Popen(["zstd", "-dc", path], stdout=subprocess.PIPE) as process:
        try:
            for line in process.stdout:
                start, count = line.split()[:2]
                yield from range(int(start), int(start) + int(count))
        finally:
            process.kill()


TRACES = {"scarab-recs.trace.xz": read_ids, "oltp.lis.zst": read_extents}


def etc_value_size(uniform):
    """The value size at this place (0 <= uniform < 1) of the distribution."""
    small = bisect.bisect_right(ETC_BELOW, uniform)
    if small < len(ETC_BELOW):
        return small
    left = (1 - uniform) / (1 - ETC_BELOW[-1])
    size = ETC_LOCATION + ETC_SCALE / ETC_SHAPE * (left ** -ETC_SHAPE - 1)
    return min(int(size), VALUE_SIZE_MAX)


class Keys(dict):
    """The key and the value's size of each id, made up on first sight."""

    def __missing__(self, number):
        digest = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16).digest()
        value_size = etc_value_size(int.from_bytes(digest[8:], "big") / 2**64)
        self[number] = f"{number:0{20 + digest[0] % 21}x}", value_size
        return self[number]


def replay(server, numbers, keys):
    """Send the whole stream; how many gets hit. A key that comes twice in a batch and misses counts
    as one miss and a hit, as it would one by one."""
    import pylibmc
    client = pylibmc.Client([f"127.0.0.1:{server.port}"], binary=False,
                            behaviors={"tcp_nodelay": True})
    hits = 0
    for first in range(0, len(numbers), BATCH):
        wanted = [keys[number] for number in numbers[first:first + BATCH]]
        found = client.get_multi([key for key, _ in dict(wanted).items()])
        filled = set()
        for key, size in wanted:
            value = found.get(key)
            assert value is None or len(value) == size
            if value is None and key not in filled:
                filled.add(key)
                assert client.set(key, BYTES[:size])
            else:
                hits += 1
    return hits


@pytest.mark.slow
@pytest.mark.larderd
@pytest.mark.measured
@pytest.mark.parametrize("memory_mb", [16, 24])
@pytest.mark.parametrize("trace", TRACES)
def test_replay_of_a_real_trace_hits_no_less_than_memcached(trace, memory_mb):
    path = os.path.join(FOLDER, trace)
    if not os.path.exists(path):
        pytest.skip(f"no {trace} in LARDER_TRACES or ../shared/traces")
    need(importlib.util.find_spec("pylibmc"), "pylibmc", "apt-get install python3-pylibmc")
    numbers = list(itertools.islice(TRACES[trace](path), REQUESTS))
    keys, hits = Keys(), []
    for program in (None, peer_path()):
        with Server(["-t", 1, "-m", memory_mb], program=program) as server:
            hits.append(replay(server, numbers, keys))
            with server.connect() as client:
                assert int(client.stats()["evictions"]) > 0
    print(f"{trace} at {memory_mb} MiB: larderd {hits[0]}, memcached {hits[1]} of {len(numbers)}")
    assert hits[0] >= hits[1] - 0.005 * len(numbers)
