# SPDX-License-Identifier: BSD-3-Clause
"""What mcbench makes of measurements: logs that HdrHistogram's own reader reads, compare, plot."""

import random
import subprocess
from pathlib import Path

from helpers import HERE, need_node_module
from lib.server import larderd_path

BUILD = Path(larderd_path()).resolve().parents[2]
PERCENTILES = 8  # as hist_log.c and clients/hist_log.js have them


def sample_histograms():
    """Latencies of every kind: few, many, none, beyond both ends of the range, and all the same."""
    generator = random.Random(5)
    for count in (1, 10, 1000, 50000):
        yield [int(generator.lognormvariate(11, 1.3)) for _ in range(count)]
    yield [0, 0, 1, 2047, 2048, 3600 * 10**9, 10**15]
    yield []
    yield [7] * 20000


def test_log_is_read_by_hdrhistogram(tmp_path):
    log = tmp_path / "latency.hlog"
    numbers = "".join("".join(f"{value}\n" for value in values) + "\n"
                      for values in sample_histograms())
    ours = subprocess.run([BUILD / "test/integration/hist-log", log], input=numbers,
                          stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    node = need_node_module("hdr-histogram-js")
    theirs = subprocess.run([node, HERE / "clients/hist_log.js", log], stdout=subprocess.PIPE,
                            text=True, check=True).stdout.splitlines()

    assert len(ours) == len(theirs) == 7
    for index, (mine, other) in enumerate(zip(ours, theirs)):
        tag, count, least, most, mean, *percentiles = mine.split()
        their_tag, start, end, *figures = other.split()
        assert their_tag == tag == f"h{index}"
        assert [int(start), int(end)] == [1700000000250 + index * 1000, 1700000000750 + index * 1000]
        assert figures[:3] == [count, least, most]
        assert abs(float(figures[3]) - float(mean)) <= 1e-9 * float(mean)
        assert figures[4:] == percentiles
        assert len(percentiles) == PERCENTILES
