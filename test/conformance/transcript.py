# SPDX-License-Identifier: BSD-3-Clause
"""Transcripts: what a client sends and what it must get back, as a person would write it down.

A transcript is a text file. A line is one of

    # a remark
    > get k              the client sends a line (CR LF is added)
    >- get k             the client sends exactly this, without a line end
    < END                the server answers this line (with CR LF)
    <- END               the server answers exactly these bytes
    <~ VERSION .*        the server answers a line that matches as a whole
    <* STAT .*           the server answers any number of lines that match
    >x 80 0a 'key' {cas}  the client sends these bytes: hexadecimal digits, text in quotes, what was
                         remembered under a name; blanks and | are there for the eye
    <x 81 .. 'key' {cas=8}  the server answers these bytes: .. is any byte, {cas=8} any 8, remembered
    <!                   the server closes the connection
    <larderd ERROR       only this one answers so: a deliberate difference. Every one is explained
    <peer OK             in doc/protocol/differences.md. Also <larderd~, <peer!, ...
    @ word ...           a direction for the runner, below

Times to live (t100) and since the last access (l0) may be some seconds off in an answer: the machine
may be busy.

In what is sent or answered \\r \\n \\t \\\\ \\{ \\xNN mean what they mean in C, {x*250} is 250 times x,
{k%d *1..1000} is "k1 k2 ... k1000 ", and {name} what (?P<name>...) matched in an earlier <~ line
of the same transcript.

    @args -M             command line of the server, also: @args larderd ..., @args peer ...;
                         {here} is this folder
    @only peer WHY       run it with this server alone (also @only larderd WHY)
    @unix                over a UNIX socket
    @conn NAME           go on with another connection, opened when first named
    @split N             from here on send N bytes at a time; @split 0 ends it
    @sleep S             wait
    @clock +N            move the server's clock N seconds ahead (`debugtime`)
    @quiet               no answer is waiting here
    @open                the connection ends inside a request: no `mn` is sent after the last line

When all is done, `mn` is sent on every connection that should be open and must be answered by `MN`
and nothing else (where the first byte was 80 a binary NOOP): no answer is left over, and the server
still knows where a request begins.

    transcript.py FILE...            run these with the server under test
    transcript.py --peer FILE...     run these with the peer
    transcript.py --record FILE...   print them with the peer's answers in place of the written ones
"""

import argparse
import contextlib
import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.server import TIMEOUT_S, Server, larderd_path, peer_path  # noqa: E402

HERE = Path(__file__).resolve().parent
TIME_SLACK_S = 5  # a busy machine may take so long between two lines, and then the clock has ticked
SERVERS = ("larderd", "peer")
TIMES = re.compile(rb"(?<= )([tl])(\d+)(?=[ \r])")  # in an answer to a meta command
LINE = re.compile(r"([<>])(larderd|peer)?([-~*!x]?)(?: (.*))?$|(@)(\w.*)$")
PACKET = re.compile(r"'([^']*)'|\{(\w+)=(\d+)\}|\{(\w+)\}|(\.\.)|([0-9a-f]{2})|[ |]+|(.)")
BINARY_NOOP = (b"\x80\x0a".ljust(24, b"\0"), b"\x81\x0a".ljust(24, b"\0"))
ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})|\\(.)")
ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t"}
BRACES = re.compile(rb"(?<!\\)\{(?:(\w+)|([^{}]*?)\*(?:(\d+)\.\.)?(\d+))\}")


class TranscriptError(AssertionError):
    """The conversation went otherwise. The text names the file and the line."""


def unescape(data):
    return ESCAPE.sub(lambda match: bytes([int(match[1], 16)]) if match[1]
                      else ESCAPES.get(match[2], match[2]), data)


def expand(text, names=None):
    """The bytes a transcript's text stands for."""

    def brace(match):
        name, part, first, last = match.groups()
        if name:
            return (names or {}).get(name.decode(), b"0")
        if not first:
            return part * int(last)
        return b"".join(part.replace(b"%d", b"%d" % number)
                        for number in range(int(first), int(last) + 1))

    return unescape(BRACES.sub(brace, text.encode()))


def packet(text, names):
    """The bytes that `>x` sends; of `<x`, a pattern that they have to match, and their number."""
    data, pattern, size = b"", b"", 0
    for words, name, count, known, hole, digits, wrong in PACKET.findall(text):
        if wrong:
            raise TranscriptError(f"neither digits nor 'text': {wrong} in {text}")
        part = words.encode() + bytes.fromhex(digits) + names.get(known, bytes(8 * bool(known)))
        data += part
        pattern += re.escape(part) + (b"(?P<%s>.{%s})" % (name.encode(), count.encode()) if name
                                      else b"." * bool(hole))
        size += len(part) + int(count or 0) + bool(hole)
    return data, re.compile(pattern, re.DOTALL), size


class Step:
    """One line of a transcript. `kind` is its first character, `form` what follows it (- ~ * !)."""

    def __init__(self, number, line):
        match = LINE.match(line)
        if not match or (match[1] == ">" and (match[2] or match[3] not in ("", "-", "x"))):
            raise TranscriptError(f"line {number}: not understood: {line}")
        self.number = number
        self.kind = match[1] or "@"
        self.server = match[2]
        self.form = match[3] or ""
        self.text = match[4] or match[6] or ""

    def sent(self, names=None):
        """The bytes a > line puts on the wire."""
        if self.form == "x":
            return packet(self.text, names or {})[0]
        return expand(self.text, names) + (b"" if self.form == "-" else b"\r\n")


class Transcript:
    def __init__(self, path):
        self.path = Path(path)
        self.lines = self.path.read_text().splitlines()
        self.steps = [Step(number, line) for number, line in enumerate(self.lines, 1)
                      if line and not line.startswith("#")]

    def directions(self, name):
        """The words of every `@name ...` line."""
        words = (step.text.split() for step in self.steps if step.kind == "@")
        return [line[1:] for line in words if line[0] == name]

    def runs_with(self, server):
        only = self.directions("only")
        return not only or only[0][0] == server

    def arguments(self, server):
        """Its command line."""
        arguments = []
        for words in self.directions("args"):
            if words[0] not in SERVERS:
                arguments += words
            elif words[0] == server:
                arguments += words[1:]
        arguments = [word.replace("{here}", str(HERE)) for word in arguments]
        if self.directions("clock"):
            arguments += ["-o", "relaxed_privileges"]
        return arguments

    def program(self, server):
        if server == "larderd":
            return larderd_path()
        return peer_path() + ("-debug" if self.directions("clock") else "")

    def start(self, server):
        return Server(self.arguments(server), self.program(server),
                      unix=bool(self.directions("unix")))


def is_later(got, expected):
    """Is it the same answer, given some seconds after it was expected?"""
    if not expected.startswith((b"HD ", b"VA ")) or TIMES.sub(b"", got) != TIMES.sub(b"", expected):
        return False
    # t counts down, l counts up.
    late = ((int(then) - int(now)) * (1 if letter == b"t" else -1)
            for (letter, now), (_, then) in zip(TIMES.findall(got), TIMES.findall(expected)))
    return all(0 <= seconds <= TIME_SLACK_S for seconds in late)


class Run:
    """One transcript with one running server."""

    def __init__(self, transcript, server_name, server):
        self.transcript = transcript
        self.server_name = server_name
        self.server = server
        self.names = {}
        self.split = 0
        self.clients = {}
        self.closed = set()
        self.binary = {}  # by connection: was its first byte a binary request's?
        self.current = None
        self.clock_delta = 0

    def run(self):
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: [client.close() for client in self.clients.values()])
            self.switch("first")
            for step in self.transcript.steps:
                if step.server in (None, self.server_name):
                    self.step(step)
            self.check_end()

    def switch(self, name):
        if name not in self.clients:
            self.clients[name] = self.server.connect(TIMEOUT_S)
        self.current = name

    @property
    def client(self):
        return self.clients[self.current]

    def fail(self, step, expected, got):
        raise TranscriptError(f"{self.transcript.path.name}:{step.number} ({self.server_name})\n"
                              f"  expected {expected}\n  got      {got!r}")

    def step(self, step):
        try:
            {"@": self.direct, ">": self.send, "<": self.expect}[step.kind](step)
        except TimeoutError as error:
            self.fail(step, step.text[:200] or step.form, str(error))

    def direct(self, step):
        word, *rest = step.text.split()
        if word == "conn":
            self.switch(rest[0])
        elif word == "split":
            self.split = int(rest[0])
        elif word == "sleep":
            time.sleep(float(rest[0]))
        elif word == "clock":
            self.move_clock(step, int(rest[0]))
        elif word == "quiet":
            got = self.client.read_available()
            if got:
                self.fail(step, "nothing", got)
        elif word not in ("args", "only", "unix", "open"):
            raise TranscriptError(f"{self.transcript.path.name}:{step.number}: @{word}?")

    def move_clock(self, step, seconds):
        # The peer adds the sum of all moves so far to its clock each time, not the move alone, until
        # its next tick puts that right. Its clock is stopped here, so the sum has to be the move.
        move = seconds
        with self.server.connect(TIMEOUT_S) as control:
            if self.server_name == "peer":
                control.ask(b"debugtime p")
                move, self.clock_delta = seconds - self.clock_delta, seconds
            got = control.ask(b"debugtime %d" % move)
        if got != b"OK":
            self.fail(step, "OK", got)

    def send(self, step):
        data = step.sent(self.names)
        self.binary.setdefault(self.current, data.startswith(b"\x80"))
        if not self.split:
            self.client.send(data)
            return
        for start in range(0, len(data), self.split):
            self.client.send(data[start:start + self.split])
            time.sleep(0.001)

    def expect(self, step):
        if step.form == "!":
            if not self.client.is_closed():
                self.fail(step, "the connection closed", self.client.pending[:200])
            self.closed.add(self.current)
        elif step.form == "~":
            self.expect_pattern(step)
        elif step.form == "*":
            self.expect_lines(step)
        elif step.form == "x":
            self.expect_packet(step)
        else:
            self.expect_bytes(step)

    def expect_bytes(self, step):
        expected = expand(step.text, self.names) + (b"" if step.form == "-" else b"\r\n")
        got = b""
        for _ in range(expected.count(b"\n")):
            got += self.client.read_until(b"\n") or self.client.pending
        if not expected.endswith(b"\n"):
            got += self.client.read_exactly(len(expected) - len(got))
        if got != expected and not is_later(got, expected):
            self.fail(step, repr(expected[:300]), got[:300])

    def expect_packet(self, step):
        _, pattern, size = packet(step.text, self.names)
        got = self.client.read_exactly(size)
        match = pattern.fullmatch(got)
        if not match:
            self.fail(step, step.text, got.hex(" "))
        self.names.update(match.groupdict())

    def expect_pattern(self, step):
        line = self.client.read_line()
        pattern = re.sub(rb"\{([a-z]\w*)\}", lambda match: self.names[match[1].decode()],
                         step.text.encode())
        match = line is not None and re.fullmatch(pattern, line)
        if not match:
            self.fail(step, f"a match of {step.text}", line)
        self.names.update(match.groupdict())

    def expect_lines(self, step):
        pattern = re.compile(step.text.encode())
        while True:
            line = self.client.read_until(b"\n")
            if line is None:
                return
            if not pattern.fullmatch(line.rstrip(b"\r\n")):
                self.client.pending = line + self.client.pending
                return

    def check_end(self):
        if self.transcript.directions("open"):
            return
        for name, client in self.clients.items():
            if name not in self.closed:
                question, answer = BINARY_NOOP if self.binary.get(name) else (b"mn\r\n", b"MN\r\n")
                client.send(question)
                try:
                    got = client.read_exactly(len(answer))
                except TimeoutError as error:
                    got = str(error)
                if got != answer or client.pending:
                    raise TranscriptError(
                        f"{self.transcript.path.name}: after the last line ({self.server_name}): "
                        f"{question!r} got {got!r}, {client.pending[:200]!r}")


def run(path, server_name):
    """Start the server a transcript asks for and hold the conversation."""
    transcript = Transcript(path)
    if transcript.runs_with(server_name):
        with transcript.start(server_name) as server:
            Run(transcript, server_name, server).run()
            if server_name == "peer":
                server.kill()  # it would take a second to stop by itself, a hundred times


def as_text(data):
    """An answered line as a transcript writes it; runs of one character are shortened."""
    text = data.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1")
    text = text.replace("\\", "\\\\").replace("{", "\\{")
    text = re.sub(r"[^ -~]", lambda match: f"\\x{ord(match[0]):02x}", text)
    text = re.sub(r"(\w)\1{39,}", lambda match: f"{{{match[1]}*{len(match[0])}}}", text)
    text = re.sub(r" $", r"\\x20", text)
    return f"< {text}".rstrip() if data.endswith(b"\r\n") else f"<- {text}\\n"


def record(path, output=sys.stdout):
    """Print the transcript with its `< ` lines replaced by what the peer says now.

    A bare `<` stands for any number of lines.
    """
    transcript = Transcript(path)
    with transcript.start("peer") as server:
        talk = Run(transcript, "peer", server)
        talk.switch("first")
        waiting = False
        for line in [*transcript.lines, ""]:
            if waiting and (line == "<" or not line.startswith(("<", ">"))):
                got = talk.client.read_available(0.05)
                for answer in re.findall(rb"[^\n]*\n|[^\n]+$", got):
                    print(as_text(answer), file=output)
                waiting = False
            if line.startswith("< "):
                print(as_text(talk.client.read_until(b"\n")), file=output)
            elif line != "<":
                print(line, file=output)
                if line and not line.startswith(("#", "<larderd", "<peer")):
                    talk.step(Step(0, line))
                    waiting = waiting or line.startswith(">")


def main():
    parser = argparse.ArgumentParser(description="Run transcripts.")
    parser.add_argument("--peer", action="store_true", help="with the reference memcached")
    parser.add_argument("--record", action="store_true", help="print them with the peer's answers")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    failed = 0
    for path in options.files:
        if options.record:
            record(path)
            continue
        try:
            run(path, "peer" if options.peer else "larderd")
            print(f"ok      {os.path.relpath(path)}")
        except AssertionError as error:
            failed += 1
            print(f"FAILED  {os.path.relpath(path)}\n{error}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
