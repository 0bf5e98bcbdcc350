# SPDX-License-Identifier: BSD-3-Clause
"""memcached's own tests (upstream.py): each fails exactly where upstream.txt says, and nowhere else."""

import pytest
import upstream
from lib.server import larderd_path

LIST = upstream.expectations()


@pytest.mark.slow
@pytest.mark.timeout(upstream.ATTEMPTS * upstream.TIMEOUT_S + 30)
@pytest.mark.parametrize("name", LIST)
def test_upstream(name):
    expected, _ = LIST[name]
    failed, output = upstream.run_as_expected(name, larderd_path(), expected)
    assert failed == expected, f"{name} fails {failed}, expected {expected}\n{output[-2000:]}"
