/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bucket of tokens per address; a failure takes one, time brings them back. Counted in thousandths,
 * so that no moment is lost between two calls.
 */
#include "server/guard.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"

enum {
    SET_COUNT = SERVER_GUARD_ADDRESSES_MAX / SERVER_GUARD_WAYS, /* power of two */
    TOKEN = 1000,
    MINUTE_MS = 60000,
};

struct entry {
    struct server_guard_key key; /* kind 0: free */
    uint64_t at_ms;              /* when `tokens` was right */
    int64_t tokens;              /* thousandths; below 0: it owes */
};

struct server_guard {
    pthread_mutex_t lock;
    uint64_t seed; /* nobody can choose addresses that share a place */
    int64_t full;  /* thousandths; 0: no limit */
    struct entry entries[SET_COUNT][SERVER_GUARD_WAYS];
};

struct server_guard_key server_guard_key_of(const struct net_address *peer, int fd)
{
    struct server_guard_key key = {.kind = 1};
    struct ucred other;
    socklen_t size = sizeof(other);
    uint32_t v4;
    if (peer->size > 0 && peer->any.sa_family == AF_INET) {
        key.kind = 4;
        key.value = peer->in.sin_addr.s_addr;
    } else if (peer->size > 0 && peer->any.sa_family == AF_INET6) {
        if (IN6_IS_ADDR_V4MAPPED(&peer->in6.sin6_addr)) {
            memcpy(&v4, &peer->in6.sin6_addr.s6_addr[12], sizeof(v4));
            return (struct server_guard_key){.kind = 4, .value = v4};
        }
        key.kind = 6;
        memcpy(&key.value, peer->in6.sin6_addr.s6_addr, sizeof(key.value));
    } else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &other, &size) == 0) {
        key.value = other.uid;
    }
    return key;
}

struct server_guard *server_guard_create(uint32_t failures_max, uint64_t seed)
{
    struct server_guard *guard = calloc(1, sizeof(*guard));
    if (guard != NULL) {
        CHECK(pthread_mutex_init(&guard->lock, NULL) == 0);
        guard->seed = seed;
        guard->full = (int64_t)failures_max * TOKEN;
    }
    return guard;
}

void server_guard_destroy(struct server_guard **guard)
{
    if (*guard != NULL) {
        pthread_mutex_destroy(&(*guard)->lock);
        free(*guard);
        *guard = NULL;
    }
}

static struct entry *set_of(struct server_guard *guard, struct server_guard_key key)
{
    const uint64_t words[] = {guard->seed, key.kind, key.value};
    const struct base_slice bytes = {(const char *)words, sizeof(words)};
    return guard->entries[base_hash_key(bytes) & (SET_COUNT - 1)];
}

/* What time has brought. An entry that is full again is free. */
static void refill(const struct server_guard *guard, struct entry *entry, uint64_t now_ms)
{
    const uint64_t passed_ms = now_ms > entry->at_ms ? now_ms - entry->at_ms : 0;
    if (passed_ms >= 2 * (uint64_t)MINUTE_MS) {
        entry->tokens = guard->full;
    } else { /* what is less than a thousandth is left for the next time */
        const uint64_t brought = (uint64_t)guard->full * passed_ms / MINUTE_MS;
        entry->tokens += (int64_t)brought;
        entry->at_ms += brought * MINUTE_MS / (uint64_t)guard->full;
    }
    if (entry->tokens >= guard->full) {
        *entry = (struct entry){.tokens = guard->full};
    }
}

/* Its entry; NULL: there is none. Everybody's of the set gets what time has brought. */
static struct entry *find(const struct server_guard *guard, struct entry *set,
                          struct server_guard_key key, uint64_t now_ms)
{
    struct entry *found = NULL;
    for (int i = 0; i < SERVER_GUARD_WAYS; i++) {
        if (set[i].key.kind != 0) {
            refill(guard, &set[i], now_ms);
        }
        if (set[i].key.kind == key.kind && set[i].key.value == key.value) {
            found = &set[i];
        }
    }
    return found;
}

static struct entry *take(const struct server_guard *guard, struct entry *set,
                          struct server_guard_key key, uint64_t now_ms)
{
    struct entry *best = &set[0];
    for (int i = 0; i < SERVER_GUARD_WAYS && best->key.kind != 0; i++) {
        if (set[i].key.kind == 0 || set[i].tokens > best->tokens) {
            best = &set[i];
        }
    }
    *best = (struct entry){.key = key, .at_ms = now_ms, .tokens = guard->full};
    return best;
}

bool server_guard_allows(struct server_guard *guard, struct server_guard_key key, uint64_t now_ms)
{
    if (guard->full == 0) {
        return true;
    }
    CHECK(pthread_mutex_lock(&guard->lock) == 0);
    const struct entry *entry = find(guard, set_of(guard, key), key, now_ms);
    const bool allowed = entry == NULL || entry->tokens >= TOKEN;
    CHECK(pthread_mutex_unlock(&guard->lock) == 0);
    return allowed;
}

bool server_guard_failed(struct server_guard *guard, struct server_guard_key key, uint64_t now_ms)
{
    if (guard->full == 0) {
        return false;
    }
    CHECK(pthread_mutex_lock(&guard->lock) == 0);
    struct entry *set = set_of(guard, key);
    struct entry *entry = find(guard, set, key, now_ms);
    if (entry == NULL) {
        entry = take(guard, set, key, now_ms);
    }
    const bool was_allowed = entry->tokens >= TOKEN;
    entry->tokens -= TOKEN;
    if (entry->tokens < -guard->full) {
        entry->tokens = -guard->full;
    }
    const bool is_allowed = entry->tokens >= TOKEN;
    CHECK(pthread_mutex_unlock(&guard->lock) == 0);
    return was_allowed && !is_allowed;
}
