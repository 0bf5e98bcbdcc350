# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the integration tests: real server processes, real clients.

    /usr/bin/python3 -m pytest test/integration             the whole, some minutes
    LARDERD=$(dev/build-peer) ... pytest test/integration   the same questions put to memcached
    CI=true ...                                             a missing client is a failure

Tests run side by side under pytest-xdist (-n 2): each has a server of its own on a free port.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fixtures import *  # noqa: E402,F401,F403  (found through the line above)
