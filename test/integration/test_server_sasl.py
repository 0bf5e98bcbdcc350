# SPDX-License-Identifier: BSD-3-Clause
"""SASL in the binary protocol, over Cyrus' library with a real sasldb."""

import base64
import hashlib
import hmac
import os
import signal
import struct
import subprocess
import threading

import helpers
import pytest

from lib.server import Server
from secured import Sasl

pytestmark = pytest.mark.larderd

GET, SET, NOOP, VERSION, STAT, LIST, AUTH, STEP = 0x00, 0x01, 0x0a, 0x0b, 0x10, 0x20, 0x21, 0x22
OK, INVALID, FAILED, MORE, LIMITED = 0x00, 0x04, 0x20, 0x21, 0x85
DONE = (OK, b"Authenticated")
WRONG = (FAILED, b"Auth failure.")


@pytest.fixture
def sasl(tmp_path):
    return Sasl(tmp_path)


def packet(opcode, key=b"", value=b"", extras=b""):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0,
                       len(key) + len(value) + len(extras), 0xbeef, 0) + extras + key + value


def answer(client):
    """(status, body); None when the server has closed."""
    header = client.read_exactly(24)
    if len(header) < 24:
        return None
    magic, _, _, _, _, status, size, opaque, _ = struct.unpack(">BBHBBHIIQ", header)
    assert magic == 0x81 and opaque == 0xbeef
    return status, client.read_exactly(size)


def ask(client, *words):
    client.send(packet(*words))
    return answer(client)


def plain(client, user, password, initial=True):
    data = b"\0%s\0%s" % (user, password)
    if initial:
        return ask(client, AUTH, b"PLAIN", data)
    assert ask(client, AUTH, b"PLAIN") == (MORE, b"")
    return ask(client, STEP, b"PLAIN", data)


def scram(client, user, password, name="sha256", mechanism=b"SCRAM-SHA-256"):
    """RFC 5802. Checks that the server knows the password, too."""
    first = b"n=%s,r=fyko+d2lbbFgONRv9qkxdawL" % user
    status, challenge = ask(client, AUTH, mechanism, b"n,," + first)
    if status != MORE:
        return status, challenge
    parts = dict(part.split(b"=", 1) for part in challenge.split(b","))
    salted = hashlib.pbkdf2_hmac(name, password, base64.b64decode(parts[b"s"]), int(parts[b"i"]))

    def mac(key, text):
        return hmac.new(key, text, name).digest()

    client_key = mac(salted, b"Client Key")
    last = b"c=biws,r=" + parts[b"r"]
    text = first + b"," + challenge + b"," + last
    signature = mac(hashlib.new(name, client_key).digest(), text)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    status, verifier = ask(client, STEP, mechanism, last + b",p=" + base64.b64encode(proof))
    if status != MORE:
        return status, verifier
    assert verifier == b"v=" + base64.b64encode(mac(mac(salted, b"Server Key"), text))
    return ask(client, STEP, mechanism)


def works(client):
    return ask(client, SET, b"k", b"v", bytes(8))[0] == OK and \
        ask(client, GET, b"k") == (OK, bytes(4) + b"v")


def general_stats(client):
    client.send(packet(STAT))
    found = {}
    while True:
        header = client.read_exactly(24)
        key_size, size = struct.unpack(">2xH4xI12x", header)
        body = client.read_exactly(size)
        if key_size == 0:
            return found
        found[body[:key_size].decode()] = body[key_size:].decode()


def test_mechanisms_are_listed(sasl):
    with sasl.server() as server, server.connect() as client:
        assert ask(client, LIST) == (OK, b"PLAIN SCRAM-SHA-1 SCRAM-SHA-256")
        assert ask(client, VERSION)[0] == OK


@pytest.mark.parametrize("initial", [True, False])
def test_plain(sasl, initial):
    with sasl.server() as server, server.connect() as client:
        assert plain(client, b"anna", b"wrong", initial) == WRONG
        assert plain(client, b"anna", b"secret", initial) == DONE
        assert works(client)
        assert ask(client, LIST)[0] == OK
        assert works(client)
        # Whoever begins anew is nobody until that is done.
        assert plain(client, b"anna", b"wrong", initial) == WRONG
        assert ask(client, GET, b"k") == WRONG
        assert client.is_closed()


@pytest.mark.parametrize("name,mechanism", [("sha1", b"SCRAM-SHA-1"), ("sha256", b"SCRAM-SHA-256")])
def test_scram(sasl, name, mechanism):
    with sasl.server() as server:
        with server.connect() as client:
            assert scram(client, b"anna", b"secret", name, mechanism) == DONE
            assert works(client)
        with server.connect() as client:
            assert scram(client, b"anna", b"Secret", name, mechanism) == WRONG
            assert scram(client, b"nobody", b"secret", name, mechanism) == WRONG
            assert ask(client, NOOP) == WRONG
            assert client.is_closed()


@pytest.mark.parametrize("words", [
    (GET, b"k"), (NOOP,), (STAT,), (0x08,), (0x1b, b"", b"", bytes(4)), (SET, b"k", b"v", bytes(8)),
    (SET, b"k", b"v" * 5000, bytes(8)), (SET, b"k", b"v" * 500_000, bytes(8)), (0x77,),
    (GET, b"", b"xyz"), (0x07,), (0x0f, b"k", b"v")])
def test_strangers_are_told_nothing_but_that(sasl, words):
    with sasl.server() as server, server.connect() as client:
        assert ask(client, *words) == WRONG
        assert client.is_closed()


def test_what_is_no_exchange_fails(sasl):
    with sasl.server("-o", "auth_failures=100") as server:
        with server.connect() as client:
            assert ask(client, STEP, b"PLAIN", b"\0anna\0secret") == WRONG
            assert ask(client, AUTH, b"X" * 33, b"x") == (INVALID, b"Invalid arguments")
            assert ask(client, AUTH, b"X" * 32, b"x") == WRONG
            assert ask(client, AUTH, b"ANONYMOUS", b"x") == WRONG
            for data in (b"x", b"\0", b"\0\0", b"\0anna", b"\0anna\0", b"\0anna\0secret\0more",
                         b"\0" * 2000, b"bert\0anna\0secret", os.urandom(2048)):
                assert ask(client, AUTH, b"PLAIN", data) == WRONG, data
            assert ask(client, AUTH, b"SCRAM-SHA-1", b"n,,n=anna,r=x")[0] == MORE
            assert ask(client, STEP, b"SCRAM-SHA-1", b"rubbish") == WRONG
            assert plain(client, b"anna", b"secret") == DONE
            assert works(client)
        with server.connect() as client:  # longer than any mechanism needs
            assert ask(client, AUTH, b"PLAIN", bytes(5000)) == (3, b"Too large.")
            assert plain(client, b"anna", b"secret") == DONE


def test_nobody_comes_in_without_a_name(sasl):
    config = sasl.folder / "memcached.conf"
    config.write_text(config.read_text().replace("mech_list: plain", "mech_list: plain anonymous"))
    with sasl.server() as server, server.connect() as client:
        assert ask(client, LIST) == (OK, b"PLAIN SCRAM-SHA-1 SCRAM-SHA-256")
        assert ask(client, AUTH, b"ANONYMOUS", b"guest") == WRONG


def test_requests_behind_a_log_in_wait_for_it(sasl):
    with sasl.server() as server, server.connect() as client:
        client.send(packet(AUTH, b"PLAIN", b"\0anna\0secret") + packet(SET, b"k", b"v", bytes(8)) +
                    packet(GET, b"k") + packet(NOOP))
        assert [answer(client) for _ in range(4)] == [
            DONE, (OK, b""), (OK, bytes(4) + b"v"), (OK, b"")]


def test_the_password_file_of_memcached(sasl, tmp_path):
    users = tmp_path / "pwdb"
    users.write_text("bert:one:more\nanna:other\n")
    with sasl.server("-v", MEMCACHED_SASL_PWDB=str(users)) as server, server.connect() as client:
        assert plain(client, b"bert", b"one") == DONE
        assert plain(client, b"anna", b"other") == DONE
        assert plain(client, b"anna", b"secret") == DONE  # SASL's own books come after it
        assert plain(client, b"bert", b"one:more") == WRONG
        users.write_text("bert:two\n")
        def is_read():
            os.kill(server.pid, signal.SIGHUP)  # again and again: ThreadSanitizer forgets signals
            return "0 in the password file, 1 in" in server.stderr()

        assert helpers.wait_until(is_read, every_s=1)
        assert plain(client, b"bert", b"two") == DONE
        assert "two" not in server.stderr().replace("users: 0", "")


def test_rights_are_those_of_the_name(sasl, tmp_path):
    rights = tmp_path / "rights"
    rights.write_text("anna: commands=read,write prefixes=a:\n*: commands=read\n")
    sasl.add("bert", "b")
    with sasl.server("--rights-file", rights) as server:
        with server.connect() as anna, server.connect() as bert:
            assert plain(anna, b"anna", b"secret") == DONE
            assert plain(bert, b"bert", b"b") == DONE
            assert ask(anna, SET, b"a:1", b"v", bytes(8))[0] == OK
            assert ask(anna, SET, b"b:1", b"v", bytes(8)) == WRONG
            assert ask(anna, SET, b"b:1", b"v" * 100_000, bytes(8)) == WRONG
            assert ask(anna, GET, b"b:1") == WRONG
            assert ask(anna, 0x08) == WRONG  # flush_all
            assert ask(bert, GET, b"a:1") == (OK, bytes(4) + b"v")
            assert ask(bert, 0x04, b"a:1") == WRONG
            assert ask(bert, 0x1d, b"a:1", b"", bytes(4)) == WRONG  # gat
            # Quiet ones are told, too.
            bert.send(packet(0x11, b"a:1", b"w", bytes(8)) + packet(0x09, b"a:1") + packet(NOOP))
            assert [answer(bert) for _ in range(3)] == [WRONG, (OK, bytes(4) + b"v"), (OK, b"")]
            assert ask(anna, NOOP) == (OK, b"")
            # Those that arrive together as well.
            anna.send((packet(GET, b"a:1") + packet(GET, b"b:1")) * 50 +
                      packet(0x0d, b"b:1") * 20 + packet(SET, b"b:1", b"v", bytes(8)) * 20)
            got = [answer(anna) for _ in range(140)]
            assert got == [(OK, bytes(4) + b"v"), WRONG] * 50 + [WRONG] * 40


def test_both_protocols_with_both_log_ins(sasl, tmp_path):
    users = tmp_path / "users"
    users.write_text("web:x\n")
    with sasl.server("-Y", users) as server, server.connect() as text, server.connect() as binary:
        assert text.ask(b"get k") == b"CLIENT_ERROR unauthenticated"
        assert text.ask(b"set a 0 0 5\r\nweb x") == b"STORED"
        assert text.ask(b"set k 0 0 1\r\nv") == b"STORED"
        assert plain(binary, b"anna", b"secret") == DONE
        assert ask(binary, GET, b"k") == (OK, bytes(4) + b"v")
        with server.connect() as client:
            assert ask(client, GET, b"k") == WRONG


def test_pylibmc_logs_in(sasl):
    pylibmc = pytest.importorskip("pylibmc")
    if not pylibmc.support_sasl:
        pytest.skip("libmemcached without SASL")
    with sasl.server() as server:
        client = pylibmc.Client([f"127.0.0.1:{server.port}"], binary=True, username="anna",
                                password="secret")
        assert client.set("key", "value") and client.get("key") == "value"
        wrong = pylibmc.Client([f"127.0.0.1:{server.port}"], binary=True, username="anna",
                               password="wrong")
        with pytest.raises(pylibmc.Error):
            wrong.get("key")


def test_failures_are_counted_and_limited(sasl):
    with sasl.server("-v", "-o", "auth_failures=4") as server:
        with server.connect() as old:
            assert plain(old, b"anna", b"secret") == DONE
            with server.connect() as client:
                for _ in range(2):
                    assert plain(client, b"anna", b"hidden-word") == WRONG
                # An exchange that is given up is a failure: for another, and for good.
                assert ask(client, AUTH, b"SCRAM-SHA-256", b"n,,n=anna,r=x")[0] == MORE
                assert ask(client, AUTH, b"SCRAM-SHA-256", b"n,,n=anna,r=x")[0] == MORE
            assert helpers.wait_until(lambda: general_stats(old)["auth_errors"] == "4")
            with server.connect() as client:
                got = plain(client, b"anna", b"hidden-word")
                assert got[0] == LIMITED or got == WRONG  # on a slow machine one more came back
            assert works(old)
            assert int(general_stats(old)["auth_cmds"]) >= 5
        assert "hidden-word" not in server.stderr()


@pytest.mark.parametrize("begun", [False, True])
def test_many_connections_are_no_more_guesses(sasl, begun):
    """They all begin while the address may still try; the last has the right password."""
    with sasl.server("-o", "auth_failures=5") as server:
        clients = [server.connect() for _ in range(100)]
        words = [b"\0anna\0guess%d" % i for i in range(99)] + [b"\0anna\0secret"]
        if begun:
            for client in clients:
                assert ask(client, AUTH, b"PLAIN") == (MORE, b"")
        for client, data in zip(clients, words):
            client.send(packet(STEP if begun else AUTH, b"PLAIN", data))
        got = [answer(client)[0] for client in clients]
        # A moment brings another try, so not exactly five.
        assert got[-1] == LIMITED and 5 <= got.count(FAILED) <= 20
        assert got.count(FAILED) + got.count(LIMITED) == 100


def test_steps_of_nothing_are_limited(sasl):
    with sasl.server("-v", "-o", "auth_failures=5") as server, server.connect() as client:
        client.send(packet(STEP, b"PLAIN") * 2000)
        got = [answer(client)[0] for _ in range(2000)]
        assert got[:5] == [FAILED] * 5 and got.count(FAILED) <= 20
        assert server.stderr().count("somebody failed to log in") <= 20


@pytest.mark.measured
def test_floods_leave_others_and_memory_alone(sasl):
    """Log-ins that are slow by design, by the hundred, and clients that give them up."""
    with sasl.server("-t", "1", "-o", "auth_failures=0", "-c", "4000") as server:
        with server.connect() as client:
            assert plain(client, b"anna", b"secret") == DONE
            before = helpers.memory_kib(server.pid, "VmRSS")
            flood = [server.connect() for _ in range(400)]
            for i, one in enumerate(flood):
                one.send(packet(AUTH, b"SCRAM-SHA-256", b"n,,n=anna,r=x") if i % 2
                         else packet(AUTH, b"PLAIN", b"\0anna\0wrong"))
            # One worker, and it goes on serving while SASL's thread is at it.
            for _ in range(100):
                assert works(client)
            for one in flood[:200]:
                assert answer(one)[0] in (FAILED, MORE)
            for one in flood:
                one.close()
            assert helpers.wait_until(lambda: general_stats(client)["curr_connections"] == "1")
            assert works(client)
            assert helpers.memory_kib(server.pid, "VmRSS") - before < 40 * 1024


def test_a_server_stops_with_log_ins_under_way(sasl):
    for stop in (signal.SIGTERM, signal.SIGUSR1):
        with sasl.server("-t", "2", "-o", "auth_failures=0") as server:
            flood = [server.connect() for _ in range(60)]
            for one in flood:
                one.send(packet(AUTH, b"SCRAM-SHA-256", b"n,,n=anna,r=x"))
            assert answer(flood[0])[0] == MORE
            server.stop(stop)
            for one in flood:
                one.close()


def test_many_log_in_at_once(sasl):
    with sasl.server("-t", "2") as server:
        results = []

        def work(i):
            with server.connect() as client:
                done = scram(client, b"anna", b"secret") if i % 2 else plain(client, b"anna",
                                                                             b"secret")
                results.append(done == DONE and works(client))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [True] * 40


def test_without_mechanisms_there_is_no_server(tmp_path):
    (tmp_path / "memcached.conf").write_text("mech_list: nonesuch\n")
    process = subprocess.run([Server([]).program, "-u", "root", "-S", "-s", tmp_path / "s"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             env={**os.environ, "SASL_CONF_PATH": str(tmp_path)}, timeout=60)
    assert process.returncode == 1
    assert "option -S: SASL has no mechanism to offer" in process.stdout
