# SPDX-License-Identifier: BSD-3-Clause
"""The request streams of real systems, replayed against larderd and memcached at equal -m.

The traces are no part of the project (bench/replay says where they are looked for): without them
this is skipped, and says so.
"""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from helpers import need
from lib.server import TREE, larderd_path

REPLAY = TREE / "bench/replay"
FOLDER = os.environ.get("LARDER_TRACES") or TREE.parent / "shared/traces"
FILES = {"scarab-recs": "scarab-recs.trace.xz", "oltp": "oltp.lis.zst"}
REQUESTS = 500_000  # enough that both have to evict


@pytest.mark.slow
@pytest.mark.larderd
@pytest.mark.measured
@pytest.mark.parametrize("memory_mb", [16, 24])
@pytest.mark.parametrize("trace", FILES)
def test_replay_of_a_real_trace_hits_no_less_than_memcached(tmp_path, trace, memory_mb):
    if not os.path.exists(os.path.join(FOLDER, FILES[trace])):
        pytest.skip(f"no {FILES[trace]} in LARDER_TRACES or ../shared/traces")
    need(importlib.util.find_spec("pylibmc"), "pylibmc", "apt-get install python3-pylibmc")
    done = subprocess.run(
        [sys.executable, REPLAY, "--traces", FOLDER, "--trace", trace, "--memory", str(memory_mb),
         "--requests", str(REQUESTS), "--no-save", "--json", tmp_path / "rows"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=250,
        env={**os.environ, "LARDERD": larderd_path()})
    assert done.returncode == 0, done.stdout
    ours, peers = json.loads((tmp_path / "rows").read_text())
    print("\n".join(line for line in done.stdout.splitlines() if line.startswith("|")))
    assert (ours["server"], peers["server"]) == ("larderd", "memcached")
    assert ours["requests"] == peers["requests"] == REQUESTS
    assert ours["wrong"] == ours["refused"] == 0
    assert ours["evictions"] > 0
    assert ours["hit_ratio"] >= peers["hit_ratio"] - 0.005
