# SPDX-License-Identifier: BSD-3-Clause
"""The transcripts, read by the parser alone (parse.c): what it refuses, and in which words.

LARDER_PARSE is the program that meson builds from parse.c (default: that of the build that the
server under test is from).
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
import transcript
from lib.server import larderd_path

FILES = sorted(transcript.HERE.glob("*/*.txt"))
ERRORS = ("ERROR", "CLIENT_ERROR", "SERVER_ERROR")
PACKET_ERRORS = re.compile(rb"\x81.{5}\x00[\x04\x81].{16}(Invalid arguments|Unknown command)",
                           re.DOTALL)
# What a parser cannot know.
SERVER_SAYS = ("SERVER_ERROR", "CLIENT_ERROR bad data chunk", "CLIENT_ERROR cannot increment")
PARSER_DECIDES = ("GET", "STORE", "DELETE", "ARITH", "TOUCH", "NOOP")


class Block:
    """What was sent until an answer was waited for, and the errors and the end that came."""

    def __init__(self, line, start):
        self.line = line
        self.start = start  # in the connection's bytes
        self.expected = []
        self.closes = False
        self.requests = []


class Stream:
    def __init__(self):
        self.sent = b""
        self.blocks = []
        self.answered = True

    def send(self, step):
        if self.answered:
            self.blocks.append(Block(step.number, len(self.sent)))
            self.answered = False
        self.sent += step.sent()

    def expect(self, step):
        self.answered = True
        if step.form == "!":
            self.blocks[-1].closes = True
        elif step.form == "x":
            packet = transcript.packet(step.text.replace("..", "00"), {})[0]
            self.blocks[-1].expected += [
                words.decode() for words in PACKET_ERRORS.findall(packet)]
        elif step.form in ("", "-"):
            lines = transcript.expand(step.text).decode("latin-1").split("\r\n")
            self.blocks[-1].expected += [line for line in lines if line.split(" ")[0] in ERRORS]

    def block_at(self, offset):
        return next(block for block in reversed(self.blocks) if block.start <= offset)


def streams(path):
    """The transcript's connections."""
    connections = {}
    current = connections.setdefault("first", Stream())
    for step in transcript.Transcript(path).steps:
        if step.kind == "@" and step.text.startswith("conn "):
            current = connections.setdefault(step.text.split()[1], Stream())
        elif step.kind == ">":
            current.send(step)
        elif step.kind == "<" and step.server in (None, "larderd") and current.blocks:
            current.expect(step)
    return [stream for stream in connections.values() if stream.sent]


def check(block, name):
    where = f"{name}:{block.line}"
    expected = list(block.expected)
    for verdict, words in block.requests:
        if verdict == "BAD" and words:
            assert words in expected, f"{where}: parsed as {words}, expected {block.expected}"
            expected.remove(words)
    closed = any(verdict == "CLOSE" for verdict, _ in block.requests)
    assert block.closes or not closed, f"{where}: the parser would close the connection"
    if all(verdict != "DONE" or words.split()[0] in PARSER_DECIDES
           for verdict, words in block.requests):
        unheard = [line for line in expected if not line.startswith(SERVER_SAYS)]
        assert not unheard, f"{where}: the parser did not refuse with {unheard}"


def parse_path():
    path = os.environ.get("LARDER_PARSE")
    if not path:
        path = Path(larderd_path()).parents[2] / "test/conformance/parse"
    assert os.access(path, os.X_OK), f"no parser to test at {path}: build it, or set LARDER_PARSE"
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_parse(path):
    text = transcript.Transcript(path)
    if not text.runs_with("larderd") or {"-Y", "-B"} & set(text.arguments("larderd")):
        return  # before the log-in there is another parser, and nothing decides with -B
    program = parse_path()
    for stream in streams(path):
        output = subprocess.run([program], input=stream.sent, stdout=subprocess.PIPE, check=True)
        offset = 0
        for line in output.stdout.decode("latin-1").splitlines():
            verdict, _, rest = line.partition(" ")
            size, _, words = rest.partition(" ")
            stream.block_at(offset).requests.append((verdict, words))
            offset += int(size or 0)
        for block in stream.blocks:
            check(block, path.name)
