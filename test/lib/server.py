# SPDX-License-Identifier: BSD-3-Clause
"""A server under test, and a raw connection to it.

    from lib.server import Server               # after sys.path has test/ (see any conftest.py)

    with Server(["-m", "64"]) as server:        # larderd, on a free loopback port
        with server.connect() as client:
            client.send(b"set k 0 0 1\r\nx\r\n")
            assert client.read_line() == b"STORED"

Leaving the block stops the server with SIGTERM and raises ServerError unless it exited with 0 and
its stderr holds no sanitizer report. Everything listens on 127.0.0.1, on a port that no other test has
(free_port), or on a UNIX socket in a directory of its own, so tests may run side by side.

Environment:
    LARDERD  the program under test (default: build/bin/larderd of this tree)
    PEER     the memcached to compare with (default: what dev/build-peer prints)
"""

import collections
import functools
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
# Of every wait here unless the caller says otherwise. Only what fails waits so long: a machine that is
# busy with other things may take many seconds over what takes milliseconds elsewhere.
TIMEOUT_S = 60.0
# Below the ports that the kernel gives to outgoing connections, and those of memcached's own tests.
PORTS = range(12000, 30000)
PORTS_KEPT = 200  # by a process: far more than one test asks for

SANITIZER_REPORT = re.compile(
    rb"(Address|Leak|Memory|Thread|UndefinedBehavior)Sanitizer|: runtime error: ")


class ServerError(AssertionError):
    """The server did not start, did not stop, or complained. The text says what it wrote."""


def larderd_path():
    """The program under test. Never skips: without one the suite has to fail."""
    path = Path(os.environ.get("LARDERD") or TREE / "build/bin/larderd")
    if not os.access(path, os.X_OK):
        raise ServerError(f"no server to test at {path}: run `make`, or set LARDERD=path")
    return str(path.resolve())


def peer_path():
    """The reference memcached, built on first use."""
    path = os.environ.get("PEER")
    if not path:
        path = subprocess.run([TREE / "dev/build-peer"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.strip()
    if not os.access(path, os.X_OK):
        raise ServerError(f"no peer memcached at {path}: run dev/build-peer, or set PEER=path")
    return path


@functools.cache
def is_thread_sanitized(program):
    return b"__tsan_init" in Path(program).read_bytes()


kept_ports = collections.deque()


def free_port():
    """A TCP port nobody listens on, and that no other test process is given meanwhile.

    Who has a port holds the abstract UNIX socket of its name, so two test processes never have the
    same. Without that a test could find the server of another one at its port, and talk to it.
    """
    for port in random.SystemRandom().sample(PORTS, 1000):
        ours = socket.socket(socket.AF_UNIX)
        try:
            ours.bind(f"\0larder-test-port-{port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
                probe.bind(("", port))
        except OSError:
            ours.close()
            continue
        kept_ports.append(ours)
        if len(kept_ports) > PORTS_KEPT:
            kept_ports.popleft().close()
        return port
    raise ServerError("no port is free")


class Client:
    """A connection and the bytes received but not yet read. Every wait has a deadline."""

    def __init__(self, sock, timeout_s=TIMEOUT_S):
        self.socket = sock
        self.timeout_s = timeout_s
        self.pending = b""
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        """Send all of it. A server that closes meanwhile is no error here: the reader sees it."""
        self.socket.settimeout(self.timeout_s)
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _receive(self, deadline):
        """One receive into `pending`; False when the connection is closed."""
        self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            return False
        except (TimeoutError, socket.timeout):
            raise TimeoutError(f"no answer; unread so far: {self.pending[:200]!r}") from None
        self.pending += data
        return bool(data)

    def read_exactly(self, size):
        """`size` bytes, or fewer when the connection closed before."""
        deadline = time.monotonic() + self.timeout_s
        while len(self.pending) < size and self._receive(deadline):
            pass
        data, self.pending = self.pending[:size], self.pending[size:]
        return data

    def read_line(self):
        """A line without its CR LF (or LF); None when the connection is closed."""
        return self.read_until(b"\n", strip=True)

    def read_until(self, end, strip=False):
        """Everything up to and including `end`; None when the connection closed before it came."""
        deadline = time.monotonic() + self.timeout_s
        start = 0
        while (found := self.pending.find(end, start)) < 0:
            start = max(len(self.pending) - len(end) + 1, 0)
            if not self._receive(deadline):
                return None
        size = found + len(end)
        data, self.pending = self.pending[:size], self.pending[size:]
        return data.rstrip(b"\r\n") if strip else data

    def read_available(self, quiet_s=0.2):
        """What arrives until nothing has come for `quiet_s`."""
        try:
            while self._receive(time.monotonic() + quiet_s):
                pass
        except TimeoutError:
            pass
        data, self.pending = self.pending, b""
        return data

    def is_closed(self, timeout_s=None):
        """Does the server close within the time, with nothing more to read?"""
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        try:
            return not self.pending and not self._receive(deadline)
        except TimeoutError:
            return False

    def ask(self, request):
        """Send a line (CR LF is added) and read one line back."""
        self.send(request + b"\r\n")
        return self.read_line()

    def stats(self, *arguments):
        """`stats [...]` as a dict of text."""
        self.send(b" ".join([b"stats", *arguments]) + b"\r\n")
        answer = self.read_until(b"END\r\n")
        lines = (line.split(" ", 2) for line in answer.decode("latin-1").split("\r\n"))
        return {line[1]: line[2] if len(line) > 2 else "" for line in lines if line[0] == "STAT"}


class Server:
    """A server process.

    arguments  further command line words
    program    path; default the program under test
    unix       True: a UNIX socket (its path is `self.path`) in place of a TCP port (`self.port`)
    listen     False: the arguments say where to listen; wait for nothing (see wait_ready)
    environment  variables to add
    """

    def __init__(self, arguments=(), program=None, unix=False, listen=True, environment=None):
        self.program = program or larderd_path()
        self.arguments = [str(argument) for argument in arguments]
        self.unix = unix
        self.listen = listen
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.port = None
        self.path = None
        self.directory = None

    def __enter__(self):
        return self.start()

    def __exit__(self, error, *_):
        if error:
            self.kill()
        else:
            self.stop()

    # ---- starting ----

    def start(self):
        self.directory = tempfile.TemporaryDirectory(prefix="larder-test-")
        for attempt in range(3):
            self._spawn()
            if not self.listen:
                return self
            try:
                self.wait_ready()
                return self
            except ServerError as error:
                taken = "in use" in str(error) and not self.unix
                if not taken or attempt == 2:
                    self.kill()
                    raise
        raise AssertionError("unreachable")

    def command_line(self):
        words = [self.program]
        if self.listen and self.unix:
            self.path = os.path.join(self.directory.name, "socket")
            words += ["-s", self.path]
        elif self.listen:
            self.port = free_port()
            words += ["-l", "127.0.0.1", "-p", str(self.port), "-U", "0"]
        if os.geteuid() == 0 and "-u" not in self.arguments:
            words += ["-u", "root"]
        return words + self.arguments

    def _spawn(self):
        with open(self._stderr_path(), "wb") as stderr:
            self.process = subprocess.Popen(
                self.command_line(), stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                env=self.environment, cwd=self.directory.name)

    def wait_ready(self, timeout_s=TIMEOUT_S):
        """Until it accepts a connection."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.connect().close()
                connected = True
            except (ConnectionRefusedError, FileNotFoundError):
                connected = False
            if self.process.poll() is not None:
                raise ServerError(f"{self.program} exited with {self.process.returncode} instead "
                                  f"of listening:\n{self.stderr()}")
            if connected:
                return
            if time.monotonic() > deadline:
                raise ServerError(f"{self.program} does not listen:\n{self.stderr()}")
            time.sleep(0.01)

    # ---- while it runs ----

    def connect(self, timeout_s=TIMEOUT_S):
        """A new connection, as a Client."""
        sock = socket.socket(socket.AF_UNIX if self.unix else socket.AF_INET)
        sock.settimeout(timeout_s)
        try:
            sock.connect(self.path if self.unix else ("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        return Client(sock, timeout_s)

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def _stderr_path(self):
        return os.path.join(self.directory.name, "output")

    def stderr(self):
        """All it has written to stdout and stderr so far, as text."""
        try:
            return Path(self._stderr_path()).read_bytes().decode("utf-8", "replace")
        except (FileNotFoundError, AttributeError):
            return ""

    # ---- stopping ----

    def wait(self, timeout_s=TIMEOUT_S):
        """Wait for it to end by itself; the exit status (negative: a signal)."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ServerError(f"{self.program} still runs after {timeout_s} s") from None

    def stop(self, stop_signal=signal.SIGTERM, expect=0, timeout_s=TIMEOUT_S):
        """Stop it and check how it went. Returns what it wrote. May be called after its end."""
        if self.process is None:
            return ""
        try:
            if self.process.poll() is None:
                self.process.send_signal(stop_signal)
                self._repeat_if_lost(stop_signal)
            status = self.wait(timeout_s)
            text = self.stderr()
            if SANITIZER_REPORT.search(text.encode()):
                raise ServerError(f"{self.program} left a sanitizer report:\n{text}")
            if status != expect:
                raise ServerError(f"{self.program} ended with {status}, not {expect}:\n{text}")
            return text
        finally:
            self.kill()

    def _repeat_if_lost(self, stop_signal):
        """ThreadSanitizer lets a handler wait, and then forgets it now and then: once in 2,000 stops
        right after the start, on a busy machine. Never seen without it, and not forgiven there."""
        for _ in range(3 if is_thread_sanitized(self.program) else 0):
            try:
                self.process.wait(5)
                return
            except subprocess.TimeoutExpired:
                self.process.send_signal(stop_signal)

    def kill(self):
        """End it without questions (after a failure)."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None
        if self.directory is not None:
            self.directory.cleanup()
            self.directory = None
