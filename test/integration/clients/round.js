// SPDX-License-Identifier: BSD-3-Clause
// The round of client_round.py with npm's memcached.
//
// Usage: node round.js PARAMETERS     PARAMETERS is the JSON of client_round.parameters()
'use strict';

const assert = require('assert').strict;
const {promisify} = require('util');
const Memcached = require('memcached');

const p = JSON.parse(process.argv[2]);
// maxValue: the server shall judge the size. keyCompression would hash a too long key.
const newClient = () => new Memcached(`${p.host}:${p.port}`, {
  maxValue: 1 << 26, keyCompression: false, retries: 0, timeout: p.patience_s * 1000, idle: p.patience_s * 1000,
});
let client = newClient();
const call = (name) => (...words) => promisify(client[name].bind(client))(...words);
const [set, get, getMulti, gets, cas, incr, decr, del] =
  ['set', 'get', 'getMulti', 'gets', 'cas', 'incr', 'decr', 'del'].map(call);
const pause = promisify(setTimeout);

async function step(name, code) {
  try {
    await code();
    console.log(`ok - ${name}`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    console.log(`not ok - ${name}: ${text.slice(0, 300).replace(/[\r\n]+/g, ' ')}`);
  }
}

async function stillServes(key) {
  assert.equal(await set(key, 'next', 0), true, 'the next command after the refusal failed');
  assert.equal(await get(key), 'next');
}

async function main() {
  await step('store', async () => assert.equal(await set('store', 'x', 0), true));

  // It reads the socket as UTF-8 text, so a string has to be text.
  await step('fetch', async () => {
    const value = p.awkward + 'äöü€😀';
    assert.equal(await set('fetch', value, 0), true);
    assert.equal(await get('fetch'), value);
  });

  await step('miss', async () => assert.equal(await get('miss'), undefined));

  await step('multi_get', async () => {
    const stored = {};
    const keys = [];
    for (let n = 0; n < p.many; n++) {
      stored[`many:${n}`] = `value ${n}`;
      keys.push(`many:${n}`, `none:${n}`);
    }
    await Promise.all(Object.entries(stored).map(([key, value]) => set(key, value, 0)));
    assert.deepEqual({...await getMulti(keys)}, stored);
  });

  // The token comes in the member `cas`, beside the one named as the key.
  await step('cas', async () => {
    assert.equal(await set('swap', 'one', 0), true);
    const got = await gets('swap');
    assert.equal(got.swap, 'one');
    assert.equal(await cas('swap', 'two', got.cas, 0), true, 'the first use of the token');
    assert.equal(await cas('swap', 'three', got.cas, 0), false, 'the second use of the token');
    assert.equal(await get('swap'), 'two');
  });

  await step('incr', async () => {
    assert.equal(await set('incr', 10, 0), true);
    assert.equal(await incr('incr', 5), 15);
    assert.equal(await decr('incr', 6), 9);
    assert.equal(await decr('incr', 100), 0);
    assert.equal(await incr('incr:none', 1), false);
  });

  await step('large_value', async () => {
    const value = '0123456789abcdef!'.repeat(p.large_size / 16).slice(0, p.large_size);
    assert.equal(await set('large', value, 0), true);
    assert.ok(await get('large') === value, 'another value came back');
  });

  // It takes any SERVER_ERROR for a dead server and closes: the next command needs a new client.
  await step('too_large_value', async () => {
    const issue = new Promise((resolve) => client.once('issue', resolve));
    assert.equal(await set('huge', 'x'.repeat(p.too_large_size), 0), false);
    assert.match((await issue).messages.join(), /object too large for cache/);
    client.end();
    client = newClient();
    assert.equal(await get('huge'), undefined);
    await stillServes('after:huge');
  });

  await step('expiry', async () => {
    const started = Date.now();
    assert.equal(await set('expiry', 'x', p.ttl_s), true);
    while (await get('expiry') !== undefined) {
      assert.ok(Date.now() < started + (p.ttl_s + p.patience_s) * 1000, 'still there');
      await pause(50);
    }
    assert.ok(Date.now() > started + (p.ttl_s - 1.2) * 1000, 'gone too early');
  });

  await step('delete', async () => {
    assert.equal(await set('delete', 'x', 0), true);
    assert.equal(await del('delete'), true);
    assert.equal(await get('delete'), undefined);
    assert.equal(await del('delete'), false);
  });

  // Types travel in the flags: JSON, Buffer, number.
  await step('flags', async () => {
    for (const value of [{a: [1, null]}, 42, Buffer.from([0, 1, 13, 10, 127])]) {
      assert.equal(await set('flags', value, 0), true);
      assert.deepEqual(await get('flags'), value);
    }
  });

  await step('longest_key', async () => {
    const key = 'k'.repeat(p.longest_key);
    assert.equal(await set(key, 'x', 0), true);
    assert.equal(await get(key), 'x');
  });

  await step('too_long_key', async () => {
    await assert.rejects(set('k'.repeat(p.longest_key + 1), 'x', 0));
    await stillServes('after:long');
  });
}

main().finally(() => process.exit());
