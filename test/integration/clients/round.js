// SPDX-License-Identifier: BSD-3-Clause
// The round of client_round.py with npm's memcached, memcache-client or memjs.
//
// Usage: node round.js MODULE PARAMETERS     PARAMETERS is the JSON of client_round.parameters()
'use strict';

const assert = require('assert').strict;
const fs = require('fs');
const {promisify} = require('util');

const p = JSON.parse(process.argv[3]);
const address = `${p.ca ? 'localhost' : p.host}:${p.port}`;
const patienceMs = p.patience_s * 1000;

// Every client in the same words: set() true or refused, get() undefined for a miss, incr() a number or
// undefined; cannot: what it has no call for; typed: values whose type travels in the flags.

function memcached() {
  const Memcached = require('memcached');
  // maxValue: the server shall judge the size. keyCompression would hash a too long key.
  const client = new Memcached(address, {
    maxValue: 1 << 26, keyCompression: false, retries: 0, timeout: patienceMs, idle: patienceMs,
  });
  const call = (name) => (...words) => promisify(client[name].bind(client))(...words);
  const [set, gets, cas, incr, decr] = ['set', 'gets', 'cas', 'incr', 'decr'].map(call);
  const number = (value) => (value === false ? undefined : value);
  return {
    typed: [{a: [1, null]}, 42, Buffer.from([0, 1, 13, 10, 127])],
    set: (key, value, ttlS = 0) => set(key, value, ttlS),
    get: call('get'),
    getMany: async (keys) => ({...await call('getMulti')(keys)}),
    // The token comes in the member `cas`, beside the one named as the key.
    gets: async (key) => {
      const got = await gets(key);
      return {value: got[key], token: got.cas};
    },
    cas: (key, value, token) => cas(key, value, token, 0),
    incr: async (key, delta) => number(await incr(key, delta)),
    decr: async (key, delta) => number(await decr(key, delta)),
    delete: call('del'),
    // It takes any SERVER_ERROR for a dead server, says so, and closes.
    isRefused: async (key, value) => {
      const issue = new Promise((resolve) => client.once('issue', resolve));
      try {
        assert.equal(await set(key, value, 0), false);
      } catch (error) {
        return true; // by the client
      }
      assert.match((await issue).messages.join(), /object too large for cache/);
      return true;
    },
    close: () => client.end(),
  };
}

function memcacheClient() {
  const {MemcacheClient} = require('memcache-client');
  const client = new MemcacheClient({
    server: address, cmdTimeout: patienceMs, tls: p.ca ? {ca: fs.readFileSync(p.ca)} : undefined,
  });
  // Whatever is not a plain yes is an error whose text is the server's line.
  const unless = async (line, asked, otherwise) => {
    try {
      return await asked;
    } catch (error) {
      if (error.message !== line) throw error;
      return otherwise;
    }
  };
  const number = async (asked) => {
    const got = await unless('NOT_FOUND', asked, undefined);
    return got === undefined ? got : Number(got);
  };
  const stored = (key, value, options) => client.set(key, value, options).then(([line]) => line === 'STORED');
  return {
    typed: [{a: [1, null]}, 42, Buffer.from([0, 1, 13, 10, 127])],
    set: (key, value, ttlS = 0) => stored(key, value, {lifetime: ttlS}),
    get: async (key) => (await client.get(key))?.value,
    getMany: async (keys) => Object.fromEntries(
      Object.entries(await client.get(keys)).map(([key, got]) => [key, got.value])),
    gets: async (key) => {
      const got = await client.gets(key);
      return {value: got.value, token: got.casUniq};
    },
    cas: async (key, value, token) => {
      const options = {casUniq: token, lifetime: 0};
      return (await unless('EXISTS', client.cas(key, value, options), ['EXISTS']))[0] === 'STORED';
    },
    incr: (key, delta) => number(client.incr(key, delta)),
    decr: (key, delta) => number(client.decr(key, delta)),
    delete: async (key) => (await unless('NOT_FOUND', client.delete(key), ['NOT_FOUND']))[0] === 'DELETED',
    isRefused: async (key, value) => {
      await assert.rejects(stored(key, value, {lifetime: 0}), /^Error: (CLIENT|SERVER)_ERROR /);
      return true;
    },
    close: () => client.shutdown(),
  };
}

function memjs() {
  // The flags are the serializer's business: it is handed the extras of the packet.
  const serializer = {
    flags: 0,
    serialize: (opcode, value, extras) => {
      extras.writeUInt32BE(serializer.flags, 0);
      return {value, extras};
    },
    deserialize: (opcode, value, extras) => ({value, extras}),
  };
  const client = require('memjs').Client.create(address, {
    username: p.user, password: p.password, timeout: p.patience_s, retries: 1, serializer,
    logger: {log() {}},
  });
  return {
    cannot: {multi_get: 'the client has no such call', cas: 'the client has no such call'},
    createsCounters: true,
    set: (key, value, ttlS = 0) => client.set(key, value, {expires: ttlS}),
    get: async (key) => (await client.get(key)).value?.toString() ?? undefined,
    incr: async (key, delta) => (await client.increment(key, delta, {})).value,
    decr: async (key, delta) => (await client.decrement(key, delta, {})).value,
    delete: (key) => client.delete(key),
    isRefused: async (key, value) => {
      await assert.rejects(client.set(key, value, {}));
      return true;
    },
    flagsRound: async (key) => {
      for (serializer.flags of [0, 1, 0xffff, 0xffffffff]) {
        assert.equal(await client.set(key, 'x', {}), true);
        assert.equal((await client.get(key)).flags.readUInt32BE(0), serializer.flags);
      }
      serializer.flags = 0;
    },
    close: () => client.close(),
  };
}

const newClient = {memcached, 'memcache-client': memcacheClient, memjs}[process.argv[2]];
let client = newClient();
const pause = promisify(setTimeout);

async function step(name, code) {
  if (client.cannot?.[name]) {
    console.log(`ok - ${name} # SKIP ${client.cannot[name]}`);
    return;
  }
  try {
    await code();
    console.log(`ok - ${name}`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    console.log(`not ok - ${name}: ${text.slice(0, 300).replace(/[\r\n]+/g, ' ')}`);
  }
}

// Some close after a refusal, and some leave what they sent to be read as commands: a program that
// does this has to connect anew.
async function isRefusedAndServesAnew(key, value, next) {
  assert.equal(await client.isRefused(key, value), true);
  client.close();
  client = newClient();
  assert.equal(await client.set(next, 'next'), true, 'the next command after the refusal failed');
  assert.equal(await client.get(next), 'next');
}

async function main() {
  await step('store', async () => assert.equal(await client.set('store', 'x'), true));

  // One of them reads the socket as UTF-8 text, so the value has to be text.
  await step('fetch', async () => {
    const value = p.awkward + 'äöü€😀';
    assert.equal(await client.set('fetch', value), true);
    assert.equal(await client.get('fetch'), value);
  });

  await step('miss', async () => assert.equal(await client.get('miss'), undefined));

  await step('multi_get', async () => {
    const stored = {};
    const keys = [];
    for (let n = 0; n < p.many; n++) {
      stored[`many:${n}`] = `value ${n}`;
      keys.push(`many:${n}`, `none:${n}`);
    }
    await Promise.all(Object.entries(stored).map(([key, value]) => client.set(key, value)));
    assert.deepEqual(await client.getMany(keys), stored);
  });

  await step('cas', async () => {
    assert.equal(await client.set('swap', 'one'), true);
    const {value, token} = await client.gets('swap');
    assert.equal(value, 'one');
    assert.equal(await client.cas('swap', 'two', token), true, 'the first use of the token');
    assert.equal(await client.cas('swap', 'three', token), false, 'the second use of the token');
    assert.equal(await client.get('swap'), 'two');
  });

  await step('incr', async () => {
    assert.equal(await client.set('incr', '10'), true);
    assert.equal(await client.incr('incr', 5), 15);
    assert.equal(await client.decr('incr', 6), 9);
    assert.equal(await client.decr('incr', 100), 0);
    // One of them cannot but give an initial number with it, which is 0.
    assert.equal(await client.incr('incr:none', 1), client.createsCounters ? 0 : undefined);
  });

  await step('large_value', async () => {
    const value = '0123456789abcdef!'.repeat(p.large_size / 16).slice(0, p.large_size);
    assert.equal(await client.set('large', value), true);
    assert.ok(await client.get('large') === value, 'another value came back');
  });

  await step('too_large_value', async () => {
    await isRefusedAndServesAnew('huge', 'x'.repeat(p.too_large_size), 'after:huge');
    assert.equal(await client.get('huge'), undefined);
  });

  await step('expiry', async () => {
    const started = Date.now();
    assert.equal(await client.set('expiry', 'x', p.ttl_s), true);
    while (await client.get('expiry') !== undefined) {
      assert.ok(Date.now() < started + (p.ttl_s + p.patience_s) * 1000, 'still there');
      await pause(50);
    }
    assert.ok(Date.now() > started + (p.ttl_s - 1.2) * 1000, 'gone too early');
  });

  await step('delete', async () => {
    assert.equal(await client.set('delete', 'x'), true);
    assert.equal(await client.delete('delete'), true);
    assert.equal(await client.get('delete'), undefined);
    assert.equal(await client.delete('delete'), false);
  });

  await step('flags', async () => {
    await client.flagsRound?.('flags');
    for (const value of client.typed ?? []) {
      assert.equal(await client.set('flags', value), true);
      assert.deepEqual(await client.get('flags'), value);
    }
  });

  await step('longest_key', async () => {
    const key = 'k'.repeat(p.longest_key);
    assert.equal(await client.set(key, 'x'), true);
    assert.equal(await client.get(key), 'x');
  });

  await step('too_long_key', () => isRefusedAndServesAnew('k'.repeat(p.longest_key + 1), 'x', 'after:long'));
}

main().finally(() => process.exit());
