# SPDX-License-Identifier: BSD-3-Clause
# The round of client_round.py with Dalli.
#
# Usage: ruby round.rb PARAMETERS     PARAMETERS is the JSON of client_round.parameters()
# frozen_string_literal: true

require 'json'
require 'openssl'
require 'dalli'

$stdout.sync = true
Dalli.logger.level = Logger::FATAL
P = JSON.parse(ARGV[0])

def tls_context
  context = OpenSSL::SSL::SSLContext.new
  context.ca_file = P['ca']
  context.verify_mode = OpenSSL::SSL::VERIFY_PEER
  context
end

# value_max_bytes: the server shall judge the size.
MEMC = Dalli::Client.new("#{P['ca'] ? 'localhost' : P['host']}:#{P['port']}",
                         { username: P['user'], password: P['password'],
                           ssl_context: P['ca'] && tls_context, compress: false,
                           socket_timeout: P['patience_s'], value_max_bytes: 1 << 26 }.compact)
RAW = { raw: true }.freeze

class Skip < StandardError
end

def step(name)
  yield
  puts "ok - #{name}"
rescue Skip => e
  puts "ok - #{name} # SKIP #{e.message}"
rescue StandardError => e
  reason = "#{e.class}: #{e.message} at #{(e.backtrace.grep(/round.rb/).first || '')[/round.rb:\d+/]}"
  puts "not ok - #{name}: #{reason.tr("\r\n", '  ')[0, 300]}"
end

def check(good, what = 'refused')
  raise what unless good
end

def check_is(got, expected)
  return if got == expected

  shown = [got, expected].map { |v| v.is_a?(String) && v.size > 60 ? "#{v.size} bytes" : v.inspect }
  raise "got #{shown[0]}, expected #{shown[1]}"
end

# The client may raise, or return false.
def refused?
  !yield
rescue Dalli::DalliError
  true
end

def still_serves(key)
  check(MEMC.set(key, 'next', 0, RAW), 'the next command after the refusal failed')
  check_is(MEMC.get(key), 'next')
end

step('store') { check(MEMC.set('store', 'x', 0, RAW)) }

step('fetch') do
  value = P['awkward'].b + (0..255).map(&:chr).join.b
  check(MEMC.set('fetch', value, 0, RAW))
  check_is(MEMC.get('fetch').b, value)
end

step('miss') { check_is(MEMC.get('miss'), nil) }

step('multi_get') do
  raise Skip, 'the client calls what its own TLS sockets do not have' if
    P['ca'] && !Dalli::Socket::SSLSocket.method_defined?(:server)

  stored = (0...P['many']).to_h { |n| ["many:#{n}", "value #{n}"] }
  MEMC.multi { stored.each { |key, value| MEMC.set(key, value, 0, RAW) } } # quiet commands
  check_is(MEMC.get_multi(stored.keys.flat_map { |key| [key, key.sub('many', 'none')] }), stored)
end

step('cas') do
  check(MEMC.set('cas', 'one', 0, RAW))
  value, token = MEMC.get_cas('cas')
  check_is(value, 'one')
  check(MEMC.set_cas('cas', 'two', token, 0, RAW), 'the first use of the token was refused')
  check(!MEMC.set_cas('cas', 'three', token, 0, RAW), 'the second use of the token was accepted')
  check_is(MEMC.get('cas'), 'two')
end

step('incr') do
  check(MEMC.set('incr', 10, 0, RAW))
  check_is(MEMC.incr('incr', 5), 15)
  check_is(MEMC.decr('incr', 6), 9)
  check_is(MEMC.decr('incr', 100), 0)
  check_is(MEMC.incr('incr:none', 1), nil)
  check_is(MEMC.incr('incr:initial', 1, 0, 7), 7)
  check_is(MEMC.incr('incr:initial', 1), 8)
end

step('large_value') do
  value = ('0123456789abcdef!' * (P['large_size'] / 16))[0, P['large_size']]
  check(MEMC.set('large', value, 0, RAW))
  check_is(MEMC.get('large'), value)
end

step('too_large_value') do
  check(refused? { MEMC.set('huge', 'x' * P['too_large_size'], 0, RAW) }, 'it was stored')
  check_is(MEMC.get('huge'), nil)
  still_serves('after:huge')
end

step('expiry') do
  now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
  started = now.call
  check(MEMC.set('expiry', 'x', P['ttl_s'], RAW))
  while MEMC.get('expiry')
    check(now.call < started + P['ttl_s'] + P['patience_s'], 'still there')
    sleep 0.05
  end
  check(now.call > started + P['ttl_s'] - 1.2, 'gone too early')
end

step('delete') do
  check(MEMC.set('delete', 'x', 0, RAW))
  check(MEMC.delete('delete'))
  check_is(MEMC.get('delete'), nil)
  check(!MEMC.delete('delete'), 'the second delete found something')
end

# Two flags: one says that the value is marshalled, one that it is compressed.
step('flags') do
  ['text ä', 42, [1, { 'a' => nil }], 'compressible ' * 1000].each do |value|
    check(MEMC.set('flags', value, 0, { compress: true }))
    check_is(MEMC.get('flags'), value)
  end
end

step('longest_key') do
  key = 'k' * P['longest_key']
  check(MEMC.set(key, 'x', 0, RAW))
  check_is(MEMC.get(key), 'x')
end

puts 'ok - too_long_key # SKIP the client shortens such a key to a digest'
