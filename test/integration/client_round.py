# SPDX-License-Identifier: BSD-3-Clause
"""The round every client makes: one definition, whatever the client is written in.

Each step stands on its own (own keys, no order). A client in Python is driven through an adapter
(client_python.py) by run(); one in another language by clients/round.*, which gets parameters()
as JSON in its last argument and prints a line for each step, in the form of TAP:

    ok - fetch
    ok - cas # SKIP the client has no such call
    not ok - expiry: still there after 4 s

store            a value that cannot be there yet is stored
fetch            it comes back byte for byte: text with CR LF and "END" in it
miss             what was never stored is not found
multi_get        `many` keys in one call, and as many that do not exist: exactly the stored ones come
cas              a token stores once; the second use is refused and changes nothing
incr             counts up and down, stops at 0, refuses a key that does not exist
large_value      `large_size` bytes, near the item size limit
too_large_value  `too_large_size` bytes are refused, and the connection serves the next command
expiry           gone after `ttl_s` seconds, and not much earlier
delete           gone; a second delete says so
flags            the client's flags (or the types it keeps in them) come back
longest_key      `longest_key` characters work
too_long_key     one more is refused by client or server, and the next command works
"""

import json
import re
import subprocess
import time

STEPS = ["store", "fetch", "miss", "multi_get", "cas", "incr", "large_value", "too_large_value",
         "expiry", "delete", "flags", "longest_key", "too_long_key"]

# The limit counts the item's header and key too, so a value of exactly 1 MiB is not stored at the
# default -I 1m. Where the cut lies is the engine's matter; below and above these it has no choice.
LARGE_SIZE = (1 << 20) - 1024
TOO_LARGE_SIZE = (1 << 20) + 1024

SCRIPT_TIMEOUT_S = 200
PATIENCE_S = 60  # a busy machine may take long over what takes milliseconds elsewhere


def parameters(port, binary=False, user=None, password=None, ca=None):
    """ca: the file of those who vouch for the server, which speaks TLS then and is called localhost."""
    return {"host": "127.0.0.1", "port": port, "binary": binary, "user": user, "password": password,
            "ca": ca, "many": 1000, "ttl_s": 2, "patience_s": PATIENCE_S, "longest_key": 250,
            "large_size": LARGE_SIZE, "too_large_size": TOO_LARGE_SIZE,
            "awkward": "a\r\nEND\r\nVALUE x 0 1\r\n\tb  "}


def run(adapter, values):
    """Drive an adapter through all steps: {step: None when it worked, else why not}."""
    results = {}
    for step in STEPS:
        try:
            globals()["step_" + step](adapter, values)
            results[step] = None
        except Exception as error:  # a client may raise anything: it is the finding
            results[step] = f"{type(error).__name__}: {error}"
    return results


def words_of(command, values):
    """The parameters as command line words: JSON, or NAME=VALUE for Java, which has none on board."""
    if "Round" not in command:
        return [json.dumps(values)]
    return [f"{name}={str(value).lower() if isinstance(value, bool) else value}"
            for name, value in values.items() if value is not None]


def run_script(command, values):
    """Run a script of clients/: {step: ...} as run() gives it."""
    done = subprocess.run([*command, *words_of(command, values)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=SCRIPT_TIMEOUT_S)
    results = {step: "the script did not report this step" for step in STEPS}
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"(not )?ok - (\w+)(?: # SKIP (.*)|: (.*))?", line)
        assert match and match[2] in STEPS, f"unexpected line of the script: {line!r}"
        if match[3]:
            results[match[2]] = f"skipped: {match[3].strip()}"
        else:
            results[match[2]] = (match[4] or "no reason given") if match[1] else None
    assert done.returncode == 0, f"the script ended with {done.returncode}:\n{done.stderr}"
    return results


# ---- the steps, for adapters: set(key, value, ttl_s) -> bool; get(key); get_many(keys) -> dict;
# gets(key) -> (value, token); cas(key, value, token) -> bool; incr, decr(key, delta) -> int or
# None; delete(key) -> bool; flags_round(key) raises AssertionError; refused: its exceptions ----

def still_serves(adapter, key):
    assert adapter.set(key, b"next"), "the next command after the refusal failed"
    assert adapter.get(key) == b"next", "the next fetch after the refusal failed"


def step_store(adapter, _):
    assert adapter.set("store", b"x")


def step_fetch(adapter, values):
    value = values["awkward"].encode() + bytes(range(256))
    assert adapter.set("fetch", value)
    assert adapter.get("fetch") == value


def step_miss(adapter, _):
    assert adapter.get("miss") is None


def step_multi_get(adapter, values):
    stored = {f"many:{n}": b"value %d" % n for n in range(values["many"])}
    for key, value in stored.items():
        assert adapter.set(key, value)
    absent = [f"none:{n}" for n in range(values["many"])]
    keys = [key for pair in zip(stored, absent) for key in pair]
    found = adapter.get_many(keys)
    assert found == stored, f"{len(found)} of {len(stored)} keys, or wrong values"


def step_cas(adapter, _):
    assert adapter.set("cas", b"1")
    value, token = adapter.gets("cas")
    assert value == b"1"
    assert adapter.cas("cas", b"2", token), "the first use of the token was refused"
    assert not adapter.cas("cas", b"3", token), "the second use of the token was accepted"
    assert adapter.get("cas") == b"2"


def step_incr(adapter, _):
    assert adapter.set("incr", b"10")
    assert adapter.incr("incr", 5) == 15
    assert adapter.decr("incr", 6) == 9
    assert adapter.decr("incr", 100) == 0
    assert adapter.incr("incr:none", 1) is None


def step_large_value(adapter, values):
    value = bytes(n % 251 for n in range(values["large_size"]))
    assert adapter.set("large", value)
    assert adapter.get("large") == value


def step_too_large_value(adapter, values):
    try:
        assert not adapter.set("huge", b"x" * values["too_large_size"]), "it was stored"
    except adapter.refused:
        pass
    assert adapter.get("huge") is None
    still_serves(adapter, "after:huge")


def step_expiry(adapter, values):
    started = time.monotonic()
    assert adapter.set("expiry", b"x", ttl_s=values["ttl_s"])
    while adapter.get("expiry") is not None:
        assert time.monotonic() < started + values["ttl_s"] + PATIENCE_S, "still there"
        time.sleep(0.05)
    # The server's clock counts whole seconds: up to one second early is allowed.
    assert time.monotonic() > started + values["ttl_s"] - 1.2, "gone too early"


def step_delete(adapter, _):
    assert adapter.set("delete", b"x")
    assert adapter.delete("delete")
    assert adapter.get("delete") is None
    assert not adapter.delete("delete"), "the second delete found something"


def step_flags(adapter, _):
    adapter.flags_round("flags")


def step_longest_key(adapter, values):
    key = "k" * values["longest_key"]
    assert adapter.set(key, b"x")
    assert adapter.get(key) == b"x"


def step_too_long_key(adapter, values):
    key = "k" * (values["longest_key"] + 1)
    try:
        assert not adapter.set(key, b"x"), "it was stored"
    except adapter.refused:
        pass
    still_serves(adapter, "after:long")
