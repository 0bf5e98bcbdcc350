# SPDX-License-Identifier: BSD-3-Clause
"""The table of doc/clients.md: collected from the tests' outcomes, and compared with the page.

A test that belongs to a row is marked with the row and with what it exercises:

    NGINX = Row("nginx", "nginx", "text")
    @NGINX.mark("a value of 1 MiB")

What a client cannot do is recorded by cannot(), which skips the test; any other skip leaves the row
out. The marks travel as properties of the tests' reports, so that it is the same whether tests run in
one process or in many.

    pytest -m client --clients-page=doc/clients.md ...      writes the page (dev/clients-page)
    any run of the whole folder                             fails when the page says something else
"""

import json
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import helpers
import pytest

from lib.server import TREE

PAGE = TREE / "doc/clients.md"
COMMAND = "dev/clients-page"
BEGIN, END = "<!-- written by dev/clients-page: begin -->", "<!-- end -->"
HEAD = ["Client", "Version", "Protocol", "Log-in", "TLS", "Exercised", "Result"]
VERSION_COLUMN = HEAD.index("Version")
NODE_MODULES = Path(__file__).resolve().parent / "node_modules"


class Row(NamedTuple):
    """One line of the table. package: of Debian, or npm:NAME."""
    client: str
    package: str
    protocol: str
    login: str = ""
    tls: bool = False

    @property
    def name(self):
        words = [self.client.replace(" ", "-"), self.protocol, self.login.replace(" ", "-"),
                 "TLS" if self.tls else ""]
        return "-".join(filter(None, words))

    def mark(self, what):
        return pytest.mark.client(*self, what)


def cannot(record_property, reason):
    """Skip a test that asks for what the client does not have; the table says so."""
    record_property("client_cannot", reason)
    pytest.skip(reason)


# ---- collecting ----

class Table:
    """What the reports say, in the process that receives them all."""

    def __init__(self):
        self.tests = {}  # row -> what -> outcomes

    def add(self, report):
        properties = dict(report.user_properties)
        if "client" not in properties or (report.passed and report.when != "call"):
            return
        *row, what = json.loads(properties["client"])
        outcome = report.outcome
        if report.skipped:
            outcome = "cannot: " + properties["client_cannot"] if "client_cannot" in properties \
                else "missing"
        self.tests.setdefault(Row(*row), {}).setdefault(what, []).append(outcome)

    def lines(self):
        """The table's cells, sorted; without the rows whose clients are not here."""
        lines = []
        for row, tests in sorted(self.tests.items(), key=lambda pair: pair[0].name.lower()):
            outcomes = [outcome for each in tests.values() for outcome in each]
            if "missing" in outcomes:
                continue
            lines.append([row.client, version_of(row.package), row.protocol, row.login or "–",
                          "yes" if row.tls else "–", exercised(tests), result(tests)])
        return lines

    def missing(self):
        return [row.name for row, tests in self.tests.items()
                if any("missing" in outcomes for outcomes in tests.values())]

    def has_failures(self):
        return any("failed" in outcomes for tests in self.tests.values()
                   for outcomes in tests.values())


def exercised(tests):
    if all(what.startswith("round: ") for what in tests):
        return f"the round, {len(tests)} steps"
    return ", ".join(sorted(tests, key=str.lower))


def result(tests):
    """What failed, else what the client cannot do, else that all is well."""
    failed = sorted(what for what, outcomes in tests.items() if "failed" in outcomes)
    if failed:
        return "FAILED: " + ", ".join(failed)
    lacks = sorted(f"{what.removeprefix('round: ')} ({outcome.removeprefix('cannot: ')})"
                   for what, outcomes in tests.items() for outcome in set(outcomes)
                   if outcome != "passed")
    return "all passed" if not lacks else "passed; cannot: " + ", ".join(lacks)


def version_of(package):
    if package.startswith("npm:"):
        module = NODE_MODULES / package.removeprefix("npm:") / "package.json"
        return json.loads(module.read_text())["version"] if module.exists() else "?"
    try:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return "?"  # not a Debian
    return done.stdout or "?"


# ---- the page ----

def write(page, lines):
    text = page.read_text()
    table = ["| " + " | ".join(cells) + " |" for cells in [HEAD, *lines]]
    table.insert(1, "|" + "---|" * len(HEAD))
    before, rest = text.split(BEGIN)
    page.write_text(before + "\n".join([BEGIN, "", *table, "", END]) + rest.split(END, 1)[1])


def read(text):
    """The cells of the page's table."""
    table = text.split(BEGIN)[1].split(END)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in re.findall(r"^\|.*\|$", table, re.M)][2:]


def differences(lines, on_page, is_whole):
    """What the page says wrong about `lines`, versions aside. is_whole: a line of the page that is
    not among them is too much."""
    def known(cells):
        return tuple(cell for index, cell in enumerate(cells) if index != VERSION_COLUMN)

    ours, theirs = {known(cells) for cells in lines}, {known(cells) for cells in on_page}
    found = [f"not on the page: {' | '.join(cells)}" for cells in sorted(ours - theirs)]
    if is_whole:
        found += [f"only on the page: {' | '.join(cells)}" for cells in sorted(theirs - ours)]
    return found


def finish(config, session, table):
    """At the end of a run: write the page, or find what is wrong with it. Returns complaints."""
    if not table.tests or session.shouldstop or session.shouldfail:
        return []
    path = config.getoption("--clients-page")
    if path:
        if missing := table.missing():
            return [f"not written, clients are missing: {' '.join(missing)}"]
        write(Path(path), table.lines())
        return []
    selected = config.option.keyword or config.option.markexpr not in ("", "client") or \
        any(not Path(word).is_dir() for word in config.args)
    if selected or table.has_failures() or not helpers.is_larderd():
        return []
    return differences(table.lines(), read(PAGE.read_text()), is_whole=not table.missing())


class Hooks:
    """A plug-in of pytest, registered by conftest.py. Under pytest-xdist some processes run the tests,
    and another one receives their reports and has the last word."""

    def __init__(self):
        self.table = Table()
        self.complaints = []

    def pytest_collection_modifyitems(self, items):
        for item in items:
            for mark in item.iter_markers("client"):
                *row, what = mark.args
                item.user_properties.append(("client", json.dumps([*row, what])))

    def pytest_runtest_logreport(self, report):
        self.table.add(report)

    def pytest_sessionfinish(self, session):
        if not hasattr(session.config, "workerinput"):
            self.complaints = finish(session.config, session, self.table)
            if self.complaints and session.exitstatus == 0:
                session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter):
        if self.complaints:
            terminalreporter.section(f"the table of clients (run {COMMAND})", red=True)
            for line in self.complaints:
                terminalreporter.line(line)
