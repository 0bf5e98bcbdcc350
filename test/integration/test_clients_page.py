# SPDX-License-Identifier: BSD-3-Clause
"""The table of doc/clients.md says what reports say: client_table.py."""

import json
from types import SimpleNamespace

import client_table
from client_table import BEGIN, END, Row, Table

HERE, THERE = Row("here", "here-package", "text"), Row("there", "npm:there", "binary", "SASL PLAIN", True)


def report(row, what, outcome, reason=None, when="call"):
    properties = [("client", json.dumps([*row, what]))]
    if reason:
        properties.append(("client_cannot", reason))
    return SimpleNamespace(user_properties=properties, outcome=outcome, when=when,
                           passed=outcome == "passed", skipped=outcome == "skipped")


def table_of(*reports):
    table = Table()
    for each in reports:
        table.add(each)
    return table


def test_results_are_those_of_the_reports():
    table = table_of(
        report(HERE, "round: fetch", "passed", when="setup"), report(HERE, "round: fetch", "passed"),
        report(HERE, "round: cas", "skipped", "no such call"),
        report(THERE, "hits", "passed"), report(THERE, "misses", "failed", when="setup"))
    assert [line[:1] + line[2:] for line in table.lines()] == [
        ["here", "text", "–", "–", "the round, 2 steps", "passed; cannot: cas (no such call)"],
        ["there", "binary", "SASL PLAIN", "yes", "hits, misses", "FAILED: misses"]]
    assert table.has_failures() and table.missing() == []


def test_a_client_that_is_not_installed_has_no_line():
    table = table_of(report(HERE, "hits", "passed"), report(THERE, "hits", "passed"),
                     report(THERE, "misses", "skipped", when="setup"))
    assert [line[0] for line in table.lines()] == ["here"]
    assert table.missing() == [THERE.name] and not table.has_failures()


def test_a_page_is_read_as_it_was_written(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{BEGIN}\n{END}\n\n| not | ours |\n|---|---|\n| x | y |\n")
    lines = table_of(report(HERE, "hits", "passed"), report(THERE, "hits", "passed")).lines()
    for _ in range(2):
        client_table.write(page, lines)
        assert client_table.read(page.read_text()) == lines
    assert page.read_text().startswith("before\n") and page.read_text().endswith("| x | y |\n")


def test_differences_are_named_but_for_versions():
    old, new = (table_of(report(HERE, "hits", "passed"), each).lines() for each in (
        report(THERE, "hits", "passed"), report(THERE, "hits", "skipped", "no such call")))
    old[0][client_table.VERSION_COLUMN] = "0.1"
    assert client_table.differences(old, old, is_whole=True) == []
    assert client_table.differences(old[:1], new[:1], is_whole=True) == []
    changed = client_table.differences(new, old, is_whole=True)
    assert [line.split(":")[0] for line in changed] == ["not on the page", "only on the page"]
    assert client_table.differences(old[:1], old, is_whole=False) == []
    assert client_table.differences(old[:1], old, is_whole=True) == [changed[1]]
