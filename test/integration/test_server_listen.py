# SPDX-License-Identifier: BSD-3-Clause
"""Where larderd listens: addresses, IPv6, UNIX sockets, sockets from systemd, taken ports."""

import os
import re
import socket
import stat
import subprocess
import sys

import pytest

from helpers import has_ipv6, wait_until
from lib.server import TIMEOUT_S, Client, Server, free_port, larderd_path


def connect(host, port):
    return Client(socket.create_connection((host, port), timeout=TIMEOUT_S))


def can_connect(host, port):
    try:
        connect(host, port).close()
    except OSError:
        return False
    return True


def listen_on(*words):
    """A server that listens where the words say."""
    return Server(list(words), listen=False)


def check_serves(host, port, key=b"k"):
    with connect(host, port) as client:
        client.send(b"set %s 0 0 1\r\nx\r\nget %s\r\n" % (key, key))
        assert client.read_line() == b"STORED"
        assert client.read_until(b"END\r\n") == b"VALUE %s 0 1\r\nx\r\nEND\r\n" % key


@pytest.mark.parametrize("separator", [",", " -l "])
def test_several_addresses_reach_one_cache(loop, separator):
    port = free_port()
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    words = ["-l", *separator.join(hosts).split(" "), "-p", str(port)]
    with listen_on(*words, *loop) as server:
        assert wait_until(lambda: can_connect(hosts[-1], port)), server.stderr()
        for host in hosts:
            check_serves(host, port, host.encode())
        with connect(hosts[0], port) as client:
            assert client.ask(b"get 127.0.0.3") == b"VALUE 127.0.0.3 0 1"
        assert not can_connect("127.0.0.4", port)


def test_address_may_name_its_own_port():
    ports = [free_port(), free_port()]
    with listen_on("-l", f"127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}") as server:
        assert wait_until(lambda: can_connect("127.0.0.1", ports[1])), server.stderr()
        for port in ports:
            check_serves("127.0.0.1", port)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here")
@pytest.mark.parametrize("form", ["bare", "bracketed"])
def test_ipv6_loopback_is_served(loop, form):
    port = free_port()
    words = ["-l", "::1", "-p", str(port)] if form == "bare" else ["-l", f"[::1]:{port}"]
    with listen_on(*words, *loop) as server:
        assert wait_until(lambda: can_connect("::1", port)), server.stderr()
        check_serves("::1", port)
        with connect("::1", port) as client:
            lines = client.stats(b"conns")
            assert any(value.startswith("tcp6:[::1]:") for value in lines.values())


def test_default_is_every_interface():
    port = free_port()
    with listen_on("-p", str(port)) as server:
        assert wait_until(lambda: can_connect("127.0.0.5", port)), server.stderr()
        if has_ipv6():
            check_serves("::1", port)


def test_port_file_names_the_ports_the_kernel_chose(tmp_path):
    path = tmp_path / "ports"
    server = Server(["-l", "127.0.0.1", "-p", "-1"], listen=False,
                    environment={"MEMCACHED_PORT_FILENAME": str(path)})
    with server:
        assert wait_until(lambda: path.exists() and path.read_text().endswith("\n")), server.stderr()
        port = int(re.fullmatch(r"TCP INET: (\d+)\n", path.read_text())[1])
        check_serves("127.0.0.1", port)


# ---- UNIX sockets ----

def test_unix_socket_is_served_and_private_by_default(loop):
    with Server(loop, unix=True) as server:
        mode = os.stat(server.path)
        assert stat.S_ISSOCK(mode.st_mode)
        assert stat.S_IMODE(mode.st_mode) == 0o700
        with server.connect() as client:
            client.send(b"set k 0 0 100000\r\n" + b"x" * 100_000 + b"\r\nget k\r\n")
            assert client.read_line() == b"STORED"
            assert client.read_line() == b"VALUE k 0 100000"
            assert client.read_exactly(100_002) == b"x" * 100_000 + b"\r\n"


@pytest.mark.parametrize("mask", ["0770", "777", "0600"])
def test_unix_socket_has_the_mode_asked_for(mask):
    with Server(["-a", mask], unix=True) as server:
        assert stat.S_IMODE(os.stat(server.path).st_mode) == int(mask, 8)


def test_stale_unix_socket_is_replaced(tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)

    def connects():
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(path) == 0
    with listen_on("-s", path) as server:
        assert wait_until(connects), server.stderr()


@pytest.mark.larderd
def test_unix_socket_is_removed_at_the_end():
    with Server(unix=True) as server:
        path, directory = server.path, server.directory
        server.directory = None  # keep it beyond the end of the server
    try:
        assert not os.path.exists(path)
    finally:
        directory.cleanup()


def test_file_that_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    server = listen_on("-s", str(path)).start()
    try:
        assert server.wait() != 0
        assert path.read_text() == "data"
    finally:
        server.kill()


# ---- systemd ----

ACTIVATE = """
import os, sys
count = int(sys.argv[1])
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count))
os.execv(sys.argv[2], sys.argv[2:])
"""


def activated(sockets, *words):
    """The server as systemd starts it: listening descriptors from number 3 on."""
    def hand_over():
        high = [os.dup2(sock.fileno(), 100 + n) for n, sock in enumerate(sockets)]
        for n, descriptor in enumerate(high):
            os.dup2(descriptor, 3 + n)
    user = ["-u", "root"] if os.geteuid() == 0 else []
    return subprocess.Popen(
        [sys.executable, "-c", ACTIVATE, str(len(sockets)), larderd_path(), *user, *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=hand_over, pass_fds=range(3, 3 + len(sockets)))


def stop(process):
    process.terminate()
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, output


@pytest.mark.larderd
def test_socket_of_systemd_is_served(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # A client may come before the server is there: the socket holds it.
        waiting = connect("127.0.0.1", port)
        process = activated([listener], *loop)
        try:
            assert waiting.ask(b"version").startswith(b"VERSION")
            check_serves("127.0.0.1", port)
        finally:
            waiting.close()
            stop(process)
        # Ours is still open: the server's end did not take the port away from systemd.
        assert can_connect("127.0.0.1", port)


@pytest.mark.larderd
def test_several_sockets_of_systemd_are_served(tmp_path):
    path = str(tmp_path / "socket")
    with socket.create_server(("127.0.0.1", 0)) as tcp, \
            socket.create_server(path, family=socket.AF_UNIX) as local:
        process = activated([tcp, local])
        try:
            check_serves("127.0.0.1", tcp.getsockname()[1])
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(path)
                assert Client(sock).ask(b"get k") == b"VALUE k 0 1"
        finally:
            stop(process)
        assert os.path.exists(path), "the socket belongs to systemd"


@pytest.mark.larderd
def test_sockets_meant_for_another_process_are_ignored():
    with socket.create_server(("127.0.0.1", 0)):
        with Server(environment={"LISTEN_PID": "1", "LISTEN_FDS": "1"}) as server:
            check_serves("127.0.0.1", server.port)


# ---- taken ----

def test_second_server_on_a_port_says_it_is_in_use(server):
    second = listen_on("-l", "127.0.0.1", "-p", str(server.port)).start()
    try:
        assert second.wait() > 0
        assert re.search(r"in use", second.stderr()), second.stderr()
        check_serves("127.0.0.1", server.port)
    finally:
        second.kill()


@pytest.mark.larderd
def test_error_names_the_address_that_cannot_be_had(server):
    second = listen_on("-l", f"127.0.0.1:{server.port}").start()
    try:
        second.wait()
        assert "127.0.0.1" in second.stderr()
        assert str(server.port) in second.stderr()
    finally:
        second.kill()


def test_port_is_free_again_at_once_after_a_stop(loop):
    """A restart must not find its own port taken: by sockets, nor by a ring on its way out."""
    first = Server(loop).start()
    try:
        with first.connect() as client:
            assert client.ask(b"version")
            first.stop()
    finally:
        first.kill()
    with listen_on("-l", "127.0.0.1", "-p", str(first.port), *loop) as second:
        assert wait_until(lambda: can_connect("127.0.0.1", first.port)
                          or not second.is_running())
        assert second.is_running(), second.stderr()
