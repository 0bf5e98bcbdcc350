# SPDX-License-Identifier: BSD-3-Clause
"""The differential test in the binary protocol: random requests, and how answers are compared.

The same rules as for commands.py, of which this is the counterpart. A request's opaque is the number
of its key, and says which <<cas NUMBER>> an answer's cas belongs to.

What must not be generated, beside what doc/protocol/differences.md lists: requests that hold an item
(gets and touches) before arithmetic on the same key, in one batch.
"""

import struct

HEADER = struct.Struct(">BBHBBHIIQ")
SIZE = HEADER.size
GETS = (0x00, 0x09, 0x0C, 0x0D)
GATS = (0x1D, 0x1E, 0x23, 0x24)
TOUCH = 0x1C
STORES = (0x01, 0x02, 0x03, 0x11, 0x12, 0x13)
JOINS = (0x0E, 0x0F, 0x19, 0x1A)
DELETES = (0x04, 0x14)
COUNTS = (0x05, 0x06, 0x15, 0x16)
NOOP, QUIT, QUITQ, FLUSH, STAT, VERSION = 0x0A, 0x07, 0x17, 0x08, 0x10, 0x0B
# Opcode: the bytes of extras that it has; these want a key and, but for STORES and JOINS, no value.
EXTRAS = {**dict.fromkeys(GETS + DELETES + JOINS, 0), **dict.fromkeys((*GATS, TOUCH), 4),
          **dict.fromkeys(STORES, 8), **dict.fromkeys(COUNTS, 20)}
UNKNOWN = (0x1F, 0x25, 0x30, 0x3C, 0x7F, 0x80, 0xFF)
TIMES = (0,) * 8 + (100000, 100500, 2592000, 2592001, 0x7FFFFFFF, 0xFFFFFFFF)
DELTAS = (1,) * 6 + (0, 2, 10, 99, 1 << 63, (1 << 64) - 1)
NUMBERS = (0, 1, 5, 9, 10, 99, 100, 999, 12345, (1 << 64) - 1)


def packet(opcode, key=b"", extras=b"", value=b"", opaque=0, cas=0, body_size=None, magic=0x80):
    size = len(extras) + len(key) + len(value) if body_size is None else body_size
    return HEADER.pack(magic, opcode, len(key), len(extras), 0, opaque & 0xFFFF, size, opaque,
                       cas) + extras + key + value


class Packets:
    """Requests about a few keys, all named after `name`, from one random.Random."""

    def __init__(self, rng, name):
        self.rng = rng
        self.keys = [name + b"%d" % number for number in range(10)]
        self.keys.append(name + b"." * (250 - len(name)))
        self.keys.append(name + b"\0 \r\n\x80")
        self.fetched = set()  # in this batch

    def size(self):
        roll = self.rng.random()
        if roll < 0.9:
            return self.rng.choice((0, 1, 2, 3, 10, self.rng.randrange(64), 100, 500))
        if roll < 0.975:
            return self.rng.randrange(500, 9000)
        return self.rng.choice((16384, 16000, 20000, 70000)) + self.rng.randrange(-200, 200)

    def value(self):
        if self.rng.random() < 0.4:
            return b"%d" % self.rng.choice((*NUMBERS, self.rng.randrange(1 << 64)))
        if self.rng.random() < 0.1:
            return self.rng.choice((b" 5", b"5 ", b"-1", b"+7", b"12x", b"007", b"12\0", b"12\0x",
                                    b"\0", b"\x0c\r8", b"8\x0b", b"\x858"))
        # No white space alone: behind it memcached reads on.
        return bytes((self.rng.choice((0, *range(33, 256))), self.rng.randrange(33, 256))) * (
            self.size() // 2)

    def key(self, counts=False):
        """Its number."""
        numbers = [number for number in range(len(self.keys))
                   if not counts or number not in self.fetched]
        return self.rng.choice(numbers) if numbers else None

    def with_cas(self, data, number):
        """Sometimes under a condition: the number, or another one."""
        roll = self.rng.random()
        if roll < 0.2:
            return data[:16] + b"<<cas %d>>" % number + data[24:]
        if roll < 0.25:
            return data[:16] + b"\0\0\x7f\0\0\0\0\1" + data[24:]
        return data

    def request(self):
        roll = self.rng.random()
        if roll < 0.08:
            return self.other()
        if roll < 0.30:
            opcode = self.rng.choice(COUNTS)
        elif roll < 0.55:
            opcode = self.rng.choice(STORES + JOINS)
        else:
            opcode = self.rng.choice(GETS + GETS + GATS + (TOUCH,) + DELETES)
        number = self.key(counts=opcode in COUNTS)
        if number is None:
            return packet(NOOP)
        if opcode in (*GETS, *GATS, TOUCH):
            self.fetched.add(number)
        extras, value = b"", b""
        time = self.rng.choice(TIMES)
        if opcode in COUNTS:
            extras = struct.pack(">QQI", self.rng.choice(DELTAS), self.rng.choice(NUMBERS), time)
        elif opcode in STORES:
            extras = struct.pack(">II", self.rng.choice((0, 0, 1, 0xFFFFFFFF)), time)
        elif EXTRAS[opcode] == 4:
            extras = struct.pack(">I", time)
        if opcode in STORES + JOINS:
            value = self.value()
        data = packet(opcode, self.keys[number], extras, value, number)
        return data if opcode in (*GETS, *GATS, TOUCH) else self.with_cas(data, number)

    def other(self):
        roll = self.rng.random()
        if roll < 0.4:
            return packet(NOOP, opaque=self.rng.randrange(1 << 32))
        if roll < 0.7:
            return packet(self.rng.choice(UNKNOWN), opaque=self.rng.randrange(1 << 32))
        if roll < 0.8:
            return packet(VERSION)
        if roll < 0.9:
            return packet(self.rng.choice((0x20, 0x21, 0x22)), b"")[:24] if roll < 0.82 else packet(
                self.rng.choice((0x21, 0x22)), b"PLAIN", b"", b"\0a\0b")
        return packet(STAT, self.rng.choice((b"nix", b"conns", b"reset", b"detail on", b"detail off")))

    def batch(self, count):
        self.fetched.clear()
        requests = [self.request() for _ in range(count)]
        return [data for data in requests if not data.startswith((b"\x80\x21\0\0", b"\x80\x22\0\0"))]

    def alone(self):
        """A value that is too large, between others."""
        size = 1048576 + self.rng.randrange(0, 300)
        opcode = self.rng.choice(STORES + JOINS)
        large = packet(opcode, self.keys[0], bytes(EXTRAS[opcode]), b"x" * size, 0)
        return [*self.batch(5), large, *self.batch(5)]

    def last(self):
        """What ends the connection."""
        opcode = self.rng.choice(list(EXTRAS))
        extras = bytes(EXTRAS[opcode])
        key = self.rng.choice(self.keys)
        others = [size for size in (0, 4, 8, 12, 20) if size != EXTRAS[opcode]]
        return self.rng.choice((
            packet(QUIT), packet(QUITQ),
            packet(opcode, b"", extras),
            packet(opcode, key, bytes(self.rng.choice(others))),
            packet(opcode, b"k" * self.rng.choice((251, 300)), extras),
            packet(opcode, key, extras, body_size=len(key) + len(extras) - 1),
            packet(self.rng.choice((*GETS, *DELETES, *COUNTS)), key, b"", b"value"),
            packet(NOOP, b"", b"", b"v"), packet(VERSION, key), packet(FLUSH, key), packet(QUIT, key),
            packet(NOOP, magic=self.rng.choice((0x81, 0x00, 0x67))),
        ))


def split(data):
    """An answer stream as a list of (header's fields, body). What is no packet comes last, as bytes."""
    answers = []
    while data:
        fields = HEADER.unpack(data[:SIZE]) if len(data) >= SIZE else None
        if not fields or len(data) < SIZE + fields[6]:
            return [*answers, (None, data)]
        answers.append((fields, data[SIZE:SIZE + fields[6]]))
        data = data[SIZE + fields[6]:]
    return answers


class Neutral:
    """Compare-and-store numbers, by the order in which they are first seen; which key has which."""

    def __init__(self):
        self.order = {}
        self.latest = {}

    def fill(self, match):
        return self.latest.get(int(match[1]), 0x7F000001).to_bytes(8, "big")

    def answer(self, answer):
        fields, body = answer
        if fields is None:
            return answer
        *same, opaque, cas = fields
        if cas:
            self.latest[opaque] = cas
            cas = self.order.setdefault(cas, len(self.order) + 1)
        if fields[1] == VERSION and fields[5] == 0:
            same[6], body = 0, b""
        return (*same, opaque, cas), body


class Binary:
    """differential.py's way to speak."""

    commands = Packets
    neutral = Neutral
    flush = packet(FLUSH)
    filling = packet(NOOP)
    split = staticmethod(split)

    @staticmethod
    def question(number):
        return packet(NOOP, opaque=number), packet(NOOP, opaque=number, magic=0x81)[:6] + bytes(
            2) + packet(NOOP, opaque=number)[8:]

    @staticmethod
    def is_alike(neutrals, replies):
        left, right = (neutral.answer(reply) for neutral, reply in zip(neutrals, replies))
        return left == right

    @staticmethod
    def show(reply):
        fields, body = reply
        if fields is None:
            return f"no packet: {body[:60].hex(' ')}"
        return (f"opcode {fields[1]:02x} status {fields[5]:04x} opaque {fields[7]:x} cas {fields[8]:x} "
                f"key {fields[2]} extras {fields[3]} body {fields[6]} {body[:60]!r}")
