/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses that fail to log in too often, and for how long they are not listened to.
 *
 * An address may fail `failures_max` times at once, and as often again per minute. Beyond that what
 * comes from it is refused without a look, the right password too. It can owe as much again, so that
 * whoever never stops waits up to two minutes; connections that are logged in notice nothing of it.
 *
 * The table has a fixed size. Where there is no place for one more address, the least guilty of
 * those that share its place is forgotten: a flood from everywhere can make it forget, not grow.
 * Any thread; a lock is held for a few words. It is only used when somebody logs in.
 */
#ifndef LARDER_SERVER_GUARD_H
#define LARDER_SERVER_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/sock.h"

enum {
    SERVER_GUARD_ADDRESSES_MAX = 4096,
    SERVER_GUARD_WAYS = 8, /* addresses that share a place */
};

struct server_guard;

/* Whom failures are counted for: an IPv4 address, an IPv6 network of 64 bits, a local user. */
struct server_guard_key {
    uint64_t kind; /* 4, 6, 1 */
    uint64_t value;
};

/* fd: of a UNIX socket, whose other end's user it is. */
struct server_guard_key server_guard_key_of(const struct net_address *peer, int fd);

/* failures_max 0: no limit. Given; NULL: no memory. */
BASE_MUST_USE struct server_guard *server_guard_create(uint32_t failures_max, uint64_t seed);
void server_guard_destroy(struct server_guard **guard);

/* Is the address listened to now? */
BASE_MUST_USE bool server_guard_allows(struct server_guard *guard, struct server_guard_key key,
                                       uint64_t now_ms);
/* It has failed once more. Returns true when it is not listened to from now on, and was before. */
bool server_guard_failed(struct server_guard *guard, struct server_guard_key key, uint64_t now_ms);

#endif
