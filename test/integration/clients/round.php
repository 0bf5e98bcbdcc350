<?php
// SPDX-License-Identifier: BSD-3-Clause
// The round of client_round.py with php-memcached (libmemcached under PHP), text protocol.
//
// Usage: php round.php PARAMETERS     PARAMETERS is the JSON of client_round.parameters()
declare(strict_types=1);

$p = json_decode($argv[1]);
$memc = new Memcached();
$memc->setOption(Memcached::OPT_BINARY_PROTOCOL, false);
$memc->setOption(Memcached::OPT_COMPRESSION, false);
$memc->setOption(Memcached::OPT_POLL_TIMEOUT, $p->patience_s * 1000);
$memc->setOption(Memcached::OPT_CONNECT_TIMEOUT, $p->patience_s * 1000);
$memc->addServer($p->host, $p->port);

function step(string $name, callable $code): void
{
    try {
        $code();
        echo "ok - $name\n";
    } catch (Throwable $error) {
        $reason = preg_replace('/[\r\n]+/', ' ', $error->getMessage());
        echo "not ok - $name: $reason at line {$error->getLine()}\n";
    }
}

function check(bool $true, string $what = 'refused'): void
{
    global $memc;
    if (!$true) {
        throw new Exception("$what ({$memc->getResultMessage()})");
    }
}

function check_is($got, $expected): void
{
    if ($got !== $expected) {
        $show = fn ($value) => is_string($value) && strlen($value) > 60
            ? strlen($value) . ' bytes' : var_export($value, true);
        throw new Exception("got {$show($got)}, expected {$show($expected)}");
    }
}

function still_serves(string $key): void
{
    global $memc;
    check($memc->set($key, 'next'), 'the next command after the refusal failed');
    check_is($memc->get($key), 'next');
}

step('store', fn () => check($memc->set('store', 'x')));

step('fetch', function () use ($memc, $p) {
    $value = $p->awkward . implode('', array_map('chr', range(0, 255)));
    check($memc->set('fetch', $value));
    check_is($memc->get('fetch'), $value);
});

step('miss', function () use ($memc) {
    check_is($memc->get('miss'), false);
    check_is($memc->getResultCode(), Memcached::RES_NOTFOUND);
});

step('multi_get', function () use ($memc, $p) {
    $stored = [];
    $keys = [];
    for ($n = 0; $n < $p->many; $n++) {
        $stored["many:$n"] = "value $n";
        array_push($keys, "many:$n", "none:$n");
    }
    check($memc->setMulti($stored));
    $found = $memc->getMulti($keys, Memcached::GET_PRESERVE_ORDER);
    check_is(count($found), 2 * $p->many);
    check_is(array_filter($found, fn ($value) => $value !== null), $stored);
});

step('cas', function () use ($memc) {
    check($memc->set('cas', 'one'));
    $got = $memc->get('cas', null, Memcached::GET_EXTENDED);
    check_is($got['value'], 'one');
    check($memc->cas($got['cas'], 'cas', 'two'), 'the first use of the token was refused');
    check(!$memc->cas($got['cas'], 'cas', 'three'), 'the second use of the token was accepted');
    check_is($memc->getResultCode(), Memcached::RES_DATA_EXISTS);
    check_is($memc->get('cas'), 'two');
});

step('incr', function () use ($memc) {
    check($memc->set('incr', '10'));
    check_is($memc->increment('incr', 5), 15);
    check_is($memc->decrement('incr', 6), 9);
    check_is($memc->decrement('incr', 100), 0);
    check_is($memc->increment('incr:none', 1), false);
});

step('large_value', function () use ($memc, $p) {
    $value = substr(str_repeat('0123456789abcdef!', intdiv($p->large_size, 16)), 0, $p->large_size);
    check($memc->set('large', $value));
    check_is($memc->get('large'), $value);
});

step('too_large_value', function () use ($memc, $p) {
    check(!$memc->set('huge', str_repeat('x', $p->too_large_size)), 'it was stored');
    check_is($memc->get('huge'), false);
    still_serves('after:huge');
});

step('expiry', function () use ($memc, $p) {
    $started = microtime(true);
    check($memc->set('expiry', 'x', $p->ttl_s));
    while ($memc->get('expiry') !== false) {
        check(microtime(true) < $started + $p->ttl_s + $p->patience_s, 'still there');
        usleep(50000);
    }
    check(microtime(true) > $started + $p->ttl_s - 1.2, 'gone too early');
});

step('delete', function () use ($memc) {
    check($memc->set('delete', 'x'));
    check($memc->delete('delete'));
    check_is($memc->get('delete'), false);
    check(!$memc->delete('delete'), 'the second delete found something');
});

// The extension keeps a type in the low half of the flags and the user's 16 bits in the high half.
step('flags', function () use ($memc) {
    $memc->setOption(Memcached::OPT_USER_FLAGS, 0xbeef);
    foreach ([true, 42, 2.5, 'text', ['a' => [1, null]]] as $value) {
        check($memc->set('flags', $value));
        $got = $memc->get('flags', null, Memcached::GET_EXTENDED);
        check_is($got['value'], $value);
        check_is($got['flags'], 0xbeef);
    }
    $memc->setOption(Memcached::OPT_USER_FLAGS, -1);
});

step('longest_key', function () use ($memc, $p) {
    $key = str_repeat('k', $p->longest_key);
    check($memc->set($key, 'x'));
    check_is($memc->get($key), 'x');
});

step('too_long_key', function () use ($memc, $p) {
    check(!$memc->set(str_repeat('k', $p->longest_key + 1), 'x'), 'it was stored');
    still_serves('after:long');
});
