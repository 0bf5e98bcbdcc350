# SPDX-License-Identifier: BSD-3-Clause
"""Memory that the system does not give: an answer, an eviction, a closed connection; no end."""

import random
import resource
import time

import pytest

from helpers import get, memory_kib, storage
from lib.server import Server, ServerError, larderd_path

OUT_OF_MEMORY = b"SERVER_ERROR out of memory"


def limit_address_space(server, extra_kib):
    """From now on the server may map only so much more; None lifts it."""
    size = resource.RLIM_INFINITY
    if extra_kib is not None:
        size = (memory_kib(server.pid, "VmSize") + extra_kib) * 1024
    resource.prlimit(server.pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


@pytest.mark.larderd
@pytest.mark.measured
@pytest.mark.parametrize("extra_kib", [0, 1000])
def test_server_lives_on_when_the_system_gives_no_more_memory(loop, extra_kib):
    source = random.Random(extra_kib)
    with Server([*loop, "-m", "256", "-t", "2"]) as server, server.connect() as client:
        client.send(storage("before", b"b" * 1000))
        assert client.read_line() == b"STORED"
        limit_address_space(server, extra_kib)
        answers = set()
        worst = 0.0
        for n in range(40):  # each that is refused has waited for a second
            size = source.choice([10, 1000, 50_000, 900_000])
            started = time.monotonic()
            client.send(storage(f"k{n}", b"x" * size))
            answer = client.read_line()
            worst = max(worst, time.monotonic() - started)
            if answer is None:  # no buffer for it: the connection is what it may cost
                client.close()
                assert server.is_running(), server.stderr()
                client = server.connect()
                continue
            answers.add(answer)
            if n % 10 == 0:
                with server.connect() as other:
                    other.send(b"get before\r\n" * 10)
                    other.read_available(0.05)
            assert server.is_running(), server.stderr()
        unknown = {answer for answer in answers
                   if answer != b"STORED" and not answer.startswith(OUT_OF_MEMORY)}
        print(f"{sorted(answers)}, worst answer after {worst * 1000:.0f} ms")
        assert not unknown
        assert worst < 15, "it tried for long what could not succeed"
        limit_address_space(server, None)
        with server.connect() as late:
            late.send(storage("after", b"a" * 900_000))
            assert late.read_line() == b"STORED"
            assert get(late, "after") == {"after": b"a" * 900_000}


def has_failure_points():
    """Compiled with -Dfaults=true? The names are then in the program."""
    with open(larderd_path(), "rb") as program:
        return b"LARDER_FAULTS" in program.read()


@pytest.mark.larderd
@pytest.mark.parametrize("point", ["block-take"])
def test_every_single_failure_of_an_allocation_is_survived(loop, point):
    """The n-th pass fails, once: at start with a message, later with one connection at most."""
    if not has_failure_points():
        pytest.skip("needs a build with -Dfaults=true (dev/build faults)")
    answer = b"STORED\r\n" + (b"VALUE k 0 100000\r\n" + b"x" * 100_000 + b"\r\nEND\r\n") * 5 + b"MN\r\n"
    effects = 0
    for n in range(1, 25):
        server = Server([*loop, "-t", "1"], environment={"LARDER_FAULTS": f"{point}:{n}"})
        try:
            server.start()
        except ServerError as error:
            assert "exited with" in str(error) and "exited with -" not in str(error), str(error)
            assert len(str(error).splitlines()) > 1, f"pass {n}: it ended without a word"
            effects += 1
            continue
        try:
            for _ in range(6):
                with server.connect() as client:
                    client.send(storage("k", b"x" * 100_000) + b"get k\r\n" * 5 + b"mn\r\n")
                    effects += client.read_until(b"MN\r\n") != answer
                assert server.is_running(), f"pass {n}: {server.stderr()}"
            with server.connect() as client:
                client.send(storage("k", b"x" * 100_000))
                assert client.read_line() == b"STORED", f"pass {n}"
                assert get(client, "k") == {"k": b"x" * 100_000}, f"pass {n}"
            server.stop()
        finally:
            server.kill()
    assert effects > 0, "the point never failed anything: is it still passed?"
