# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures and markers of the integration and the fault tests; their conftest.py import all."""

import pytest

import helpers
from lib.server import Server


def pytest_configure(config):
    config.addinivalue_line("markers", "larderd: asks for what memcached does not have")
    config.addinivalue_line("markers", "measured: says nothing about a sanitizer's build")
    config.addinivalue_line("markers", "client(client, package, protocol, login, tls, what): belongs to "
                            "a row of doc/clients.md")


def pytest_runtest_setup(item):
    if item.get_closest_marker("measured") and helpers.is_sanitized():
        pytest.skip("memory and time of a sanitizer's build say nothing")
    if item.get_closest_marker("larderd") and not helpers.is_larderd():
        pytest.skip("larderd only")


@pytest.fixture
def server():
    """A server at default settings."""
    with Server() as running:
        yield running


@pytest.fixture(params=["epoll", "uring"])
def loop(request):
    """Command line words that choose the event loop: the test runs once on each."""
    if helpers.is_larderd():
        return helpers.loop_arguments(request.param)
    if request.param == "uring":
        pytest.skip("memcached has one loop")
    return []
