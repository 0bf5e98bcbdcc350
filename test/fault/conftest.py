# SPDX-License-Identifier: BSD-3-Clause
"""The server when things go wrong: killed, stopped, starved of memory, descriptors and disk.

    /usr/bin/python3 -m pytest test/fault      some of it needs a build with -Dfaults=true
"""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "integration")]

from fixtures import *  # noqa: E402,F401,F403  (found through the line above)
