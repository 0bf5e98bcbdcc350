# SPDX-License-Identifier: BSD-3-Clause
"""TLS as clients meet it: versions, certificates, ports with and without, reloading, what is no TLS."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from helpers import allow_descriptors, get, is_sanitized, memory_kib, need, read_values, storage, wait_until
from lib.server import Server, free_port, larderd_path
from secured import TlsServer, make_certificates, trusting
from secured import tls_options as options

pytestmark = pytest.mark.larderd
BIG = bytes(range(256)) * 4000  # a little less than the largest value


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with the files of test/lib/make-certificates."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def is_served(server, context, port=None):
    """Does a client get an answer? With TLS 1.3 a refusal comes after the client's hand-shake."""
    try:
        with server.connect_tls(context, port=port) as client:
            return client.ask(b"version").startswith(b"VERSION")
    except (ssl.SSLError, ConnectionError, AttributeError):
        return False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_values_small_and_large_in_pipelines(files, loop, version):
    with TlsServer(files, [*options(files), *loop]) as server, \
            server.connect_tls(trusting(files, version=version)) as client:
        client.send(storage("small", b"value") + storage("big", BIG) + b"get small big\r\n")
        assert [client.read_line(), client.read_line()] == [b"STORED", b"STORED"]
        assert read_values(client) == {"small": (0, b"value"), "big": (0, BIG)}
        for i in range(20):
            client.send(storage(f"big{i}", bytes([i]) + BIG))
            assert client.read_line() == b"STORED"
            assert get(client, f"big{i}", "small") == {f"big{i}": bytes([i]) + BIG, "small": b"value"}
        count = 2000
        client.send(b"".join(storage(f"k{i}", b"%d" % i) for i in range(count)))
        assert all(client.read_line() == b"STORED" for _ in range(count))
        client.send(b"".join(b"get k%d\r\n" % i for i in range(count)))
        assert all(read_values(client) == {f"k{i}": (0, b"%d" % i)} for i in range(count))
        for byte in b"get small\r\n":  # each a record of its own
            client.send(bytes([byte]))
        assert read_values(client) == {"small": (0, b"value")}


def test_version_limits(files):
    with TlsServer(files, options(files, ssl_min_version=3)) as server:
        assert not is_served(server, trusting(files, version=ssl.TLSVersion.TLSv1_2))
        assert is_served(server, trusting(files, version=ssl.TLSVersion.TLSv1_3))


def test_one_server_with_and_without(files):
    """notls, btls and mtls side by side; what one stores the others see."""
    plain, open_port, strict = free_port(), free_port(), free_port()
    address = f"notls:127.0.0.1:{plain},btls:127.0.0.1:{open_port},mtls:127.0.0.1:{strict}"
    words = options(files, ssl_ca_cert=files / "ca.pem", ssl_verify_mode=1)
    with TlsServer(files, [*words, "-l", address], listen=False) as server:
        server.port = plain
        server.wait_ready()
        nobody, alice, mallory = trusting(files), trusting(files, "client"), trusting(files, "stranger")
        assert is_served(server, nobody, open_port) and is_served(server, mallory, open_port)
        assert is_served(server, alice, strict)
        assert not is_served(server, nobody, strict) and not is_served(server, mallory, strict)
        with server.connect() as client:
            assert client.ask(b"set k 0 0 1\r\nx") == b"STORED"
            assert wait_until(lambda: int(client.stats()["ssl_handshake_errors"]) == 2)
        with server.connect_tls(alice, port=strict) as client:
            assert get(client, "k") == {"k": b"x"}


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_verify_modes(files, mode):
    words = options(files, ssl_ca_cert=files / "ca.pem", ssl_verify_mode=mode)
    with TlsServer(files, words) as server:
        served = [is_served(server, trusting(files, name)) for name in (None, "client", "stranger")]
        assert served == {0: [True, True, True], 1: [True, True, False]}.get(mode, [False, True, False])


def test_resumption_on_every_worker(files):
    context = trusting(files, version=ssl.TLSVersion.TLSv1_2)
    with TlsServer(files, [*options(files, ssl_session_cache=True), "-t", "4"]) as server:
        with server.connect_tls(context) as client:
            session = client.socket.session
            assert client.ask(b"version")
            news = client.stats()["ssl_new_sessions"]
        kept = []
        for _ in range(8):  # the least loaded worker is a different one each time
            kept.append(server.connect_tls(context, session))
            assert kept[-1].socket.session_reused and kept[-1].ask(b"version")
        stats = kept[0].stats()
        assert stats["ssl_new_sessions"] == news and int(stats["tls_resumed"]) == 8
        assert kept[0].ask(b"refresh_certs") == b"OK"
        with server.connect_tls(context, session) as client:
            assert not client.socket.session_reused and client.ask(b"version")
        for client in kept:
            client.close()


def put(files, folder, name):
    """As an administrator does: each file is there whole, or as it was."""
    for end in ("pem", "key"):
        shutil.copy(files / f"{name}.{end}", folder / f"new.{end}")
        (folder / f"new.{end}").rename(folder / f"used.{end}")


def unit_of(client):
    """OU of the certificate that the server showed."""
    return dict(pair for part in client.socket.getpeercert()["subject"] for pair in part)[
        "organizationalUnitName"]


@pytest.mark.parametrize("how", ["command", "signal"])
def test_new_certificates_without_a_dropped_connection(files, tmp_path, loop, how):
    put(files, tmp_path, "server")
    stop = threading.Event()
    broken = []

    def load(server):
        with server.connect_tls() as client:
            while not stop.is_set():
                client.send(storage("k", b"x" * 5000) + b"get k\r\n")
                if client.read_line() != b"STORED" or len(read_values(client)["k"][1]) != 5000:
                    broken.append(client)

    def reload(server, client):
        read = server.stderr().count("certificates read again")
        if how == "command":
            assert client.ask(b"refresh_certs") == b"OK"
        server.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: server.stderr().count("certificates read again") > read)

    with TlsServer(files, [*options(tmp_path, "used"), "-v", *loop]) as server:
        loads = [threading.Thread(target=load, args=[server]) for _ in range(4)]
        for thread in loads:
            thread.start()
        with server.connect_tls() as old:
            for i in range(6):
                put(files, tmp_path, "second" if i % 2 == 0 else "server")
                reload(server, old)
                with server.connect_tls() as new:
                    assert unit_of(new) == ("second" if i % 2 == 0 else "first")
                    assert new.ask(b"version")
            assert unit_of(old) == "first" and old.ask(b"version")
            assert int(old.stats()["time_since_server_cert_refresh"]) < 60
        stop.set()
        for thread in loads:
            thread.join()
    assert not broken


def test_bad_new_files_keep_the_old(files, tmp_path):
    put(files, tmp_path, "server")
    with TlsServer(files, options(tmp_path, "used")) as server, server.connect_tls() as client:
        def refused(words):
            answer = client.ask(b"refresh_certs").decode()
            assert words in answer and str(tmp_path) in answer
            assert words in server.stderr() and "the old certificates stay" in server.stderr()
            with server.connect_tls() as new:
                assert unit_of(new) == "first" and new.ask(b"version")

        shutil.copy(files / "broken.pem", tmp_path / "used.pem")
        refused("no start line")
        shutil.copy(files / "second.pem", tmp_path / "used.pem")
        refused("key values mismatch")
        put(files, tmp_path, "expired")
        refused("The certificate has expired")
        (tmp_path / "used.key").unlink()
        refused("No such file")
        logged = server.stderr().count("stay in use")
        server.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: server.stderr().count("stay in use") > logged)
        put(files, tmp_path, "second")
        assert client.ask(b"refresh_certs") == b"OK"


@pytest.mark.parametrize("given, words", [
    ({"ssl_chain_cert": "/nonexistent"}, "Error loading the certificate chain: /nonexistent"),
    ({"ssl_key": "/nonexistent"}, "Error loading the key: /nonexistent"),
    ({"ssl_ca_cert": "/nonexistent"}, "Error loading the CA certificate: /nonexistent"),
    ({"ssl_ciphers": "nothing"}, "Error setting the provided cipher(s): nothing")], ids=str)
def test_start_with_bad_files(files, given, words):
    server = Server([*options(files, **given), "-l", "127.0.0.1", "-p", "-1"], listen=False)
    with server:
        assert server.wait() == 64
        assert words in server.stderr()
        server.stop(expect=64)


def test_expired_at_start_is_served_and_said(files):
    with TlsServer(files, options(files, "expired")) as server:
        context = ssl.create_default_context(cafile=files / "expired.pem")
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        assert is_served(server, context)
        assert not is_served(server, trusting(files))
        assert f"The certificate has expired: {files}/expired.pem" in server.stderr()


@pytest.mark.parametrize("garbage", [b"get foo\r\n", b"\x80\x01" + bytes(22), b"GET / HTTP/1.1\r\n\r\n",
                                     b"\x16\x03\x01\x40\x00" + bytes(20000), bytes(70000)],
                         ids=["text", "binary", "http", "record", "zeros"])
def test_garbage_before_tls(files, loop, garbage):
    with TlsServer(files, [*options(files), *loop]) as server, server.connect_tls() as watcher, \
            server.connect_tls() as other:
        assert watcher.ask(b"watch connevents") == b"OK"
        before = int(other.stats()["ssl_handshake_errors"])
        with server.connect() as client:
            client.send(garbage)
            client.read_available()
            assert client.is_closed()
        assert other.ask(b"version")
        assert wait_until(lambda: int(other.stats()["ssl_handshake_errors"]) == before + 1)
        line = watcher.read_line()
        while b"type=conntlserr" not in line:
            line = watcher.read_line()
        assert b"msg=error:" in line


def test_stalled_by_the_thousand(files, loop):
    """Half-open hand-shakes: new clients are served meanwhile, old ones too, and memory comes back."""
    count = 3000
    allow_descriptors(count + 200)
    words = [*options(files, tls_handshake_timeout=3), "-c", "4096", "-t", "2", *loop]
    with TlsServer(files, words) as server, server.connect_tls() as old:
        before_kib = memory_kib(server.pid, "VmRSS")
        stalled = []
        for i in range(count):
            stalled.append(socket.create_connection(("127.0.0.1", server.port), 60))
            if i % 3:
                stalled[-1].sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[:i % 9 + 1])
            if i % 500 == 0:
                assert is_served(server, trusting(files)) and old.ask(b"version")
        used_kib = memory_kib(server.pid, "VmRSS") - before_kib
        assert is_served(server, trusting(files)) and old.ask(b"version")

        def ended():
            stats = old.stats()
            return int(stats["tls_handshake_timeouts"]) + int(stats["tls_handshake_evictions"])
        assert wait_until(lambda: int(old.stats()["curr_connections"]) <= 2)
        assert ended() >= count
        for sock in stalled:
            sock.close()
        assert is_sanitized() or used_kib < count * 80  # OpenSSL takes 54 for each


def test_bound_on_hand_shakes_leaves_room_for_others(files):
    """As many stalled clients as connections are allowed: the oldest make room, long before their time."""
    words = [*options(files, tls_handshake_timeout=600, tls_handshake_max=20), "-c", "60", "-t", "2"]
    with TlsServer(files, words) as server:
        stalled = []
        for _ in range(6):
            stalled += [socket.create_connection(("127.0.0.1", server.port), 60) for _ in range(20)]
            time.sleep(1.2)  # the second that each has
        with server.connect_tls() as client:
            assert wait_until(lambda: int(client.stats()["tls_handshake_evictions"]) >= 60)
        for sock in stalled:
            sock.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_slow_reader_stops_nobody(files, loop, version):
    with TlsServer(files, [*options(files), "-t", "1", *loop]) as server, \
            server.connect_tls(trusting(files, version=version)) as slow, server.connect_tls() as other:
        slow.send(storage("big", BIG))
        assert slow.read_line() == b"STORED"
        slow.send(b"get big\r\n" * 40)
        for _ in range(20):
            assert other.ask(b"version")
        assert wait_until(lambda: int(other.stats()["output_paused"]) > 0)
        for _ in range(40):
            assert read_values(slow) == {"big": (0, BIG)}


def test_end_in_the_middle(files, loop):
    """Clients that vanish: before, inside and after the hand-shake, inside a value, with answers unread."""
    with TlsServer(files, [*options(files), *loop]) as server, server.connect_tls() as other:
        assert other.ask(b"set big 0 0 %d\r\n" % len(BIG) + BIG) == b"STORED"
        for end in range(5):
            for _ in range(10):
                if end < 2:
                    with server.connect() as client:
                        client.send(b"\x16\x03\x01"[:end * 3])
                    continue
                client = server.connect_tls()
                if end == 3:
                    client.send(b"set k 0 0 100000\r\n" + bytes(50000))
                elif end == 4:
                    client.send(b"get big\r\n" * 5)
                client.close()
        assert wait_until(lambda: int(other.stats()["curr_connections"]) == 1)
        assert int(other.stats()["ssl_proto_errors"]) == 0
        assert get(other, "big") == {"big": BIG}


def test_limit_of_connections_with_tls(files):
    """Over -c the line that memcached writes would be garbage to a TLS client: it is just closed."""
    with TlsServer(files, [*options(files), "-c", "3", "-t", "1"]) as server:
        kept = []
        wait_until(lambda: is_served(server, None))
        while len(kept) < 3:
            kept.append(server.connect_tls())
        with server.connect() as client:
            assert client.is_closed()
        for client in kept:
            assert client.ask(b"version")
            client.close()


def test_kernel_tls_where_there_is_none(files):
    """Asked for, and not there or there: it works."""
    with TlsServer(files, options(files, ssl_kernel_tls=True)) as server, server.connect_tls() as client:
        client.send(storage("big", BIG))
        assert client.read_line() == b"STORED"
        assert get(client, "big") == {"big": BIG}
        assert int(client.stats()["tls_kernel"]) >= 0


def bench(server, files, *words):
    """One short run of mcbench with TLS: its result as JSON, or what it said against it."""
    program = Path(larderd_path()).parents[2] / "src/cli/mcbench/mcbench"
    need(os.access(program, os.X_OK), "mcbench", "make")
    done = subprocess.run([program, "run", "-q", "-w", "0", "-d", "0.3", "-j", "-", "--populate", "--tls",
                           "--keys", "200", *words, f"127.0.0.1:{server.port}"],
                          capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout) if done.stdout else done.stderr


def test_mcbench(files):
    """It checks every answer; with --reconnect each connection is a hand-shake."""
    with TlsServer(files, options(files)) as server:
        trust = ["--tls-ca", files / "ca.pem"]
        figures = bench(server, files, *trust, "-c", "10", "-p", "8", "-m", "get:3,set:1", "-v", "1-60000")
        assert figures["plan"]["tls"] and figures["result"]["misses"] == 0
        figures = bench(server, files, *trust, "-c", "10", "--reconnect", "2")
        with server.connect_tls() as client:
            assert int(client.stats()["tls_handshakes"]) >= figures["result"]["reconnects"] > 0
        figures = bench(server, files, "--tls-insecure", "--probe", "50", "-r", "500", "-c", "10")
        assert figures["result"]["requests"] > 0
        assert "certificate verify failed" in bench(server, files)
        assert "broken.pem" in bench(server, files, "--tls-ca", files / "broken.pem")


def test_s_client(files):
    """What an administrator types."""
    with TlsServer(files, options(files)) as server:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-quiet",
                   "-verify_return_error", "-CAfile", files / "ca.pem"]
        output = subprocess.run(command, input=b"version\r\nquit\r\n", stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, timeout=60).stdout
        assert output.startswith(b"VERSION ")
