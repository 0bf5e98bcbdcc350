# SPDX-License-Identifier: BSD-3-Clause
"""memcached's own tests, run against larderd.

    upstream.py [NAME.t ...]           with the server under test; all that upstream.txt lists
    upstream.py --peer [NAME.t ...]    with memcached-debug: what this machine makes of them

The tests are the peer's (t/*.t in its source tree, see dev/build-peer). They start
./memcached-debug from the current directory, so each runs in a scratch folder where that is a
wrapper around the server under test. upstream.txt says which are run and which of their
assertions are known to fail, and why.

They sleep where they should wait, and choose ports that others may take meanwhile: on a busy machine
one fails now and then, whatever the server. So what fails unexpectedly is run again.
"""

import argparse
import atexit
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.server import larderd_path, peer_path  # noqa: E402

LIST = Path(__file__).resolve().parent / "upstream.txt"
TIMEOUT_S = 120
ATTEMPTS = 3
UNFINISHED_S = 10  # for one that is known to wait for what never comes


def expectations():
    """upstream.txt as {file name: (failing assertions as written, reason)}."""
    lines = (line.split(None, 2) for line in LIST.read_text().splitlines()
             if line and not line.startswith("#"))
    return {words[0]: (words[1], words[2] if len(words) > 2 else "") for words in lines}


@functools.cache
def timedrun():
    """The program through which the tests start a server, in a folder that goes with this process."""
    folder = tempfile.mkdtemp(prefix="larder-upstream-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run([os.environ.get("CC", "cc"), "-o", f"{folder}/timedrun",
                    Path(peer_path()).parent / "timedrun.c"], check=True)
    return f"{folder}/timedrun"


def scratch(folder, program):
    """What the tests expect to find in the current directory."""
    source = Path(peer_path()).parent
    wrapper = Path(folder) / "memcached-debug"
    wrapper.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
    wrapper.chmod(0o755)
    (Path(folder) / "timedrun").symlink_to(timedrun())
    (Path(folder) / "t").symlink_to(source / "t")


def run(name, program, timeout_s=TIMEOUT_S):
    """Run one test. Returns (failing assertions as in upstream.txt, output)."""
    # The SASL tests are asked for, and look for saslpasswd2.
    environment = {**os.environ, **({"SSL_TEST": "1"} if name.startswith("ssl_") else {}),
                   "RUN_SASL_TESTS": "1", "PATH": os.environ.get("PATH", "") + ":/usr/sbin"}
    with tempfile.TemporaryDirectory(prefix="larder-upstream-") as folder:
        scratch(folder, program)
        process = subprocess.Popen(["perl", "-It/lib", f"t/{name}"], cwd=folder, text=True,
                                   errors="replace", stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   start_new_session=True, env=environment)
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the test and the servers that it started
            output, _ = process.communicate()
            return "unfinished", output
    failed = re.findall(r"^not ok (\d+)(?!.*# TODO)", output, re.MULTILINE)
    if failed:
        return ",".join(failed), output
    if re.search(r"^1\.\.0 # SKIP", output, re.MULTILINE):
        return "skipped", output
    return "none" if process.returncode == 0 else "unfinished", output


def run_as_expected(name, program, expected):
    """run(), again and again until it fails exactly where it is expected to, or ATTEMPTS times."""
    limit_s = UNFINISHED_S if expected == "unfinished" else TIMEOUT_S
    for _ in range(ATTEMPTS):
        failed, output = run(name, program, limit_s)
        if failed == expected:
            break
    return failed, output


def main():
    parser = argparse.ArgumentParser(description="Run memcached's own tests.")
    parser.add_argument("--peer", action="store_true", help="with memcached-debug")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what the tests print")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    expected = expectations()
    program = peer_path() + "-debug" if options.peer else larderd_path()
    surprises = 0
    for name in options.names or expected:
        wanted = "none" if options.peer else expected.get(name, ("none", ""))[0]
        failed, output = run_as_expected(name, program, wanted)
        surprises += failed != wanted
        print(f"{'ok      ' if failed == wanted else 'SURPRISE'} {name:24} fails: {failed}",
              flush=True)
        if options.verbose or failed != wanted:
            print("".join(f"    {line}\n" for line in output.splitlines()
                          if options.verbose or not line.startswith("ok"))[:3000], flush=True)
    return surprises != 0


if __name__ == "__main__":
    sys.exit(main())
