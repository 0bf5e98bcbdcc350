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

import client_table  # noqa: E402  (found through the line above)
import fixtures  # noqa: E402
from fixtures import *  # noqa: E402,F401,F403


def pytest_addoption(parser):
    parser.addoption("--clients-page", metavar="FILE", help="write the table of clients into FILE")


def pytest_configure(config):
    fixtures.pytest_configure(config)
    config.pluginmanager.register(client_table.Hooks())
