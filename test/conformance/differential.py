# SPDX-License-Identifier: BSD-3-Clause
"""The differential test: the same bytes to larderd and to memcached, every reply byte compared.

    differential.py --seed 7 --count 300000      that many random commands
    differential.py --minutes 10                 as many as fit
    differential.py --binary                     in the binary protocol (packets.py)
    differential.py --left PROGRAM --right PROGRAM [--right-args=-F]
                                                 between other programs (default: larderd, peer)

Commands come from commands.py in rounds of a few thousand. A round has keys of its own and begins
with a flush_all, so that it can be repeated alone: its seed is `seed` and its number. A batch of
about 50 commands is sent in one go over one of four connections, cut at random places, and ends with
a question whose answer cannot come from anything else. When a batch is still hungry (a value longer
than what was sent) both servers get the same filling until the answer comes.

What may differ between two servers that are alike, the whole list, is `neutral()` below. What
larderd does otherwise on purpose is in doc/protocol/differences.md and is not generated.
"""

import argparse
import os
import random
import re
import select
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from commands import Commands  # noqa: E402
from packets import Binary  # noqa: E402
from lib.server import Server, larderd_path, peer_path  # noqa: E402

ROUND_BATCHES = 40
BATCH_COMMANDS = 50
CONNECTIONS = 4
SERVER_ARGUMENTS = ["-m", "1024"]
# Another thread may hold an item for a moment, and then memcached does not change it in place.
PEER_ARGUMENTS = ["-t", "1", "-o", "no_lru_maintainer,no_lru_crawler"]
NO_CAS = b"9" * 18  # no item has it: counted from 1, or much less, by either server
WAIT_S = 60.0
HUNGRY_S = 0.15  # without an answer for so long, both are waiting for more
PLACEHOLDER = re.compile(rb"<<cas (.*?)>>", re.DOTALL)
SENT_NUMBER = re.compile(rb"00\d{18}")  # as Batch.pieces() writes them
TIME_SLACK_S = 60  # on a busy machine one server may come so much later than the other


class Mismatch(Exception):
    """The two did not answer alike. The text says how."""


# ---- replies ----

def split_replies(data):
    """A reply stream as a list of (line, data block or None). The rest, if any, comes last."""
    replies = []
    at = 0
    while at < len(data):
        end = data.find(b"\r\n", at)
        if end < 0:
            replies.append((data[at:], None))
            break
        line, at = data[at:end], end + 2
        size = None
        if line.startswith(b"VALUE "):
            size = line.split(b" ")[3]
        elif line.startswith(b"VA "):
            size = line.split(b" ")[1]
        block = None
        if size is not None:
            block, at = data[at:at + int(size) + 2], at + int(size) + 2
        replies.append((line, block))
    return replies


def same_block(left, right):
    """A value that was too short may have swallowed commands with compare-and-store numbers."""
    return left == right or (left and right and
                             SENT_NUMBER.sub(b"#", left) == SENT_NUMBER.sub(b"#", right))


class Neutral:
    """One server's replies without what two like servers may say differently.

    - compare-and-store numbers: by the order in which they are first seen. Which key each belongs
      to is remembered, for <<cas KEY>>. 0 is 0.
    - the version
    - times (t, exp=): equal when TIME_SLACK_S apart; a time left in the past is 0
    - l, la=, cls=, size= (as me counts it): not compared
    """

    def __init__(self):
        self.order = {}
        self.latest = {}

    def fill(self, match):
        """What stands for <<cas KEY>>. All of one length: both servers count the same bytes into a
        value that is too short."""
        return self.latest.get(match[1], NO_CAS).rjust(20, b"0")

    def number(self, text, key=None):
        if key is not None:
            self.latest[key] = text
        return b"0" if text == b"0" else b"#%d" % self.order.setdefault(text, len(self.order))

    def line(self, line):
        """(what has to be equal, times that have to be near)"""
        words = line.split(b" ")
        times = []
        if words[0] == b"VERSION":
            return b"VERSION", times
        if words[0] == b"VALUE" and len(words) == 5:
            words[4] = self.number(words[4], words[1])
        elif words[0] == b"ME":
            words = self.meta_debug(words, times)
        elif words[0] in (b"VA", b"HD", b"EN", b"NF", b"NS", b"EX"):
            self.meta_flags(words, times)
        return b" ".join(words), times

    def meta_debug(self, words, times):
        fields = dict(word.split(b"=") for word in words[2:])
        times.append(int(fields[b"exp"]))
        return [*words[:2], self.number(fields[b"cas"], words[1]), fields[b"fetch"]]

    def meta_flags(self, words, times):
        key = next((word[1:] for word in words[1:] if word.startswith(b"k")), None)
        for at, word in enumerate(words[1:], 1):
            if re.fullmatch(rb"c\d+", word):
                words[at] = b"c" + self.number(word[1:], key)
            elif re.fullmatch(rb"t-?\d+", word):
                seconds = int(word[1:])
                times.append(0 if seconds > 0xF0000000 else seconds)
                words[at] = b"t"
            elif re.fullmatch(rb"kC\d{20}", word):  # a key that was meant to be a cas
                words[at] = b"kC"
            elif re.fullmatch(rb"l\d+", word):
                words[at] = b"l"


class Text:
    """How the two are spoken to, and what of their answers has to be alike."""

    commands = Commands
    neutral = Neutral
    flush = b"flush_all\r\n"
    filling = b"\r\n" * 3
    split = staticmethod(split_replies)

    @staticmethod
    def question(number):
        """One that is answered like no other, and its answer."""
        return b"mg ?%d k\r\n" % number, b"EN k?%d\r\n" % number

    @staticmethod
    def is_alike(neutrals, replies):
        (left, left_times), (right, right_times) = (
            neutral.line(reply[0]) for neutral, reply in zip(neutrals, replies))
        return (left == right and same_block(replies[0][1], replies[1][1])
                and len(left_times) == len(right_times)
                and all(abs(a - b) <= TIME_SLACK_S for a, b in zip(left_times, right_times)))

    @staticmethod
    def show(reply):
        line, block = reply
        return f"{line[:200]!r}" + (f" + {block[:60]!r}" if block is not None else "")


# ---- two servers ----

class Link:
    """A connection that sends and receives at the same time."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.pieces = []
        self.received = bytearray()
        self.closed = False

    def pump(self, readable, writable):
        try:
            if self in writable:
                sent = self.socket.send(self.pieces[0])
                self.pieces[0] = self.pieces[0][sent:]
                if not self.pieces[0]:
                    self.pieces.pop(0)
            if self in readable:
                data = self.socket.recv(1 << 20)
                self.received += data
                self.closed = not data
        except BlockingIOError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            self.closed = True

    def fileno(self):
        return self.socket.fileno()


def exchange(links, marker, timeout_s):
    """Send what is queued and receive until every link has ended with marker, or has closed."""
    deadline = time.monotonic() + timeout_s
    while True:
        waiting = [link for link in links
                   if not link.closed and not (marker and link.received.endswith(marker))]
        left = deadline - time.monotonic()
        if not waiting or left <= 0:
            return not waiting
        readable, writable, _ = select.select(
            waiting, [link for link in waiting if link.pieces], [], left)
        if readable or writable:
            deadline = max(deadline, time.monotonic() + min(timeout_s, HUNGRY_S))
        for link in {*readable, *writable}:
            link.pump(readable, writable)


class Batch:
    """Commands that are sent in one go over one connection."""

    def __init__(self, rng, connection, commands, closes=False):
        self.connection = connection
        self.commands = commands
        self.closes = closes
        self.cuts = sorted(rng.random() for _ in range(rng.choice((0, 0, 0, 1, 3, 10))))
        self.slow = rng.random() < 0.01
        if closes:
            # What arrives at a closed connection resets it, and replies on their way are lost.
            self.cuts = []

    def pieces(self, neutral):
        data = b"".join(self.commands)
        if b"<<cas" in data:
            data = PLACEHOLDER.sub(neutral.fill, data)
        edges = [0, *(int(cut * len(data)) for cut in self.cuts), len(data)]
        return [data[start:end] for start, end in zip(edges, edges[1:]) if start < end]


class Pair:
    """Both servers, fresh, and their connections."""

    def __init__(self, programs, arguments, speech=Text):
        self.speech = speech
        self.servers = [Server(SERVER_ARGUMENTS + (PEER_ARGUMENTS if program == peer_path() else [])
                               + extra, program)
                        for program, extra in zip(programs, arguments)]
        self.links = {}
        self.neutral = [speech.neutral(), speech.neutral()]
        self.questions = 0

    def __enter__(self):
        for server in self.servers:
            server.start()
        return self

    def __exit__(self, error, *_):
        for links in self.links.values():
            for link in links:
                link.socket.close()
        for server in self.servers:
            if error or server.program == peer_path():  # which takes a second to stop by itself
                server.kill()
            else:
                server.stop()

    def begin(self, number):
        """Forget the last round."""
        self.neutral = [self.speech.neutral(), self.speech.neutral()]
        self.play(Batch(random.Random(number), 0, [self.speech.flush]))

    def connect(self, connection):
        if connection not in self.links:
            self.links[connection] = [Link(server) for server in self.servers]
        return self.links[connection]

    def play(self, batch):
        """Send a batch and compare what comes back. Raises Mismatch."""
        links = self.connect(batch.connection)
        for link, neutral in zip(links, self.neutral):
            link.pieces = batch.pieces(neutral)
            link.received.clear()
        if batch.slow:
            self.send_slowly(links)
        if batch.closes:
            answered = exchange(links, None, WAIT_S)
        else:
            answered = self.ask_until_answered(links)
        if answered:  # else what has come back so far is a matter of time
            self.compare(links)
        if batch.closes or not answered or any(link.closed for link in links):
            for link in links:
                link.socket.close()
            del self.links[batch.connection]

    def send_slowly(self, links):
        while any(link.pieces for link in links):
            for link in links:
                if link.pieces and not link.closed:
                    link.pump((), (link,))
                elif link.closed:
                    link.pieces.clear()
            time.sleep(0.002)

    def ask_until_answered(self, links):
        """False when both swallow whatever they get."""
        filling = self.speech.filling
        while len(filling) < 1 << 21:
            self.questions += 1
            question, answer = self.speech.question(self.questions)
            for link in links:
                link.pieces.append(filling + question)
            if exchange(links, answer, HUNGRY_S):
                return True
            # Both are hungry, or one is slow: it gets time before it gets more.
            exchange(links, answer, 2 * HUNGRY_S)
            if any(link.received.endswith(answer) for link in links):
                exchange(links, answer, WAIT_S)  # if it is in vain, compare() will tell
                return True
            filling *= 16
        return False

    def compare(self, links):
        replies = [self.speech.split(bytes(link.received)) for link in links]
        count = min(len(one) for one in replies)
        for at in range(count):
            if not self.speech.is_alike(self.neutral, [one[at] for one in replies]):
                raise Mismatch(self.describe(replies, at))
        if len(replies[0]) != len(replies[1]):
            raise Mismatch(self.describe(replies, count))
        if links[0].closed != links[1].closed:
            raise Mismatch(f"only {'the first' if links[0].closed else 'the second'} closed")

    def describe(self, replies, at):
        text = []
        for server, one in zip(self.servers, replies):
            shown = [self.speech.show(reply) for reply in one[max(at - 2, 0):at + 2]]
            text.append(f"{os.path.basename(server.program)}:\n    " + "\n    ".join(shown))
        return "\n".join(text)


# ---- rounds ----

def make_round(seed, number, speech=Text):
    """The batches of a round: the same for the same numbers."""
    rng = random.Random(f"{seed}/{number}")
    commands = speech.commands(rng, b"r%06d-" % number)
    batches = []
    for _ in range(ROUND_BATCHES):
        connection = rng.randrange(CONNECTIONS)
        roll = rng.random()
        if roll < 0.03:
            batches.append(Batch(rng, connection, commands.alone()))
        elif roll < 0.04:
            batches.append(Batch(rng, connection, [commands.last()], closes=True))
        else:
            count = rng.choice((1, BATCH_COMMANDS, BATCH_COMMANDS, 2 * BATCH_COMMANDS))
            batches.append(Batch(rng, connection, commands.batch(count)))
    return batches


def play_alone(batches, programs, arguments, speech):
    """Play some batches on fresh servers; the mismatch, or None."""
    pair = Pair(programs, arguments, speech).__enter__()
    try:
        pair.begin(0)
        for batch in batches:
            pair.play(batch)
        return None
    except (Mismatch, ValueError, OSError) as mismatch:
        return mismatch
    finally:
        pair.__exit__(True)


def shrink(batches, still_wrong, seconds=30):
    """Leave out what the mismatch does not need: batches, then commands, by halves."""

    end = time.monotonic() + seconds

    def without(items, keep):
        size = max(len(items) // 2, 1)
        while size and time.monotonic() < end:
            start = 0
            while start < len(items) and time.monotonic() < end:
                fewer = items[:start] + items[start + size:]
                if keep(fewer):
                    items = fewer
                else:
                    start += size
            size //= 2
        return items

    batches = without(batches, still_wrong)
    for at, batch in enumerate(batches):
        def keep(commands, at=at, batch=batch):
            smaller = Batch(random.Random(0), batch.connection, commands, batch.closes)
            smaller.cuts = []
            return still_wrong([*batches[:at], smaller, *batches[at + 1:]])

        commands = without(batch.commands, keep)
        batches[at] = Batch(random.Random(0), batch.connection, commands, batch.closes)
        batches[at].cuts = [] if keep(commands) else batch.cuts
    return batches


def describe(seed, number, batches, mismatch, repeat):
    """The shortest form of a mismatch, for a person."""
    smallest = shrink(batches, repeat)
    commands = [(batch.connection, command) for batch in smallest for command in batch.commands]
    lines = [f"seed {seed}, round {number}: {len(commands)} of "
             f"{sum(len(batch.commands) for batch in batches)} commands are enough"]
    lines += [f"  [{connection}] {command[:160]!r}{'...' * (len(command) > 160)}"
              for connection, command in commands[-50:]]
    return "\n".join([*lines, str(repeat(smallest) or mismatch)])


class Result:
    def __init__(self):
        self.commands = 0
        self.mismatches = []  # as text
        self.unstable = []  # seen once, and not again when the round was repeated alone


def compare(seed, count=None, seconds=None, programs=None, arguments=((), ()), keep_going=1,
            log=lambda text: None, speech=Text):
    """Send `count` commands, or for `seconds`, until `keep_going` mismatches. Returns a Result."""
    programs = programs or (larderd_path(), peer_path())
    arguments = [list(extra) for extra in arguments]
    end = time.monotonic() + seconds if seconds else None
    result = Result()
    number = 0

    def repeat(some):
        return play_alone(some, programs, arguments, speech)

    pair = Pair(programs, arguments, speech).__enter__()
    try:
        while len(result.mismatches) < keep_going:
            if end and time.monotonic() > end or count and result.commands >= count:
                break
            batches = make_round(seed, number, speech)
            try:
                pair.begin(number)
                for batch in batches:
                    pair.play(batch)
            except (Mismatch, ValueError, OSError) as mismatch:
                pair.__exit__(True)
                if repeat(batches) and repeat(batches):
                    text = describe(seed, number, batches, mismatch, repeat)
                    result.mismatches.append(text)
                else:
                    text = f"seed {seed}, round {number}: not when repeated alone\n{mismatch}"
                    result.unstable.append(text)
                log(text)
                pair = Pair(programs, arguments, speech).__enter__()
            result.commands += sum(len(batch.commands) for batch in batches)
            number += 1
            if number % 20 == 0:
                log(f"{result.commands} commands")
    except BaseException:
        pair.__exit__(True)
        raise
    pair.__exit__(None)
    return result


def main():
    parser = argparse.ArgumentParser(description="Compare two servers, command by command.")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--count", type=int, help="commands (default 300000)")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--binary", action="store_true", help="speak the binary protocol")
    parser.add_argument("--left", help="a program (default: the server under test)")
    parser.add_argument("--right", help="a program (default: the peer)")
    parser.add_argument("--left-args", default="")
    parser.add_argument("--right-args", default="")
    parser.add_argument("--keep-going", type=int, default=1, metavar="N", help="stop at the Nth")
    options = parser.parse_args()
    count = options.count or (None if options.minutes else 300000)
    programs = (options.left or larderd_path(), options.right or peer_path())
    start = time.monotonic()
    result = compare(options.seed, count, (options.minutes or 0) * 60, programs,
                     (options.left_args.split(), options.right_args.split()),
                     options.keep_going, lambda text: print(text, flush=True),
                     Binary if options.binary else Text)
    print(f"seed {options.seed}: {result.commands} commands in {time.monotonic() - start:.1f} s, "
          f"{len(result.mismatches)} mismatches, {len(result.unstable)} seen once only")
    return bool(result.mismatches)


if __name__ == "__main__":
    sys.exit(main())
