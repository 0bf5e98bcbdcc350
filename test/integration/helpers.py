# SPDX-License-Identifier: BSD-3-Clause
"""What the integration tests share beside the server process itself (lib.server)."""

import ctypes
import fcntl
import functools
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from lib.server import TIMEOUT_S, larderd_path

HERE = Path(__file__).resolve().parent
IO_URING_SETUP = 425  # the same number on every architecture Linux has


def need(available, what, how):
    """Without it there is nothing to test: a failure where the suite is a gate, else a skip."""
    if available:
        return
    message = f"{what} is missing: {how}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def need_tool(name, package):
    """The path of a program from a Debian package."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    need(path, name, f"apt-get install {package}")
    return path


def need_node_module(name):
    """The path of node, with the module in the version of package-lock.json: all are installed on first
    use into the ignored node_modules, by one test at a time."""
    node, npm = shutil.which("node"), shutil.which("npm")
    need(node and npm, "node", "apt-get install nodejs npm")
    modules = json.loads((HERE / "package.json").read_text())["dependencies"]
    installed = HERE / "node_modules" / name / "package.json"
    with open(HERE / "package-lock.json", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((HERE / "node_modules" / module).exists() for module in modules):
            subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=240)
    need(installed.exists(), f"npm's {name}", f"npm ci (in {HERE})")
    return node


def wait_until(condition, timeout_s=TIMEOUT_S, every_s=0.02):
    """Poll until `condition()` is true; what it returned last."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()) and time.monotonic() < deadline:
        time.sleep(every_s)
    return result


@functools.cache
def is_larderd():
    """False when LARDERD names a memcached: what only larderd has is then skipped."""
    version = subprocess.run([larderd_path(), "-V"], stdout=subprocess.PIPE, text=True).stdout
    return not version.startswith("memcached")


@functools.cache
def help_text():
    return subprocess.run([larderd_path(), "-h"], stdout=subprocess.PIPE, text=True).stdout


def need_option(letter):
    """Skips where the server under test is a memcached that was built without it."""
    if not re.search(rf"^-{letter}, ", help_text(), re.M):
        pytest.skip(f"the server has no -{letter}")


@functools.cache
def is_sanitized():
    """Is the program built with a sanitizer, which takes memory and time of its own?"""
    program = Path(larderd_path()).read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


@functools.cache
def has_io_uring():
    """Does the kernel let this process have a ring?"""
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = ctypes.create_string_buffer(120)
    ring = libc.syscall(IO_URING_SETUP, 1, parameters)
    if ring >= 0:
        os.close(ring)
    return ring >= 0


def loop_arguments(loop):
    """The command line words for an event loop; skips where it cannot be had."""
    if loop == "auto":
        return []
    if not is_larderd():
        pytest.skip("the loops are larderd's")
    if loop == "uring" and not has_io_uring():
        pytest.skip("io_uring is not allowed here")
    return ["--loop", loop]


def memory_kib(pid, name):
    """VmRSS, VmHWM ... of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1])


def private_kib(pid):
    """What the process has for itself alone: its memory without the pages of shared libraries."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M))


def cpu_s(pid):
    """CPU time the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def allow_descriptors(count):
    """Raise this process's limit; skips where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"{count} descriptors are needed, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def storage(key, value, flags=0, exptime=0, verb="set"):
    """The bytes of one storage command."""
    return f"{verb} {key} {flags} {exptime} {len(value)}\r\n".encode() + value + b"\r\n"


def read_values(client):
    """The answer of a get as {key: (flags, value)}."""
    found = {}
    while (line := client.read_line()) != b"END":
        assert line and line.startswith(b"VALUE "), f"not an answer to get: {line!r}"
        _, key, flags, size = line.split()[:4]
        value = client.read_exactly(int(size) + 2)
        assert value[-2:] == b"\r\n", f"the value of {key!r} does not end where it says"
        found[key.decode("latin-1")] = (int(flags), value[:-2])
    return found


def get(client, *keys):
    """Values by key of those that are there."""
    client.send(f"get {' '.join(keys)}\r\n".encode())
    return {key: value for key, (_, value) in read_values(client).items()}


@functools.cache
def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
