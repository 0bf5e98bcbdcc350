/* SPDX-License-Identifier: BSD-3-Clause */
/* See prefix.h. One table, one lock; entries live until reset. */
#include "server/prefix.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "proto/binary.h"

enum {
    SLOT_COUNT = 4096,    /* chains; power of two */
    PREFIXES_MAX = 65536, /* counted; later ones are not. memcached's limit */
    LINE_ROOM = 512       /* bytes of one line */
};

struct prefix {
    struct prefix *next;
    uint64_t get_count, hit_count, set_count, delete_count;
    size_t size;
    char text[];
};

struct server_prefixes {
    _Atomic bool on;
    char delimiter;
    pthread_mutex_t lock; /* of all below */
    uint32_t count;
    struct prefix *slots[SLOT_COUNT];
};

int server_prefixes_create(const struct server_config *config,
                           struct server_prefixes **ret_prefixes)
{
    struct server_prefixes *prefixes = calloc(1, sizeof(*prefixes));
    if (prefixes == NULL) {
        return -ENOMEM;
    }
    prefixes->delimiter = config->prefix_delimiter;
    atomic_init(&prefixes->on, config->detail_enabled);
    pthread_mutex_init(&prefixes->lock, NULL);
    *ret_prefixes = prefixes;
    return 0;
}

static void forget(struct server_prefixes *prefixes)
{
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        while (prefixes->slots[i] != NULL) {
            struct prefix *prefix = prefixes->slots[i];
            prefixes->slots[i] = prefix->next;
            free(prefix);
        }
    }
    prefixes->count = 0;
}

void server_prefixes_destroy(struct server_prefixes **prefixes)
{
    if (*prefixes != NULL) {
        forget(*prefixes);
        pthread_mutex_destroy(&(*prefixes)->lock);
        free(*prefixes);
        *prefixes = NULL;
    }
}

bool server_prefixes_on(const struct server *server)
{
    return atomic_load_explicit(&server->prefixes->on, memory_order_relaxed);
}

void server_prefixes_switch(struct server *server, bool on)
{
    atomic_store_explicit(&server->prefixes->on, on, memory_order_relaxed);
}

void server_prefixes_reset(struct server *server)
{
    pthread_mutex_lock(&server->prefixes->lock);
    forget(server->prefixes);
    pthread_mutex_unlock(&server->prefixes->lock);
}

/* The entry of a key's prefix; NULL when it has none or there are too many. Under the lock. */
static struct prefix *find(struct server_prefixes *prefixes, struct base_slice key)
{
    const char *end = memchr(key.data, prefixes->delimiter, key.size);
    if (end == NULL) {
        return NULL;
    }
    struct base_slice text = {key.data, (size_t)(end - key.data)};
    struct prefix **slot = &prefixes->slots[base_hash_key(text) & (SLOT_COUNT - 1)];
    for (struct prefix *prefix = *slot; prefix != NULL; prefix = prefix->next) {
        if (base_slice_equal(text, (struct base_slice){prefix->text, prefix->size})) {
            return prefix;
        }
    }
    if (prefixes->count == PREFIXES_MAX) {
        return NULL;
    }
    struct prefix *prefix = calloc(1, sizeof(*prefix) + text.size);
    if (prefix != NULL) {
        prefix->size = text.size;
        memcpy(prefix->text, text.data, text.size);
        prefix->next = *slot;
        *slot = prefix;
        prefixes->count++;
    }
    return prefix;
}

void server_prefix_get(struct server *server, struct base_slice key, bool hit)
{
    pthread_mutex_lock(&server->prefixes->lock);
    struct prefix *prefix = find(server->prefixes, key);
    if (prefix != NULL) {
        prefix->get_count++;
        prefix->hit_count += hit ? 1 : 0;
    }
    pthread_mutex_unlock(&server->prefixes->lock);
}

void server_prefix_set(struct server *server, struct base_slice key)
{
    pthread_mutex_lock(&server->prefixes->lock);
    struct prefix *prefix = find(server->prefixes, key);
    if (prefix != NULL) {
        prefix->set_count++;
    }
    pthread_mutex_unlock(&server->prefixes->lock);
}

void server_prefix_delete(struct server *server, struct base_slice key)
{
    pthread_mutex_lock(&server->prefixes->lock);
    struct prefix *prefix = find(server->prefixes, key);
    if (prefix != NULL) {
        prefix->delete_count++;
    }
    pthread_mutex_unlock(&server->prefixes->lock);
}

static size_t write_line(char *out, const struct prefix *prefix)
{
    return (size_t)snprintf(out, LINE_ROOM,
                            "PREFIX %.*s get %" PRIu64 " hit %" PRIu64 " set %" PRIu64
                            " del %" PRIu64 "\r\n",
                            (int)prefix->size, prefix->text, prefix->get_count, prefix->hit_count,
                            prefix->set_count, prefix->delete_count);
}

/* Bytes of all lines. Under the lock. */
static size_t measure(const struct server_prefixes *prefixes)
{
    char line[LINE_ROOM];
    size_t size = 0;
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        for (const struct prefix *prefix = prefixes->slots[i]; prefix != NULL;
             prefix = prefix->next) {
            size += write_line(line, prefix);
        }
    }
    return size;
}

/* Under the lock. */
static bool write_lines(const struct server_prefixes *prefixes, struct net_stream *stream)
{
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        for (const struct prefix *prefix = prefixes->slots[i]; prefix != NULL;
             prefix = prefix->next) {
            char *out = net_stream_room(stream, LINE_ROOM);
            if (out == NULL) {
                return false;
            }
            net_stream_wrote(stream, write_line(out, prefix));
        }
    }
    return true;
}

bool server_prefixes_write(struct server *server, struct net_stream *stream,
                           const struct proto_request *packet)
{
    static const char end[] = {'E', 'N', 'D', '\r', '\n'};
    struct server_prefixes *prefixes = server->prefixes;
    bool done = true;
    pthread_mutex_lock(&prefixes->lock);
    if (packet != NULL) {
        char header[PROTO_BINARY_REPLY_MAX];
        const size_t size = proto_binary_write_stat(header, packet, BASE_SLICE("detailed"),
                                                    measure(prefixes) + sizeof(end));
        done = net_stream_write(stream, header, size);
    }
    done = done && write_lines(prefixes, stream);
    pthread_mutex_unlock(&prefixes->lock);
    return done && (packet == NULL || net_stream_write(stream, end, sizeof(end)));
}
