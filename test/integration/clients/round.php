<?php
// SPDX-License-Identifier: BSD-3-Clause
// The round of client_round.py with php-memcached (libmemcached under PHP) or php-memcache (PHP's own).
//
// Usage: php round.php memcached|memcache PARAMETERS     PARAMETERS is the JSON of client_round.parameters()
declare(strict_types=1);

$p = json_decode($argv[2]);

class Skip extends Exception
{
}

class PhpMemcached
{
    public bool $cutsKeys = false;
    public bool $staysLoggedIn = true;
    private Memcached $memc;

    public function __construct(object $p)
    {
        $this->memc = new Memcached();
        $this->memc->setOption(Memcached::OPT_BINARY_PROTOCOL, $p->binary);
        $this->memc->setOption(Memcached::OPT_COMPRESSION, false);
        $this->memc->setOption(Memcached::OPT_POLL_TIMEOUT, $p->patience_s * 1000);
        $this->memc->setOption(Memcached::OPT_CONNECT_TIMEOUT, $p->patience_s * 1000);
        if ($p->user !== null) {
            check($this->memc->setSaslAuthData($p->user, $p->password), 'no SASL');
        }
        $this->memc->addServer($p->host, $p->port);
    }

    public function set(string $key, $value, int $ttl_s = 0): bool
    {
        return $this->memc->set($key, $value, $ttl_s);
    }

    public function get(string $key)
    {
        $value = $this->memc->get($key);
        return $this->memc->getResultCode() === Memcached::RES_NOTFOUND ? null : $value;
    }

    public function getMany(array $keys): array
    {
        $found = $this->memc->getMulti($keys, Memcached::GET_PRESERVE_ORDER);
        check_is(count($found), count($keys));
        return array_filter($found, fn ($value) => $value !== null);
    }

    public function gets(string $key): array
    {
        $got = $this->memc->get($key, null, Memcached::GET_EXTENDED);
        return [$got['value'], $got['cas']];
    }

    public function cas($token, string $key, string $value): bool
    {
        return $this->memc->cas($token, $key, $value)
            || ($this->memc->getResultCode() !== Memcached::RES_DATA_EXISTS
                && throw new Exception($this->memc->getResultMessage()));
    }

    public function incr(string $key, int $delta)
    {
        return $this->memc->increment($key, $delta);
    }

    public function decr(string $key, int $delta)
    {
        return $this->memc->decrement($key, $delta);
    }

    public function delete(string $key): bool
    {
        return $this->memc->delete($key);
    }

    // The extension keeps a type in the low half of the flags and the user's 16 bits in the high half.
    public function flagsRound(string $key): void
    {
        $this->memc->setOption(Memcached::OPT_USER_FLAGS, 0xbeef);
        foreach ([true, 42, 2.5, 'text', ['a' => [1, null]]] as $value) {
            check($this->memc->set($key, $value));
            $got = $this->memc->get($key, null, Memcached::GET_EXTENDED);
            check_is($got['value'], $value);
            check_is($got['flags'], 0xbeef);
        }
        $this->memc->setOption(Memcached::OPT_USER_FLAGS, -1);
    }
}

class PhpMemcache
{
    public bool $cutsKeys = true;
    public bool $staysLoggedIn = true;
    private Memcache $memc;

    public function __construct(object $p)
    {
        ini_set('memcache.protocol', $p->binary ? 'binary' : 'ascii');
        $this->memc = new Memcache();
        if ($p->user !== null) {
            check($this->memc->setSaslAuthData($p->user, $p->password), 'no SASL');
            $this->staysLoggedIn = false;
        }
        $this->memc->addServer($p->host, $p->port, true, 1, $p->patience_s);
        $this->memc->setCompressThreshold(1 << 30);
    }

    // A refusal is a notice and false.
    public function set(string $key, $value, int $ttl_s = 0): bool
    {
        return @$this->memc->set($key, $value, 0, $ttl_s);
    }

    public function get(string $key)
    {
        $value = $this->memc->get($key);
        return $value === false ? null : $value;
    }

    public function getMany(array $keys): array
    {
        $found = $this->memc->get($keys);
        ksort($found, SORT_NATURAL);
        return $found;
    }

    public function gets(string $key): array
    {
        $flags = null;
        $token = null;
        $value = $this->memc->get($key, $flags, $token);
        return [$value, $token];
    }

    public function cas($token, string $key, string $value): bool
    {
        return @$this->memc->cas($key, $value, 0, 0, $token);
    }

    public function incr(string $key, int $delta)
    {
        return $this->memc->increment($key, $delta);
    }

    public function decr(string $key, int $delta)
    {
        return $this->memc->decrement($key, $delta);
    }

    public function delete(string $key): bool
    {
        return $this->memc->delete($key);
    }

    // The low half of the flags is the extension's, for types and compression; the high half is ours.
    public function flagsRound(string $key): void
    {
        foreach ([true, 42, 2.5, 'text', ['a' => [1, null]]] as $value) {
            check($this->memc->set($key, $value, 0xbeef0000));
            $flags = null;
            check_is($this->memc->get($key, $flags), $value);
            check_is($flags & 0xffff0000, 0xbeef0000);
        }
    }
}

function step(string $name, callable $code): void
{
    try {
        $code();
        echo "ok - $name\n";
    } catch (Skip $skip) {
        echo "ok - $name # SKIP {$skip->getMessage()}\n";
    } catch (Throwable $error) {
        $reason = preg_replace('/[\r\n]+/', ' ', $error->getMessage());
        echo "not ok - $name: $reason at line {$error->getLine()}\n";
    }
}

function check(bool $true, string $what = 'refused'): void
{
    if (!$true) {
        throw new Exception($what);
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

$memc = $argv[1] === 'memcache' ? new PhpMemcache($p) : new PhpMemcached($p);

step('store', fn () => check($memc->set('store', 'x')));

step('fetch', function () use ($memc, $p) {
    $value = $p->awkward . implode('', array_map('chr', range(0, 255)));
    check($memc->set('fetch', $value));
    check_is($memc->get('fetch'), $value);
});

step('miss', function () use ($memc) {
    check_is($memc->get('miss'), null);
});

step('multi_get', function () use ($memc, $p) {
    $stored = [];
    $keys = [];
    for ($n = 0; $n < $p->many; $n++) {
        $stored["many:$n"] = "value $n";
        array_push($keys, "many:$n", "none:$n");
    }
    foreach ($stored as $key => $value) {
        check($memc->set($key, $value));
    }
    check_is($memc->getMany($keys), $stored);
});

step('cas', function () use ($memc) {
    check($memc->set('cas', 'one'));
    [$value, $token] = $memc->gets('cas');
    check_is($value, 'one');
    check($memc->cas($token, 'cas', 'two'), 'the first use of the token was refused');
    check(!$memc->cas($token, 'cas', 'three'), 'the second use of the token was accepted');
    check_is($memc->get('cas'), 'two');
});

step('incr', function () use ($memc) {
    check($memc->set('incr', '10'));
    check_is($memc->incr('incr', 5), 15);
    check_is($memc->decr('incr', 6), 9);
    check_is($memc->decr('incr', 100), 0);
    check_is($memc->incr('incr:none', 1), false);
});

step('large_value', function () use ($memc, $p) {
    $value = substr(str_repeat('0123456789abcdef!', intdiv($p->large_size, 16)), 0, $p->large_size);
    check($memc->set('large', $value));
    check_is($memc->get('large'), $value);
});

// It connects anew when it is refused while it still sends, and sends no log-in then.
step('too_large_value', function () use ($memc, $p) {
    if (!$memc->staysLoggedIn) {
        throw new Skip('the client logs in on its first connection only');
    }
    check(!$memc->set('huge', str_repeat('x', $p->too_large_size)), 'it was stored');
    check_is($memc->get('huge'), null);
    still_serves('after:huge');
});

step('expiry', function () use ($memc, $p) {
    $started = microtime(true);
    check($memc->set('expiry', 'x', $p->ttl_s));
    while ($memc->get('expiry') !== null) {
        check(microtime(true) < $started + $p->ttl_s + $p->patience_s, 'still there');
        usleep(50000);
    }
    check(microtime(true) > $started + $p->ttl_s - 1.2, 'gone too early');
});

step('delete', function () use ($memc) {
    check($memc->set('delete', 'x'));
    check($memc->delete('delete'));
    check_is($memc->get('delete'), null);
    check(!$memc->delete('delete'), 'the second delete found something');
});

step('flags', fn () => $memc->flagsRound('flags'));

step('longest_key', function () use ($memc, $p) {
    $key = str_repeat('k', $p->longest_key);
    check($memc->set($key, 'x'));
    check_is($memc->get($key), 'x');
});

step('too_long_key', function () use ($memc, $p) {
    if ($memc->cutsKeys) {
        throw new Skip('the client cuts such a key to 250 bytes');
    }
    check(!$memc->set(str_repeat('k', $p->longest_key + 1), 'x'), 'it was stored');
    still_serves('after:long');
});
