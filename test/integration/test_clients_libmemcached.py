# SPDX-License-Identifier: BSD-3-Clause
"""The tools of libmemcached: its conformance test, its verifying load generator, its shell tools."""

import os
import re
import subprocess

import pytest

from client_round import LARGE_SIZE
from client_table import Row
from helpers import is_larderd, need_option, need_tool, storage
from lib.server import Server
from secured import PASSWORD, USER, Sasl

PACKAGE = "libmemcached-tools"
TEXT, BINARY, SASL = (Row("libmemcached tools", PACKAGE, *variant)
                      for variant in (["text"], ["binary"], ["binary", "SASL PLAIN"]))


def of_rows(what, *rows):
    """The test runs once for each row, with a server that speaks the row's protocol alone."""
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.name, marks=row.mark(what))
                                           for row in rows])


def server_of(row, folder):
    """A server, and the words that the tools need to be served."""
    if row.login:
        need_option("S")
        return Sasl(folder, "plain").server(), ["-b", "-u", USER, "-p", PASSWORD]
    if row.protocol == "binary":
        return Server(["-B", "binary"]), ["-b"]
    return Server(["-B", "ascii"]), []


def tool(name, server, *words, expect=0):
    """Run a shell tool against the server; its output."""
    program = need_tool(name, PACKAGE)
    done = subprocess.run([program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=200,
                          env={**os.environ, "MEMCACHED_SERVERS": f"127.0.0.1:{server.port}"})
    output = done.stdout.decode("latin-1")
    assert expect is None or done.returncode == expect, f"{name}: {done.returncode}\n{output}"
    return output


def fill(server, items):
    with server.connect() as client:
        client.send(b"".join(storage(key, value) for key, value in items.items()))
        for key in items:
            assert client.read_line() == b"STORED", key


CHECKS = 54  # 27 of each protocol


@Row("memccapable", PACKAGE, "text, binary").mark(f"{CHECKS} checks, half of each protocol")
def test_memccapable_passes_every_check(loop):
    with Server(loop) as server:
        program = need_tool("memccapable", PACKAGE)
        done = subprocess.run([program, "-h", "127.0.0.1", "-p", str(server.port), "-t", "60"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=200)
    checks = re.findall(r"^((?:ascii|binary) .*?) +\[(\w+)\]", done.stdout, re.M)
    assert [name for name, result in checks if result != "pass"] == [], done.stdout
    assert len(checks) == CHECKS, done.stdout
    assert done.returncode == 0


@TEXT.mark("memcping")
def test_memcping_finds_the_server(server):
    tool("memcping", server)


# The statistics come by groups of packets in binary.
@of_rows("memcstat", TEXT, BINARY, SASL)
def test_memcstat_prints_the_statistics(row, tmp_path):
    server, words = server_of(row, tmp_path)
    with server:
        for n in range(10):
            (tmp_path / f"key{n}").write_bytes(b"x")
            tool("memccp", server, *words, str(tmp_path / f"key{n}"))
        output = tool("memcstat", server, *words)
        values = dict(re.findall(r"^\s+(\w+): (.*)$", output, re.M))
        assert values["pid"] == str(server.pid)
        assert values["curr_items"] == "10"
        assert values["cmd_set"] == "10"


@TEXT.mark("memcdump")
def test_memcdump_lists_every_key():
    keys = {f"dumped:{n:04}": b"value of it" for n in range(500)}
    # memcached dumps its cold queue alone; with no_modern it has but one.
    with Server([] if is_larderd() else ["-o", "no_modern"]) as server:
        fill(server, keys)
        output = tool("memcdump", server)
    assert sorted(set(output.split())) == sorted(keys)


@of_rows("memccat, memccp, memcexist, memcrm, memctouch", TEXT, BINARY, SASL)
def test_shell_tools_copy_read_touch_and_remove_a_file(row, tmp_path):
    server, words = server_of(row, tmp_path)
    content = bytes(n % 251 for n in range(LARGE_SIZE))
    (tmp_path / "picture").write_bytes(content)
    with server:
        tool("memccp", server, *words, "--set", str(tmp_path / "picture"))
        assert tool("memccat", server, *words, "--file", str(tmp_path / "copy"), "picture") == ""
        assert (tmp_path / "copy").read_bytes().rstrip(b"\n") == content.rstrip(b"\n")
        tool("memcexist", server, *words, "picture")
        tool("memctouch", server, *words, "--expire", "100", "picture")
        tool("memcrm", server, *words, "picture")
        tool("memcexist", server, *words, "picture", expect=1)


@of_rows("memcflush", TEXT, BINARY, SASL)
def test_memcflush_empties_the_server(row, tmp_path):
    server, words = server_of(row, tmp_path)
    (tmp_path / "key").write_bytes(b"x")
    with server:
        tool("memccp", server, *words, str(tmp_path / "key"))
        tool("memcexist", server, *words, "key")
        tool("memcflush", server, *words)
        tool("memcexist", server, *words, "key", expect=1)


@pytest.mark.parametrize("name", ["memccat", "memccp", "memcexist", "memcflush", "memcrm", "memcstat"])
def test_shell_tools_with_a_wrong_password_do_nothing(name, tmp_path):
    server, words = server_of(SASL, tmp_path)
    (tmp_path / "key").write_bytes(b"x")
    with server:
        tool("memccp", server, *words, str(tmp_path / "key"))
        wrong = [*words[:-1], "wrong", *([] if name in ("memcflush", "memcstat") else [str(tmp_path / "key")])]
        assert "AUTHENTICATION FAILURE" in tool(name, server, *wrong, expect=1)
        tool("memcexist", server, *words, "key")


# Keys of 20 to 250 bytes and values up to 64 KiB, three gets to a set.
LOAD = """key
20 60 0.5
61 250 0.5
value
1 200 0.6
201 4096 0.3
4097 65536 0.1
cmd
0 0.25
1 0.75
"""
LOAD_S = 10


@pytest.mark.parametrize("row, keys_at_once, seconds", [
    pytest.param(TEXT, 1, LOAD_S, marks=TEXT.mark("memcaslap")),
    pytest.param(TEXT, 20, LOAD_S // 2, marks=TEXT.mark("memcaslap")),
    pytest.param(BINARY, 20, LOAD_S // 2, marks=BINARY.mark("memcaslap"))])
def test_memcaslap_verifies_every_value_it_reads(tmp_path, row, keys_at_once, seconds):
    """Every value that comes back is compared; some expire, and that is verified too.

    No -o: the generator compares overwritten keys with their first value and finds fault with
    every server.
    """
    program = need_tool("memcaslap", PACKAGE)
    configuration = tmp_path / "load"
    configuration.write_text(LOAD)
    with Server(["-m", "1024", "-t", "2"]) as server:
        done = subprocess.run(
            [program, "-s", f"127.0.0.1:{server.port}", "-T", "1", "-c", "16", "-t",
             f"{seconds}s", "-F", configuration, "-v", "1", "-e", "0.02", "-w", "1k",
             "-d", str(keys_at_once), *(["-B"] if row is BINARY else [])],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200)
        with server.connect() as client:
            evictions = int(client.stats()["evictions"])
    counts = {name: int(value) for name, value in re.findall(r"^(\w+): (\d+)$", done.stdout, re.M)}
    assert done.returncode == 0, done.stdout
    assert counts["cmd_get"] > 1000, done.stdout
    assert counts["cmd_set"] > 1000, done.stdout
    assert counts["verify_failed"] == 0, done.stdout
    assert counts["unexpired_unget"] == 0, done.stdout
    assert counts["expired_get"] == 0, done.stdout
    assert evictions > 0 or counts["verify_misses"] == 0, done.stdout
    print(re.search(r"Run time:.*", done.stdout)[0])
