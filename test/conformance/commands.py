# SPDX-License-Identifier: BSD-3-Clause
"""Random commands for the differential test: mostly valid, some broken, all from one generator.

A command is the bytes to send. Where it needs a compare-and-store number, which every server gives
out as it likes, it says <<cas KEY>>: the last one this server has shown for KEY.

What must not be generated is what memcached itself answers differently from run to run:
times to live of a few seconds, evictions, lines over 2048 bytes that do not begin with get (they
close the connection, or not, depending on how they arrive), and inside a pipeline: a get with a key that is
too long (it throws away the answers before it that are not sent yet; see `alone`), and arithmetic
on a key after a get of it (a shorter number keeps its length and is filled with blanks, unless an
answer that is not sent yet still holds the item; see `fetched`).
"""

import base64
import re

FOREVER = 100000  # seconds: no test lasts so long
SHORT_TIME = re.compile(rb"\s*\+?0*[1-9]\d{0,2}(\s|$)")  # one that might pass while the test runs
# Where a line has its time, by its first word.
TIME_AT = {b"set": 3, b"add": 3, b"replace": 3, b"append": 3, b"prepend": 3, b"cas": 3, b"touch": 2,
           b"gat": 1, b"gats": 1, b"flush_all": 1}

WORD = (b"x", b"-1", b"0", b"1", b"+1", b"007", b"1x", b"1.5", b"0x10", b"", b"-0", b"2147483647",
        b"99999999999999999999", b"18446744073709551616", b"noreply",
        b"\x01\x7f", b"\xff\xfe", b"\t", b"a\rb", b"O1", b"q", b"v", b"T0", b"!")
EXPTIME = (b"0",) * 12 + (b"%d" % FOREVER, b"%d" % (FOREVER + 500), b"-1", b"2592001", b"2147483647",
                          b"-2147483648", b"2592000")
FLAGS = (b"0",) * 6 + (b"1", b"255", b"65536", b"4294967295", b"00012")
DELTA = (b"1",) * 6 + (b"0", b"2", b"10", b"99", b"18446744073709551615", b"9223372036854775808")
LENGTHS = (b"-1", b"x", b"", b"2147483646", b"2147483647", b"2147483648", b"1e3", b"5 5")


class Commands:
    """Commands about a few keys, all named after `name`, from one random.Random."""

    def __init__(self, rng, name):
        self.rng = rng
        self.plain = [name + b"%d" % number for number in range(8)]
        self.plain.append(name + b"." * (250 - len(name)))
        self.plain.append(name + b"\x01\xfe\r")
        # Not among the plain ones: memcached remembers in which form a key was stored.
        self.nobody = name + b"nobody"
        self.fetched = set()  # in this batch
        self.encoded = [base64.b64encode(name + b"bin \n%d" % number) for number in range(3)]

    # ---- parts ----

    def chance(self, of_thousand):
        return self.rng.random() * 1000 < of_thousand

    def key(self):
        return self.rng.choice(self.plain)

    def key_to_fetch(self):
        key = self.key()
        self.fetched.add(key)
        return key

    def key_to_count(self):
        """A key that this batch has not fetched before, or one that nobody uses."""
        keys = [key for key in self.plain if key not in self.fetched]
        return self.rng.choice(keys) if keys else self.nobody

    def number(self):
        return b"%d" % self.rng.choice((0, 1, 5, 9, 10, 99, 100, 999, 12345, 18446744073709551615,
                                        18446744073709551614, self.rng.randrange(1 << 64)))

    def size(self):
        roll = self.rng.random()
        if roll < 0.9:
            return self.rng.choice((0, 1, 2, 3, 10, self.rng.randrange(64), 100, 500))
        if roll < 0.975:
            return self.rng.randrange(500, 9000)
        if roll < 0.999:
            return 16384 + self.rng.randrange(-200, 200)
        return self.rng.choice((1046528 - 250, 1049600, 400000, 524288, 600000))

    def value(self, size):
        if self.chance(350):
            return self.number()
        # Short lines: if the command line is refused, these are commands.
        # None begins with a blank: of a value of blanks, incr reads what is behind it in memory.
        line = bytes(self.rng.choices(b"abcdefghijklmnopqrstuvwxyz.-", k=min(size, 90)))
        line = line[:1] + line[1:].replace(b"-", b" ")
        if size <= 90:
            return line
        return ((line + b"\r\n") * (size // 92 + 1))[:size - 2] + b"zz"

    def cas(self, key):
        if self.chance(600):
            return b"<<cas %s>>" % key
        return self.rng.choice((b"0", b"1", b"18446744073709551615", b"999999999999",
                                b"<<cas %s>>" % self.key()))

    def block(self, data):
        """A data block; now and then not as long as was announced."""
        if self.chance(25):
            return self.rng.choice((data + b"x\r\n", data[:-1] + b"\r\n", data + b"\n", data + b"\r",
                                    data[:-3] + b"\r\n", data + b"\r\nextra\r\n", data + b"xyz\r\n"))
        return data + b"\r\n"

    # ---- the text protocol ----

    def store(self):
        command = self.rng.choice((b"set",) * 6 + (b"add", b"replace", b"append", b"prepend", b"cas"))
        key = self.key()
        data = self.value(self.size())
        length = b"%d" % len(data) if not self.chance(8) else self.rng.choice(LENGTHS)
        words = [command, key, self.rng.choice(FLAGS), self.rng.choice(EXPTIME), length]
        if command == b"cas":
            words.append(self.cas(key))
        return self.line(words, noreply=150) + self.block(data)

    def get(self):
        command = self.rng.choice((b"get",) * 5 + (b"gets",) * 3 + (b"gat", b"gats", b"bget"))
        words = [command]
        if command in (b"gat", b"gats"):
            words.append(self.rng.choice(EXPTIME))
        keys = 1 if self.chance(600) else self.rng.randrange(2, 40 if command[:3] == b"get" else 8)
        return self.line(words + [self.key_to_fetch() for _ in range(keys)])

    def arithmetic(self):
        return self.line([self.rng.choice((b"incr", b"decr")), self.key_to_count(),
                          self.rng.choice(DELTA)], noreply=150)

    def delete(self):
        words = [b"delete", self.key()]
        return self.line(words + ([b"0"] if self.chance(100) else []), noreply=150)

    def touch(self):
        return self.line([b"touch", self.key(), self.rng.choice(EXPTIME)], noreply=150)

    def admin(self):
        words = self.rng.choice((
            [b"version"], [b"verbosity", b"0"], [b"verbosity", b"x"], [b"verbosity"],
            [b"stats", b"bogus"], [b"stats", b"reset"], [b"stats", b"detail"], [b"cache_memlimit", b"5"],
            [b"cache_memlimit", b"x"], [b"slabs"], [b"lru"], [b"lru", b"bogus"], [b"lru_crawler"],
            [b"lru_crawler", b"bogus"], [b"shutdown"], [b"debugtime", b"1"],
            [b"extstore", b"bogus"], [b"misbehave"], [b"bogus"], [b"m"], [b"mx", b"k"], [b""],
            [b"flush_all"], [b"flush_all", b"0"],  # one for later takes an earlier one back: differences.md
            [b"flush_all", b"-1"], [b"flush_all", b"x"]))
        return self.line(words, noreply=150 if words[0] in (b"flush_all", b"verbosity") else 0,
                         spoil=words[0] == b"flush_all")

    # ---- the meta protocol ----

    def meta_words(self, command, key, choices):
        """Key and flags: a random choice of `choices`, in any order."""
        if self.chance(150):
            key = self.rng.choice(self.encoded)
            if command == b"ma" and key in self.fetched:
                return self.nobody, []
            if command == b"mg":
                self.fetched.add(key)
            flags = self.rng.sample(choices, self.rng.randrange(len(choices) // 2 + 1)) + [b"b"]
            # On a hit memcached answers the key in the form in which it was stored.
            flags = [flag for flag in flags if command != b"mg" or flag != b"k"]
            if command == b"mg":
                flags = [flag for flag in flags if flag != b"c"]
        else:
            flags = self.rng.sample(choices, self.rng.randrange(len(choices) // 2 + 1))
        self.rng.shuffle(flags)
        if b"I" in flags and b"C" in flags:
            # Which of two numbers is older is comparable within the life of one item only.
            flags[flags.index(b"C")] = self.rng.choice((b"C1", b"C18446744073709551615"))
        if b"c" in flags and b"k" not in flags:
            flags.append(b"k")  # who reads the answer wants to know whose number it is
        return key, [self.argument(flag, key) for flag in flags]

    def argument(self, flag, key):
        pick = self.rng.choice
        arguments = {
            b"O": lambda: pick((b"1", b"abc", b"o" * 31, b"")),
            b"T": lambda: pick(EXPTIME),
            b"N": lambda: pick(EXPTIME),
            b"R": lambda: pick((b"30", b"%d" % (FOREVER + 1000), b"0", b"-1")),
            b"C": lambda: self.cas(key),
            b"E": lambda: b"%d" % (10**15 + self.rng.randrange(10**6)),
            b"F": lambda: pick(FLAGS),
            b"D": lambda: pick(DELTA),
            b"J": lambda: pick(DELTA),
            b"P": lambda: b"x",
            b"L": lambda: b"x",
        }
        return flag + arguments[flag]() if flag in arguments else flag

    def meta_get(self):
        key, flags = self.meta_words(b"mg", self.key_to_fetch(), (
            b"v", b"v", b"k", b"s", b"t", b"f", b"c", b"h", b"l", b"q", b"u", b"O", b"T", b"N", b"R",
            b"E", b"P", b"L"))
        return self.line([b"mg", key, *flags])

    def meta_set(self):
        key, flags = self.meta_words(b"ms", self.key(), (
            b"k", b"s", b"c", b"q", b"O", b"T", b"F", b"C", b"E", b"N", b"I", b"P"))
        if self.chance(500):
            flags.append(b"M" + self.rng.choice((b"S", b"E", b"A", b"P", b"R", b"X", b"")))
        data = self.value(self.size())
        length = b"%d" % len(data) if not self.chance(8) else self.rng.choice(LENGTHS)
        return self.line([b"ms", key, length, *flags]) + self.block(data)

    def meta_delete(self):
        key, flags = self.meta_words(b"md", self.key(), (
            b"k", b"q", b"O", b"T", b"F", b"C", b"E", b"I", b"I", b"x", b"L"))
        return self.line([b"md", key, *dict.fromkeys(flags)])

    def meta_arithmetic(self):
        key, flags = self.meta_words(b"ma", self.key_to_count(), (
            b"k", b"v", b"v", b"t", b"c", b"q", b"O", b"N", b"C", b"D", b"J"))
        if self.chance(300):
            flags.append(b"M" + self.rng.choice((b"I", b"+", b"D", b"-", b"X")))
        return self.line([b"ma", key, *flags])

    def meta_other(self):
        return self.line([b"mn"] if self.chance(500) else [b"me", self.key()])

    # ---- lines ----

    def line(self, words, noreply=0, spoil=True):
        if noreply and self.chance(noreply):
            words = [*words, b"noreply"]
        if spoil and self.chance(30) and sum(map(len, words)) < 1800:
            words = self.without_short_times(self.spoil(list(words)))
        if words[0] == b"flush_all" and words[1:2] and words[1].lstrip(b"+0") == b"1":
            words = words[:1]  # due this very second, which servers read differently: differences.md
        if words[0] == b"ma":  # T and E are lost when the number gets longer: differences.md
            words = words[:2] + [word for word in words[2:] if word[:1] not in (b"T", b"E")]
        if words[0] in (b"mg", b"ma"):  # they do their work before they look at it: differences.md
            words = words[:2] + [word for word in words[2:] if word[:1] != b"O" or len(word) <= 32]
        blank = b" " if not self.chance(20) else self.rng.choice((b"  ", b"    "))
        line = blank.join(words)
        if self.chance(10):
            line = self.rng.choice((b" " + line, line + b" ", line + b"   "))
        return line + (b"\r\n" if not self.chance(15) else b"\n")

    def spoil(self, words):
        """Break a line: a word less, more, twice, or another."""
        if b"4294967295" in words:
            return words  # moved to where a time is expected, it is one that memcached cuts
        at = self.rng.randrange(len(words))
        roll = self.rng.randrange(6)
        if roll == 0:
            del words[at]
        elif roll == 1:
            words.insert(at, self.rng.choice(WORD))
        elif roll == 2:
            words.insert(at, words[at])
        elif roll == 3:
            words[at] = words[at][:self.rng.randrange(len(words[at]) + 1)]
        elif roll == 4:
            words[at] = self.rng.choice(WORD)
        elif len(words[at]) < 200:
            words[at] += self.rng.choice((b"x", b"\x01", b"\xff", b"\r"))
        return words or [b"x"]

    def without_short_times(self, words):
        """What a spoiled line says about time must not come true while the test runs."""
        places = [place for place, word in enumerate(words) if word]  # an empty one is a blank more
        if not places:
            return words
        command = words[places[0]]
        times = places[TIME_AT[command]:][:1] if command in TIME_AT else []
        for place in times:
            if SHORT_TIME.match(words[place]):
                words[place] = b"0"
        if command in (b"mg", b"ms", b"ma", b"md"):
            for place in places[2:]:
                if words[place][:1] in (b"T", b"N") and SHORT_TIME.match(words[place][1:]):
                    words[place] = words[place][:1] + b"0"
        return words

    def batch(self, count):
        """`count` commands to send in one go."""
        kinds = ((self.store, 26), (self.get, 18), (self.arithmetic, 8), (self.delete, 4),
                 (self.touch, 4), (self.admin, 3), (self.meta_get, 16), (self.meta_set, 13),
                 (self.meta_delete, 4), (self.meta_arithmetic, 6), (self.meta_other, 2))
        self.fetched.clear()
        makers = self.rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds],
                                  k=count)
        return [make() for make in makers]

    def alone(self):
        """A command for a batch of its own: a key that is too long, or watch."""
        long = self.rng.choice(self.plain)[:6] + b"k" * 245
        words = self.rng.choice((
            [b"get", long], [b"get", long, self.key()], [b"gets", long, self.key()],
            [b"gat", b"0", long, self.key()], [b"delete", long], [b"incr", long, b"1"],
            [b"touch", long, b"0"], [b"mg", long, b"v"], [b"md", long, b"q"], [b"ma", long],
            [b"me", long], [b"md", self.key(), b"O" + b"o" * 32], [b"watch", b"bogus"], [b"ms", long, b"5"], [b"set", long, b"0", b"0", b"5"],
            [b"set", long, b"0", b"0", b"5", b"noreply"], [b"append", long, b"0", b"0", b"1"]))
        return [b" ".join(words) + b"\r\n"]

    def last(self):
        """A command after which the connection is closed."""
        return self.rng.choice((b"quit\r\n", b"mn\r\nget nobody\r\nquit now\r\n", b"GET / HTTP/1.1\r\n", b"x" * 3000,
                                b"HEAD /%s HTTP/1.0\r\n" % self.key(), b"mg " + b"k" * 2500))
