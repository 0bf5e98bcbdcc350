# SPDX-License-Identifier: BSD-3-Clause
"""mcbench replay: traces of every format against real servers; what it counts is what was to count."""

import gzip
import json
import lzma
import random
import struct
import subprocess
from pathlib import Path

import pytest

from helpers import need_tool
from lib.server import Server, larderd_path

BUILD = Path(larderd_path()).resolve().parents[2]
MCBENCH = BUILD / "src/cli/mcbench/mcbench"
REQUESTS = 20_000


@pytest.fixture(scope="module")
def numbers():
    """A stream of keys, some of them often, some only once."""
    generator = random.Random(11)
    return [int(generator.paretovariate(0.6)) % 5000 for _ in range(REQUESTS)]


def pack_plain(path, data):
    path.write_bytes(data)


def pack_xz(path, data):
    path.write_bytes(lzma.compress(data, preset=0))


def pack_gzip(path, data):
    path.write_bytes(gzip.compress(data))


def pack_zstd(path, data):
    subprocess.run([need_tool("zstd", "zstd"), "-q", "-o", path], input=data, check=True)


def as_id32(numbers):
    return struct.pack(f">{len(numbers)}I", *numbers)


def as_id64(numbers):
    return struct.pack(f">{len(numbers)}Q", *(number << 33 for number in numbers))


def as_extents(numbers):
    return "".join(f"{number} 1 0 {i}\n" for i, number in enumerate(numbers)).encode()


def as_keys(numbers):
    return "".join(f"key:{number}\n" for number in numbers).encode()


def as_twitter(numbers):
    return "".join(f"{i // 100},key:{number},{4 + len(str(number))},{number % 700},3,get,0\n"
                   for i, number in enumerate(numbers)).encode()


# The third: what has to stand before the file's name.
FORMATS = [("id32.bin", as_id32, "id32:"), ("id64.bin", as_id64, "id64:"),
           ("trace.lis", as_extents, ""), ("trace.keys", as_keys, ""),
           ("trace.csv", as_twitter, "twitter:"), ("trace.sort", as_twitter, "")]
PACKINGS = [("", pack_plain), (".xz", pack_xz), (".zst", pack_zstd), (".gz", pack_gzip)]


def mcbench(*arguments, status=0):
    done = subprocess.run([MCBENCH, "replay", *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=200)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


def rows_of(path):
    return json.loads(path.read_text())["replay"]


def replay(tmp_path, server, trace, *arguments):
    """The one row of a replay against a server that runs."""
    out = tmp_path / "out.json"
    address = server.path if server.unix else f"127.0.0.1:{server.port}"
    mcbench("--trace", trace, "--address", address, "--json", out, *arguments)
    (row,) = rows_of(out)
    return row


@pytest.mark.parametrize("name,spell,prefix", FORMATS, ids=[row[0] for row in FORMATS])
def test_every_format_and_packing_counts_the_same(tmp_path, numbers, name, spell, prefix):
    distinct = len(set(numbers))
    for index, (ending, pack) in enumerate(PACKINGS):
        path = tmp_path / (name + ending)
        pack(path, spell(numbers))
        with Server(["-m", "64"], unix=index % 2 == 1) as server:
            row = replay(tmp_path, server, f"{prefix}{path}", "--protocol",
                         ["text", "meta"][index % 2])
            with server.connect() as client:
                stats = client.stats()
        assert (row["requests"], row["misses"], row["hits"]) == (
            REQUESTS, distinct, REQUESTS - distinct)
        assert row["working_set_keys"] == row["items"] == int(stats["curr_items"]) == distinct
        assert row["refused"] == row["evictions"] == 0


@pytest.mark.parametrize("window", [1, 7, 1024])
def test_a_window_does_not_change_what_hits(tmp_path, window):
    """Keys that come twice in a row: the second is a hit, also where both are in one window."""
    path = tmp_path / f"pairs-{'of-keys' * 20}.keys"  # longer than a name in a result file may be
    path.write_bytes(as_keys([number // 3 for number in range(9000)]))
    with Server(["-m", "64"]) as server:
        row = replay(tmp_path, server, path, "--window", window)
    assert (row["misses"], row["hits"]) == (3000, 6000)


def test_operations_of_a_trace(tmp_path):
    lines = ["0,a,1,10,1,set,0", "0,a,1,10,1,get,0", "0,a,1,20,1,add,0", "0,b,1,30,1,add,0",
             "0,c,1,40,1,replace,0", "0,c,1,40,1,get,0", "0,c,1,50,1,replace,0",
             "0,a,1,0,1,delete,0", "0,nobody,6,0,1,delete,0", "0,a,1,60,1,get,0"]
    path = tmp_path / "trace.csv"
    path.write_text("\n".join(lines))
    for window in (1, 64):
        for protocol in ("text", "meta"):
            with Server(["-m", "64"]) as server:
                row = replay(tmp_path, server, path, "--window", window, "--protocol", protocol)
                with server.connect() as client:
                    sizes = {}
                    for key in (b"a", b"b", b"c"):
                        client.send(b"mg " + key + b" s\r\n")
                        sizes[key] = client.read_line()
            assert (row["hits"], row["misses"], row["requests"]) == (1, 2, len(lines))
            assert sizes == {b"a": b"HD s60", b"b": b"HD s30", b"c": b"HD s50"}


@pytest.mark.measured
def test_sizes_side_by_side_and_equal_memory(tmp_path, numbers):
    path = tmp_path / "trace.keys"
    path.write_bytes(as_keys(random.Random(3).choices(range(60_000), k=150_000)))
    out = tmp_path / "out.json"
    program = f"{larderd_path()} {{listen}} {{user}} -t 1 -m {{memory_mb}}"
    text = mcbench("--trace", path, "--memory", 4, "--memory", 32, "--json", out,
                   "--server", f"one={program}", "--server", f"two={program} -I 2m")
    small, _, large, other = rows_of(out)
    assert [row["server"] for row in rows_of(out)] == ["one", "two", "one", "two"]
    assert (small["told_mb"], large["told_mb"]) == (4, 32)
    assert small["evictions"] > 0 and large["evictions"] == 0
    assert small["misses"] > large["misses"] == other["misses"] == large["working_set_keys"]
    assert small["peak_rss_kib"] < large["peak_rss_kib"]
    assert "two" in text
    # A share: the first as near as whole MiB allow, the second not above it.
    mcbench("--trace", path, "--share", 60, "--tenants", 4, "--json", out,
            "--server", f"one={program}", "--server", f"two={program} -I 2m")
    first, second = rows_of(out)
    assert first["tenants"] == 4 and first["working_set_keys"] == 4 * small["working_set_keys"]
    wanted_kib = 0.6 * first["working_set_bytes"] / 1024
    assert abs(first["peak_rss_kib"] - wanted_kib) < 0.1 * wanted_kib
    assert second["peak_rss_kib"] <= first["peak_rss_kib"]


def test_values_of_a_given_size(tmp_path):
    path, out = tmp_path / "trace.keys", tmp_path / "out.json"
    path.write_text("a\nb\na\n")
    for tenants in 1, 2:
        with Server(["-m", "64"]) as server:
            mcbench("--trace", path, "--value-size", 1234, "--tenants", tenants, "--json", out,
                    "--address", f"127.0.0.1:{server.port}")
        row, = rows_of(out)
        assert (row["hits"], row["hit_bytes"], row["value_size"]) == (tenants, 1234 * tenants, "1234")
    assert "etc" in mcbench("--trace", path, "--value-size", "large", "--address", "x", status=2)


def test_what_is_wrong_is_said(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("0,a,1,10,1,get,0\n0,a,1,10,1,steal,0\n")
    with Server(["-m", "64"]) as server:
        address = f"127.0.0.1:{server.port}"
        complaint = mcbench("--trace", path, "--address", address, status=1)
        assert f"{path}: line 2: unknown operation 'steal'" in complaint
        assert "No such file" in mcbench("--trace", tmp_path / "no.keys", "--address", address,
                                         status=1)
        assert "format" in mcbench("--trace", tmp_path / "x.bin", "--address", address, status=2)
    path.write_text("0,a,1,10,1,get,0\n")
    assert "refused" in mcbench("--trace", path, "--address", address, status=1)
    assert "--trace" in mcbench(status=2)
    assert "cannot do with" in mcbench("--trace", path, "--share", 1, "--server",
                                       f"x={larderd_path()} {{listen}} {{user}} -m {{memory_mb}}",
                                       "--unix", status=1)


def test_a_wrong_value_fails_the_replay(tmp_path):
    path = tmp_path / "trace.keys"
    path.write_text("a\n")
    with Server(["-m", "64"]) as server:
        with server.connect() as client:
            assert client.ask(b"set a 0 0 5\r\nwrong") == b"STORED"
        complaint = mcbench("--trace", path, "--address", f"127.0.0.1:{server.port}", status=1)
    assert "key a: its value" in complaint
