# SPDX-License-Identifier: BSD-3-Clause
"""larderd and memcached, a few hundred thousand random commands, every byte compared.

LARDER_DIFFERENTIAL_SECONDS (default 60) is for all parts together; LARDER_SEED repeats a run.
"""

import os

import differential
import pytest
from lib.server import peer_path

PARTS = 3
SECONDS = float(os.environ.get("LARDER_DIFFERENTIAL_SECONDS", "60")) / PARTS
SEED = int(os.environ.get("LARDER_SEED", "20041001"))
UNSTABLE_MAX = 3  # memcached itself is not the same twice in one round of some thousand


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("part", range(PARTS - 1))
def test_larderd_answers_like_memcached(part):
    result = differential.compare(SEED + part, seconds=SECONDS)
    print(f"{result.commands} commands")
    assert not result.mismatches, result.mismatches[0]
    assert len(result.unstable) <= UNSTABLE_MAX, "\n".join(result.unstable)


@pytest.mark.timeout(SECONDS + 300)
def test_larderd_answers_like_memcached_in_binary():
    result = differential.compare(SEED, seconds=SECONDS, speech=differential.Binary)
    print(f"{result.commands} packets")
    assert not result.mismatches, result.mismatches[0]
    assert len(result.unstable) <= UNSTABLE_MAX, "\n".join(result.unstable)


@pytest.mark.peer
def test_memcached_answers_like_itself_in_binary():
    programs = (peer_path(), peer_path())
    result = differential.compare(SEED, count=10000, programs=programs,
                                  speech=differential.Binary)
    assert not result.mismatches, result.mismatches[0]


@pytest.mark.peer
def test_memcached_answers_like_itself():
    programs = (peer_path(), peer_path())
    result = differential.compare(SEED, count=10000, programs=programs)
    assert not result.mismatches, result.mismatches[0]


@pytest.mark.peer
@pytest.mark.parametrize("argument", ["-F", "-C"])
def test_a_difference_is_found(argument):
    """A server that forbids flush_all, or keeps no compare-and-store numbers, is not the same."""
    programs = (peer_path(), peer_path())
    result = differential.compare(SEED, count=20000, programs=programs,
                                  arguments=((), (argument,)))
    assert result.mismatches
