# SPDX-License-Identifier: BSD-3-Clause
"""Clients nobody here wrote make the full round of client_round.py against the server.

The server speaks but the protocol of the row, and asks for what the row brings: so what works is what
the table says, and nothing beside it.
"""

import functools
import importlib
import subprocess
import tempfile
from pathlib import Path

import pytest

import client_round
import secured
from client_python import Pylibmc, Pymemcache, PythonMemcached
from client_table import Row, cannot
from helpers import HERE, loop_arguments, need, need_node_module, need_option, need_tool
from lib.server import Server

PLAIN, SCRAM, PASSWORD_FILE = "SASL PLAIN", "SASL SCRAM-SHA-256", "password file"

PYTHON = {
    "pymemcache": Pymemcache,
    "python-memcached": PythonMemcached,
    "pylibmc": Pylibmc,
}


def rows(client, package, *variants):
    return [Row(client, package, *variant) for variant in variants]


ROWS = [
    *rows("pymemcache", "python3-pymemcache", ["text"], ["text", PASSWORD_FILE], ["text", "", True]),
    *rows("python-memcached", "python3-memcache", ["text"]),
    *rows("pylibmc", "python3-pylibmc", ["text"], ["binary"], ["binary", PLAIN], ["binary", SCRAM]),
    *rows("php-memcached", "php-memcached", ["text"], ["binary"], ["binary", PLAIN], ["binary", SCRAM]),
    *rows("php-memcache", "php-memcache", ["text"], ["binary"], ["binary", PLAIN]),
    *rows("Cache::Memcached", "libcache-memcached-perl", ["text"]),
    *rows("Cache::Memcached::Fast", "libcache-memcached-fast-perl", ["text"]),
    *rows("Dalli", "ruby-dalli", ["binary"], ["binary", PLAIN], ["binary", "", True],
          ["binary", PLAIN, True]),
    *rows("spymemcached", "libspymemcached-java", ["text"], ["binary"], ["binary", PLAIN]),
    *rows("gomemcache", "golang-github-bradfitz-gomemcache-dev", ["text"]),
    *rows("npm memcached", "npm:memcached", ["text"]),
    *rows("npm memcache-client", "npm:memcache-client", ["text"], ["text", "", True]),
    *rows("npm memjs", "npm:memjs", ["binary"], ["binary", PLAIN]),
]

def cannot_do(row):
    """What a client cannot do at all. A step skipped beyond these is a failure."""
    return {
        "Cache::Memcached": {"cas"},
        "php-memcache": {"too_long_key", "too_large_value"} if row.login else {"too_long_key"},
        "Dalli": {"too_long_key", "multi_get"} if row.tls else {"too_long_key"},
        "npm memjs": {"cas", "multi_get"},
    }.get(row.client, set())


# ---- commands of the clients that are scripts ----

@functools.cache
def built_programs():
    """A folder for what is compiled; gone when this process ends."""
    return tempfile.TemporaryDirectory(prefix="larder-clients-")


def build(*command):
    done = subprocess.run([str(word) for word in command], cwd=built_programs().name, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}"


def perl_command(row):
    perl = need_tool("perl", "perl")
    installed = subprocess.run([perl, f"-M{row.client}", "-e", "1"], stderr=subprocess.DEVNULL)
    need(installed.returncode == 0, row.client, f"apt-get install {row.package}")
    return [perl, HERE / "clients/round.pl", row.client]


def php_command(row):
    php = need_tool("php", "php-cli")
    modules = subprocess.run([php, "-m"], stdout=subprocess.PIPE, text=True).stdout.split()
    module = row.client.removeprefix("php-")
    need(module in modules, row.client, f"apt-get install {row.package}")
    return [php, HERE / "clients/round.php", module]


def ruby_command(row):
    ruby = need_tool("ruby", "ruby")
    installed = subprocess.run([ruby, "-rdalli", "-e", "1"], stderr=subprocess.DEVNULL)
    need(installed.returncode == 0, row.client, f"apt-get install {row.package}")
    return [ruby, HERE / "clients/round.rb"]


def node_command(row):
    module = row.client.removeprefix("npm ")
    return [need_node_module(module), HERE / "clients/round.js", module]


@functools.cache
def java_program(package):
    """Compiled by Eclipse's compiler, which Debian has without a whole JDK."""
    jar = Path("/usr/share/java/spymemcached.jar")
    need(jar.exists(), jar, f"apt-get install {package}")
    java, compiler = need_tool("java", "default-jre-headless"), need_tool("ecj", "ecj")
    build(compiler, "-17", "-proc:none", "-d", ".", "-cp", jar, HERE / "clients/Round.java")
    return [java, "-XX:TieredStopAtLevel=1", "-cp", f"{built_programs().name}:{jar}", "Round"]


@functools.cache
def go_program(package):
    """Compiled by gcc's Go, half as large to install as the other one."""
    path = "github.com/bradfitz/gomemcache/memcache"
    sources = sorted(Path("/usr/share/gocode/src", path).glob("*.go"))
    need(sources, package, f"apt-get install {package}")
    go = need_tool("gccgo-12", "gccgo-12")
    library = Path(built_programs().name, path + ".o")
    library.parent.mkdir(parents=True, exist_ok=True)
    build(go, "-c", f"-fgo-pkgpath={path}", "-o", library,
          *(source for source in sources if not source.name.endswith("_test.go")))
    build(go, "-I", ".", "-o", "round", HERE / "clients/round.go", library)
    return [f"{built_programs().name}/round"]


COMMANDS = {
    "Cache::Memcached": perl_command,
    "Cache::Memcached::Fast": perl_command,
    "php-memcached": php_command,
    "php-memcache": php_command,
    "Dalli": ruby_command,
    "spymemcached": lambda row: java_program(row.package),
    "gomemcache": lambda row: go_program(row.package),
    "npm memcached": node_command,
    "npm memcache-client": node_command,
    "npm memjs": node_command,
}


# ---- the server of a row, and the round ----

def server_of(row, folder):
    """(command line words, environment, what parameters() takes) for a server that asks for just what
    the row brings."""
    words, environment, more = ["-B", "ascii" if row.protocol == "text" else "binary"], {}, {}
    if row.login:
        more.update(user=secured.USER, password=secured.PASSWORD)
    if row.login == PASSWORD_FILE:
        need_option("Y")
        (folder / "users").write_text(f"{secured.USER}:{secured.PASSWORD}\n")
        words += ["-Y", folder / "users"]
    elif row.login:
        need_option("S")
        words.append("-S")
        environment = secured.Sasl(folder, row.login.split()[1].lower()).environment
    if row.tls:
        need_option("Z")
        words += secured.tls_options(secured.make_certificates(folder))
        more["ca"] = str(folder / "ca.pem")
    return words, environment, more


def make_round(row, loop):
    adapter = PYTHON.get(row.client)
    if adapter:
        try:
            importlib.import_module(adapter.module)
        except ImportError:
            need(False, adapter.module, f"apt-get install {row.package}")
    else:
        command = COMMANDS[row.client](row)
    with tempfile.TemporaryDirectory(prefix="larder-clients-") as folder:
        words, environment, more = server_of(row, Path(folder))
        with Server([*words, *loop_arguments(loop)], environment=environment) as server:
            values = client_round.parameters(server.port, binary=row.protocol == "binary", **more)
            if adapter:
                return client_round.run(adapter(values), values)
            return client_round.run_script(command, values)


@functools.cache
def round_of(row, loop):
    """Make the round once; the tests below look at one step each."""
    try:
        return make_round(row, loop)
    except Exception as error:  # every step of it fails then, without waiting for it again
        return dict.fromkeys(client_round.STEPS, f"{type(error).__name__}: {error}")


def check_step(row, step, record_property, loop="auto"):
    outcome = round_of(row, loop)[step]
    if outcome and outcome.startswith("skipped: ") and step in cannot_do(row):
        cannot(record_property, outcome.removeprefix("skipped: "))
    assert outcome is None, outcome


def in_one_process(group, *values):
    """The parameters of tests that share a round, or a compiled program: beside others, but all in one
    process."""
    return pytest.param(*values, id=group, marks=pytest.mark.xdist_group(group))


def steps_of(row):
    group = "spymemcached" if row.client == "spymemcached" else row.name
    return [pytest.param(row, step, id=f"{row.name}-{step}",
                         marks=[row.mark(f"round: {step}"), pytest.mark.xdist_group(group)])
            for step in client_round.STEPS]


# Slow: a sanitizer learns nothing from further clients, the two on each loop below are enough.
@pytest.mark.slow
@pytest.mark.parametrize("row, step", [parameter for row in ROWS for parameter in steps_of(row)])
def test_client_makes_the_round(row, step, record_property):
    check_step(row, step, record_property)


BY_NAME = {row.name: row for row in ROWS}


@pytest.mark.larderd
@pytest.mark.parametrize("step", client_round.STEPS)
@pytest.mark.parametrize("row, loop", [
    in_one_process(f"{name}-{loop}", BY_NAME[name], loop)
    for name in ("pymemcache-text", "pylibmc-text", "pylibmc-binary", "pymemcache-text-TLS",
                 "pylibmc-binary-SASL-PLAIN")
    for loop in ("epoll", "uring")])
def test_client_makes_the_round_on_each_loop(row, loop, step, record_property):
    check_step(row, step, record_property, loop)
