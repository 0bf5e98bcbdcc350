/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "engine/engine.h"

enum { TICKS_MAX = 100000, BUSY_MAX = 1000 };

static void on_event(void *context, enum larder_event what, const struct larder_ref *item)
{
    struct rig *rig = context;

    assert_true(item->key_size > 0);
    rig->evicted += what == LARDER_EVENT_EVICTED ? 1 : 0;
    rig->expired += what == LARDER_EVENT_EXPIRED ? 1 : 0;
}

void rig_engine(struct rig *rig, const char *name)
{
    struct engine_module module = {NULL, NULL};
    char why[256];

    assert_int_equal(engine_load(name == NULL ? "segment" : name, &module, why, sizeof(why)),
                     ENGINE_LOAD_OK);
    rig->ops = module.ops;
}

void rig_open_config(struct rig *rig, const char *name, struct larder_config config)
{
    memset(rig, 0, sizeof(*rig));
    rig_engine(rig, name);
    rig->now_s = 1000;
    rig->config = config;
    rig->config.size = sizeof(config);
    rig->host = (struct larder_host){.size = sizeof(rig->host),
                                     .abi_major = LARDER_ENGINE_ABI_MAJOR,
                                     .abi_minor = LARDER_ENGINE_ABI_MINOR,
                                     .context = rig,
                                     .event = on_event};
    assert_int_equal(rig->ops->open(&rig->host, &rig->config, &rig->engine), LARDER_OK);
    for (uint32_t i = 0; i < config.thread_count; i++) {
        assert_int_equal(rig->ops->thread_attach(rig->engine, i, &rig->threads[i]), LARDER_OK);
    }
}

void rig_open(struct rig *rig, const char *name, uint64_t memory_max)
{
    rig_open_config(
        rig, name,
        (struct larder_config){
            .thread_count = 2, .memory_max = memory_max, .item_size_max = RIG_MIB, .evict = true});
}

void rig_close(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->config.thread_count; i++) {
        rig->ops->thread_detach(&rig->threads[i]);
    }
    rig->ops->close(&rig->engine);
    assert_null(rig->engine);
}

struct larder_key rig_key(const char *text)
{
    size_t size = strlen(text);

    return (struct larder_key){text, (uint32_t)size,
                               base_hash_key((struct base_slice){text, size})};
}

struct larder_key rig_numbered(char buffer[RIG_KEY_SIZE], uint64_t number)
{
    (void)snprintf(buffer, RIG_KEY_SIZE, "key-%llu", (unsigned long long)number);
    return rig_key(buffer);
}

enum larder_result rig_put_bytes(struct rig *rig, uint32_t thread, const struct larder_key *key,
                                 const void *value, size_t size, struct larder_put *put)
{
    struct larder_piece piece = {value, size};
    struct larder_put plain = {0};
    enum larder_result result = LARDER_BUSY;

    put = put == NULL ? &plain : put;
    put->pieces = &piece;
    put->piece_count = 1;
    for (uint32_t i = 0; i < BUSY_MAX && result == LARDER_BUSY; i++) {
        rig->ops->thread_begin(rig->threads[thread], rig->now_s);
        result = rig->ops->put(rig->threads[thread], key, put);
        rig->ops->thread_end(rig->threads[thread]);
    }
    put->pieces = NULL;
    put->piece_count = 0;
    return result;
}

enum larder_result rig_put(struct rig *rig, const char *key, const char *value,
                           struct larder_put *put)
{
    struct larder_key k = rig_key(key);

    return rig_put_bytes(rig, 0, &k, value, strlen(value), put);
}

enum larder_result rig_get_key(struct rig *rig, const struct larder_key *key, uint32_t flags,
                               struct larder_ref *ret_ref)
{
    enum larder_result result;

    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    rig->ops->prefetch(rig->threads[0], key, 1);
    rig->ops->get(rig->threads[0], key, 1, flags, 0, ret_ref, &result);
    if (result == LARDER_OK) {
        assert_int_equal(ret_ref->key_size, key->size);
        assert_memory_equal(ret_ref->key, key->data, key->size);
        rig->ops->release(rig->threads[0], ret_ref, 1);
    }
    rig->ops->thread_end(rig->threads[0]);
    return result;
}

enum larder_result rig_get(struct rig *rig, const char *key, uint32_t flags,
                           struct larder_ref *ret_ref)
{
    struct larder_key k = rig_key(key);

    return rig_get_key(rig, &k, flags, ret_ref);
}

bool rig_holds(struct rig *rig, const char *key, const char *value)
{
    struct larder_key k = rig_key(key);
    enum larder_result result;
    struct larder_ref ref;
    bool holds;

    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    rig->ops->get(rig->threads[0], &k, 1, LARDER_GET_PEEK, 0, &ref, &result);
    holds = result == LARDER_OK && ref.value_size == strlen(value) &&
            memcmp(ref.value, value, ref.value_size) == 0;
    rig->ops->thread_end(rig->threads[0]);
    return holds;
}

enum larder_result rig_remove(struct rig *rig, const char *key, uint64_t cas)
{
    struct larder_key k = rig_key(key);
    enum larder_result result;

    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    result = rig->ops->remove(rig->threads[0], &k, cas);
    rig->ops->thread_end(rig->threads[0]);
    return result;
}

enum larder_result rig_touch(struct rig *rig, const char *key, uint32_t expires_at_s)
{
    struct larder_key k = rig_key(key);
    enum larder_result result;

    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    result = rig->ops->touch(rig->threads[0], &k, expires_at_s);
    rig->ops->thread_end(rig->threads[0]);
    return result;
}

enum larder_result rig_mark(struct rig *rig, const char *key, uint64_t cas, uint32_t set,
                            uint32_t clear, uint32_t *ret_before)
{
    struct larder_key k = rig_key(key);
    enum larder_result result;

    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    result = rig->ops->mark(rig->threads[0], &k, cas, set, clear, ret_before);
    rig->ops->thread_end(rig->threads[0]);
    return result;
}

void rig_tick(struct rig *rig)
{
    uint32_t ticks = 0;

    while (rig->ops->tick(rig->engine, rig->now_s, 1000000)) {
        assert_true(++ticks < TICKS_MAX);
    }
}

struct wanted {
    const char *name;
    uint64_t value;
    bool found;
};

static void on_stat(void *arg, const char *name, const char *value)
{
    struct wanted *wanted = arg;

    if (strcmp(name, wanted->name) == 0) {
        wanted->value = strtoull(value, NULL, 10);
        wanted->found = true;
    }
}

uint64_t rig_stat(struct rig *rig, int group, const char *name)
{
    struct wanted wanted = {name, 0, false};

    rig->ops->stats(rig->engine, group, rig->now_s, on_stat, &wanted);
    if (!wanted.found) {
        fail_msg("no statistic %s", name);
    }
    return wanted.value;
}
