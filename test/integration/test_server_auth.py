# SPDX-License-Identifier: BSD-3-Clause
"""Users of the text protocol: the password file, rights, the limit of failures, the administrators'
socket."""

import os
import re
import signal
import socket
import subprocess
import threading

import helpers
import pytest

from lib.server import TIMEOUT_S, Client, Server, is_thread_sanitized, larderd_path

pytestmark = pytest.mark.larderd

USERS = "web:correct-horse\nops:root\nmon:look\nnobody:x\n"
RIGHTS = """\
# who: what, where
web: commands=read,write prefixes=web:,session:
ops: commands=read,write,admin
mon: commands=read
"""
UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated"
FAILED = b"CLIENT_ERROR authentication failure"
LIMITED = b"CLIENT_ERROR too many authentication failures, try again later"
NO_READ = b"CLIENT_ERROR this user has no right to read"
NO_WRITE = b"CLIENT_ERROR this user has no right to write"
NO_ADMIN = b"CLIENT_ERROR this user has no right to administer"
NO_KEY = b"CLIENT_ERROR this user has no right to the key: "


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users"
    path.write_text(USERS)
    return path


@pytest.fixture
def rights(tmp_path):
    path = tmp_path / "rights"
    path.write_text(RIGHTS)
    return path


def log_in(client, user, password):
    token = f"{user} {password}".encode()
    client.send(b"set auth 0 0 %d\r\n%s\r\n" % (len(token), token))
    return client.read_line()


def logged_in(server, user, password):
    client = server.connect()
    assert log_in(client, user, password) == b"STORED"
    return client


def administrator(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    return Client(sock)


def reload(server, pattern):
    """SIGHUP, until the server has written a line that matches once more."""
    before = len(re.findall(pattern, server.stderr()))
    for _ in range(10 if is_thread_sanitized(server.program) else 1):  # which forgets signals
        os.kill(server.pid, signal.SIGHUP)
        if helpers.wait_until(lambda: len(re.findall(pattern, server.stderr())) > before,
                              10 if is_thread_sanitized(server.program) else TIMEOUT_S):
            return
    raise AssertionError(server.stderr())


def settled(condition):
    """The workers hear of a new file one after the other."""
    assert helpers.wait_until(condition)


def test_more_users_than_memcached_takes(tmp_path):
    users = tmp_path / "users"
    users.write_text("".join(f"user{i}:{i}-secret\n" for i in range(5000)))
    with Server(["-Y", users]) as server:
        for i in (0, 8, 4999):
            logged_in(server, f"user{i}", f"{i}-secret").close()
        with server.connect() as client:
            assert log_in(client, "user9", "8-secret") == FAILED
            assert log_in(client, "user9", "9-secret") == b"STORED"
            assert client.stats()["auth_cmds"] == "5"
            assert client.stats()["auth_errors"] == "1"
            assert client.stats(b"settings")["auth_enabled_ascii"] == str(users)


def test_a_token_that_is_too_long_is_skipped(users):
    with Server(["-Y", users]) as server, server.connect() as client:
        client.send(b"set a 0 0 16384\r\n" + b" " * 16367 + b"web correct-horse\r\n")
        assert client.read_line() == b"STORED"
    with Server(["-Y", users]) as server, server.connect() as client:
        client.send(b"set a 0 0 16385\r\n" + b"x" * 16385 + b"\r\n")
        assert client.read_line() == b"CLIENT_ERROR auth token too long"
        client.send(b"set a 0 0 4294967295\r\n" + b"x" * 300_000)
        assert client.read_line() == b"CLIENT_ERROR auth token too long"
        assert client.read_available() == b""


@pytest.mark.parametrize("text,why", [
    ("foo\n", "users:1: there is no colon: write user:password"),
    ("a:b\n:c\n", "users:2: the user's name has to be 1 to 255 bytes"),
    ("", "users:0: there is no user in it"),
    (None, "users: cannot be opened: No such file or directory"),
])
def test_a_server_does_not_start_with_a_bad_file(tmp_path, text, why):
    users = tmp_path / "users"
    if text is not None:
        users.write_text(text)
    process = subprocess.run([larderd_path(), "-u", "root", "-s", tmp_path / "s", "-Y", users],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.returncode == 1
    assert why in process.stdout


@pytest.mark.parametrize("protocol,login", [
    ("ascii", "-S"), ("negotiating", "-S"), ("binary", "-Y"), ("negotiating", "-Y")])
def test_no_listener_has_a_protocol_without_a_log_in(users, tmp_path, protocol, login):
    (tmp_path / "memcached.conf").write_text("mech_list: plain\n")
    arguments = ["-S"] if login == "-S" else ["-Y", users]
    process = subprocess.run(
        [larderd_path(), "-u", "root", *arguments, "-l", f"proto[{protocol}]:127.0.0.1:0"],
        env={**os.environ, "SASL_CONF_PATH": str(tmp_path)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert process.returncode != 0
    assert "nobody could log in by that protocol" in process.stdout


# ---- rights ----

def test_a_user_has_commands_and_prefixes(users, rights):
    with Server(["-Y", users, "--rights-file", rights]) as server:
        web, mon = logged_in(server, "web", "correct-horse"), logged_in(server, "mon", "look")
        ops = logged_in(server, "ops", "root")
        assert ops.ask(b"set other 0 0 1\r\nx") == b"STORED"
        assert web.ask(b"set web:1 0 0 1\r\ny") == b"STORED"
        # No key of the line is looked up when one is not the user's.
        web.send(b"get web:1 other session:2\r\nmn\r\n")
        assert web.read_line() == NO_KEY + b"other"
        assert web.read_line() == b"MN"
        web.send(b"get web:1 session:2\r\n")
        assert web.read_until(b"END\r\n") == b"VALUE web:1 0 1\r\ny\r\nEND\r\n"
        for request, answer in [
                (b"get other", NO_KEY + b"other"), (b"gets other", NO_KEY + b"other"),
                (b"gat 0 web:1 other", NO_KEY + b"other"), (b"mg other v", NO_KEY + b"other"),
                (b"mg b3RoZXI= b v", NO_KEY + b"other"), (b"me other", NO_KEY + b"other"),
                (b"set other 0 0 1\r\nz", NO_KEY + b"other"), (b"ms other 1\r\nz", NO_KEY + b"other"),
                (b"append other 0 0 1\r\nz", NO_KEY + b"other"), (b"md other", NO_KEY + b"other"),
                (b"delete other", NO_KEY + b"other"), (b"incr other 1", NO_KEY + b"other"),
                (b"ma other", NO_KEY + b"other"), (b"touch other 0", NO_KEY + b"other"),
                (b"md aSBh b", NO_KEY + b"i%20a"), (b"version", None), (b"mn", b"MN")]:
            got = web.ask(request)
            assert answer is None or got == answer, request
        for client, request, answer in [
                (mon, b"get other nix", b"VALUE other 0 1"), (mon, b"delete other", NO_WRITE),
                (mon, b"set other 0 0 1\r\nz", NO_WRITE), (mon, b"gat 0 other", NO_WRITE),
                (mon, b"mg other T10", NO_WRITE), (mon, b"mg other N10", NO_WRITE),
                (mon, b"mg other R10", NO_WRITE), (mon, b"incr other 1", NO_WRITE)]:
            assert client.ask(request) == answer, request
            if answer.startswith(b"VALUE"):
                assert client.read_until(b"END\r\n") == b"x\r\nEND\r\n"
        assert ops.ask(b"get other") == b"VALUE other 0 1"


def test_administration_is_a_right(users, rights):
    requests = [b"flush_all", b"verbosity 1", b"cache_memlimit 64", b"shutdown", b"watch",
                b"lru_crawler metadump all", b"lru_crawler mgdump all", b"stats reset",
                b"stats conns", b"stats cachedump 1 0", b"stats detail on", b"slabs automove 0",
                b"refresh_certs", b"debugtime p", b"lru mode flat", b"extstore x", b"misbehave"]
    with Server(["-A", "-Y", users, "--rights-file", rights]) as server:
        for user, password in (("web", "correct-horse"), ("mon", "look")):
            with logged_in(server, user, password) as client:
                for request in requests:
                    assert client.ask(request) == NO_ADMIN, request
                assert "auth_forbidden" in client.stats()
        with logged_in(server, "nobody", "x") as client:
            assert client.ask(b"get k") == NO_READ
            assert client.ask(b"stats") == NO_READ
            assert client.ask(b"set k 0 0 1\r\nx") == NO_WRITE
            assert client.ask(b"mn") == b"MN"
        with logged_in(server, "ops", "root") as client:
            assert int(client.stats()["auth_forbidden"]) == 2 * len(requests) + 3
            for request in (b"flush_all", b"verbosity 0"):
                assert client.ask(request) == b"OK"


def test_refused_values_are_skipped_whatever_their_size(users, rights):
    with Server(["-Y", users, "--rights-file", rights]) as server:
        with logged_in(server, "mon", "look") as client:
            for size in (1, 5000, 60_000, 900_000, 3_000_000):
                value = b"v" * size
                client.send(b"set k 0 0 %d\r\n%s\r\nms k %d\r\n%s\r\nmn\r\n" %
                            (size, value, size, value))
                assert [client.read_line() for _ in range(3)] == [NO_WRITE, NO_WRITE, b"MN"]
            client.send(b"set k 0 0 9000 noreply\r\n" + b"v" * 9000 + b"\r\nmn\r\n")
            assert client.read_line() == b"MN"
            assert client.stats()["curr_items"] == "0"


def test_pipelines_and_long_lines_are_no_way_around(users, rights):
    with Server(["-Y", users, "--rights-file", rights]) as server:
        with logged_in(server, "ops", "root") as client:
            assert client.ask(b"set other 0 0 1\r\nx") == b"STORED"
            assert client.ask(b"set web:1 0 0 1\r\ny") == b"STORED"
        with logged_in(server, "web", "correct-horse") as client:
            client.send(b"get other\r\n" * 100 + b"mg other v\r\n" * 100 +
                        b"set other 0 0 1\r\nz\r\n" * 100 + b"mn\r\n")
            assert client.read_until(b"MN\r\n") == (NO_KEY + b"other\r\n") * 300 + b"MN\r\n"
            # A line that is longer than any buffer: the parts before are answered already.
            client.send(b"get " + b"web:1 " * 20_000 + b"other " + b"web:1 " * 20_000 + b"\r\nmn\r\n")
            got = client.read_until(b"MN\r\n")
            assert got.endswith(NO_KEY + b"other\r\nMN\r\n")
            assert got.count(b"VALUE web:1") <= 20_000 and b"VALUE other" not in got


# ---- reading the files again ----

def test_a_new_file_holds_at_once(users, rights):
    with Server(["-v", "-Y", users, "--rights-file", rights]) as server:
        web, mon = logged_in(server, "web", "correct-horse"), logged_in(server, "mon", "look")
        ops, watcher = logged_in(server, "ops", "root"), logged_in(server, "ops", "root")
        assert watcher.ask(b"watch mutations") == b"OK"
        # mon may write now, ops has a new password, web is gone.
        users.write_text("ops:new\nmon:look\nlate:comer\n")
        rights.write_text("mon: commands=read,write prefixes=m\nlate: commands=read\n*: commands=none\n")
        reload(server, "users: 3 in the password file")
        settled(lambda: mon.ask(b"set m 0 0 1\r\nx") == b"STORED")
        assert mon.ask(b"get other") == NO_KEY + b"other"
        settled(lambda: web.ask(b"mn") == UNAUTHENTICATED)
        assert web.ask(b"get web:1") == UNAUTHENTICATED
        assert log_in(web, "web", "correct-horse") == FAILED
        assert log_in(web, "late", "comer") == b"STORED"
        settled(lambda: ops.ask(b"mn") == UNAUTHENTICATED)
        assert log_in(ops, "ops", "root") == FAILED
        assert log_in(ops, "ops", "new") == b"STORED"
        assert ops.ask(b"get k") == NO_READ
        assert watcher.is_closed()


def test_a_line_that_loses_its_rights_halfway_leaves_no_trace(users, rights):
    rights.write_text("ops: commands=read,write,admin\nmon: commands=read prefixes=a,b\n")
    with Server(["-m", "64", "-Y", users, "--rights-file", rights]) as server:
        ops, mon = logged_in(server, "ops", "root"), logged_in(server, "mon", "look")
        for key in (b"a1", b"a2", b"b1"):
            assert ops.ask(b"set %s 0 0 500000\r\n" % key + b"x" * 500_000) == b"STORED"
        # More than a client takes that does not read: some keys are answered, the others wait.
        mon.send(b"get " + b"a1 " * 30 + b"b1\r\n")
        settled(lambda: int(ops.stats()["get_hits"]) > 0)
        rights.write_text("ops: commands=read,write,admin\nmon: commands=read prefixes=a\n")
        os.kill(server.pid, signal.SIGHUP)
        settled(lambda: ops.stats()["auth_reloads"] == "1")
        ops.ask(b"mn")
        got = mon.read_until(NO_KEY + b"b1\r\n")
        assert got is not None and 0 < got.count(b"VALUE a1") < 30
        # What was answered of that line is not taken for answered of the next.
        mon.send(b"get a1 a2\r\n")
        got = mon.read_until(b"END\r\n")
        assert got.count(b"VALUE") == 2


def test_a_second_password_lets_clients_move(users):
    with Server(["-v", "-Y", users]) as server:
        client = logged_in(server, "web", "correct-horse")
        users.write_text("web:correct-horse\nweb:new\n")
        reload(server, "users: 2 in the password file")
        logged_in(server, "web", "new").close()
        assert client.ask(b"mn") == b"MN"
        users.write_text("web:new\n")
        reload(server, "users: 1 in the password file")
        settled(lambda: client.ask(b"mn") == UNAUTHENTICATED)


def test_a_bad_new_file_changes_nothing(users, rights):
    with Server(["-Y", users, "--rights-file", rights]) as server:
        client = logged_in(server, "ops", "root")
        users.write_text("ops:root\nspoilt\n")
        reload(server, "users:2: there is no colon.*stay")
        rights.write_text("ops: commands=all\n")
        users.write_text("ops:other\n")  # all or none
        reload(server, "rights:1: commands: 'all' is not one of.*stay")
        users.unlink()
        reload(server, "users: cannot be opened.*stay")
        assert client.ask(b"flush_all") == b"OK"
        logged_in(server, "mon", "look").close()
        assert client.stats()["auth_reload_failures"] == "3"
        assert client.stats()["auth_reloads"] == "0"


def test_reloads_under_load_cost_nobody_an_answer(users, rights):
    with Server(["-v", "-t", "2", "-Y", users, "--rights-file", rights]) as server:
        stop = threading.Event()
        wrong = []

        def work():
            with logged_in(server, "web", "correct-horse") as client:
                while not stop.is_set():
                    client.send(b"set web:1 0 0 1\r\nx\r\nget web:1\r\nget other\r\n")
                    got = client.read_until(b"other\r\n")
                    if got != b"STORED\r\nVALUE web:1 0 1\r\nx\r\nEND\r\n" + NO_KEY + b"other\r\n":
                        wrong.append(got)
                        return

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for i in range(20):
            users.write_text(USERS + f"more{i}:x\n")
            reload(server, "users: 5 in the password file")
            logged_in(server, f"more{i}", "x").close()
        stop.set()
        for worker in workers:
            worker.join()
        assert wrong == []


@pytest.mark.parametrize("size", [60_000, 3_000_000])
def test_a_value_on_its_way_when_its_user_goes(users, tmp_path, size):
    """It is received, and not stored. The room for it in the engine is given back."""
    with Server(["-v", "-t", "1", "-m", "16", "-I", "4m", "-Y", users,
                 "--admin-socket", tmp_path / "admin"]) as server:
        with administrator(tmp_path / "admin") as admin:
            for i in range(20):
                users.write_text(USERS)
                reload(server, "users: 4 in the password file")
                client = logged_in(server, "web", "correct-horse")
                client.send(b"set k 0 0 %d\r\n%s" % (size, b"x" * (size // 2)))
                users.write_text("nobody:x\n")
                reload(server, "users: 1 in the password file")
                # The only worker has been told, and has had a turn since.
                settled(lambda: int(admin.stats()["auth_reloads"]) >= 2 * i + 2)
                assert admin.ask(b"mn") == b"MN"
                client.send(b"x" * (size - size // 2) + b"\r\n")
                assert client.read_line() == UNAUTHENTICATED
                client.close()
            users.write_text(USERS)
            reload(server, "users: 4 in the password file")
            with logged_in(server, "web", "correct-horse") as client:
                client.send(b"set k 0 0 %d\r\n%s\r\n" % (size, b"x" * size))
                assert client.read_line() == b"STORED"


# ---- guessing ----

def test_an_address_that_fails_too_often_is_not_listened_to(users):
    with Server(["-v", "-Y", users, "-o", "auth_failures=3"]) as server:
        old = logged_in(server, "web", "correct-horse")
        with server.connect() as client:
            for _ in range(3):
                assert log_in(client, "web", "wrong-secret") == FAILED
            settled(lambda: log_in(client, "web", "wrong-secret") == LIMITED)
        with server.connect() as client:
            # From everywhere behind that address. (A slow machine gives one more try in 20 s.)
            assert log_in(client, "web", "wrong-secret") in (LIMITED, FAILED)
        assert old.ask(b"mn") == b"MN"
        stats = old.stats()
        assert int(stats["auth_limited"]) >= 1
        text = server.stderr()
        assert re.search(r"connection \d+ from tcp:127.0.0.1:\d+: user web failed to log in", text)
        assert "failed to log in too often" in text
        assert "wrong-secret" not in text and "correct-horse" not in text


@pytest.mark.measured
def test_floods_of_guesses_leave_others_and_memory_alone(users):
    with Server(["-t", "2", "-Y", users, "-c", "4000"]) as server:
        guess = b"set auth 0 0 10\r\nweb guess!\r\n"
        client = logged_in(server, "web", "correct-horse")
        before = helpers.memory_kib(server.pid, "VmRSS")
        guessers = [server.connect() for _ in range(300)]
        for _ in range(5):
            for guesser in guessers:
                guesser.send(guess * 20)
            assert client.ask(b"mn") == b"MN"
            for guesser in guessers:
                for _ in range(20):
                    assert guesser.read_line() in (FAILED, LIMITED)
        # Those that stop in the middle of a token, and those that say nothing.
        halves = [server.connect() for _ in range(500)]
        for half in halves:
            half.send(b"set auth 0 0 16000\r\nweb gu")
        assert client.ask(b"set k 0 0 1\r\nx") == b"STORED"
        for conn in guessers + halves:
            conn.close()
        settled(lambda: int(client.stats()["curr_connections"]) == 1)
        stats = client.stats()
        assert int(stats["auth_errors"]) + int(stats["auth_limited"]) == 300 * 100
        assert int(stats["auth_errors"]) < 2000  # the others were not even looked at
        grown = helpers.memory_kib(server.pid, "VmRSS") - before
        assert grown < 40 * 1024  # KiB


# ---- the administrators' socket ----

def test_the_administrators_socket_works_when_nothing_else_does(users, tmp_path):
    rights = tmp_path / "rights"
    rights.write_text("*: commands=none\n")
    path = tmp_path / "admin"
    with Server(["-A", "-c", "2", "-Y", users, "--rights-file", rights,
                 "--admin-socket", path]) as server:
        assert os.stat(path).st_mode & 0o777 == 0o600
        with administrator(path) as admin:  # nobody is left of those who saw it start
            settled(lambda: admin.stats()["curr_connections"] == "0")
        clients = [server.connect() for _ in range(2)]
        for client in clients:
            assert client.ask(b"mn") == UNAUTHENTICATED
        with server.connect() as late:
            assert late.read_line() == b"ERROR Too many open connections"
        with administrator(path) as admin:
            assert admin.ask(b"set k 0 0 1\r\nx") == b"STORED"
            assert admin.ask(b"flush_all") == b"OK"
            settled(lambda: admin.stats()["admin_connections"] == "1")
            stats = admin.stats()
            assert stats["curr_connections"] == "2"
            # Binary, too: a no-op.
            with administrator(path) as other:
                other.send(b"\x80\x0a" + bytes(22))
                assert other.read_exactly(24)[:8] == b"\x81\x0a" + bytes(6)
        several = [administrator(path)]
        settled(lambda: several[0].stats()["admin_connections"] == "1")
        several += [administrator(path) for _ in range(15)]
        for admin in several:
            assert admin.ask(b"mn") == b"MN"
        with administrator(path) as admin:
            assert admin.read_line() == b"ERROR Too many open administrators' connections"
            assert admin.is_closed()
        several[0].send(b"shutdown\r\n")
        assert server.wait() == 0
    assert not path.exists()


def test_the_administrators_socket_asks_who_comes(users, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("takes root to be somebody else")
    path = tmp_path / "admin"
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:-2]:
        if parent.stat().st_uid == 0:
            parent.chmod(parent.stat().st_mode | 0o055)
    with Server(["-Y", users, "--admin-socket", path]):
        path.chmod(0o666)  # somebody's mistake
        child = subprocess.run(
            ["/usr/bin/python3", "-c",
             "import os, socket, sys\n"
             "os.setgid(65534); os.setuid(65534)\n"
             "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
             "print(s.makefile().read())", path], stdout=subprocess.PIPE, text=True, timeout=60)
        assert child.stdout.startswith("CLIENT_ERROR this socket is for root and the server's own")
        with administrator(path) as admin:
            assert admin.stats()["admin_rejected"] == "1"
