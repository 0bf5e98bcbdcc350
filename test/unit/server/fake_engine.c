/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A storage engine for tests of the server: a hash map under one lock, correct and unforgiving.
 *
 * A module like any other, loaded by its path; built twice, as an engine that answers at once and
 * as one that answers later (FAKE_ASYNC). Its options are switches for what rarely happens:
 *
 *   busy_every=n    every n-th put, commit and touch answers LARDER_BUSY
 *   busy_from=n      ... from the n-th on only
 *   busy_ms=n        every put, commit and touch of the first n ms since the first of them answers LARDER_BUSY
 *   race_every=n    before every n-th conditional put another writer was faster
 *   no_space=1      nothing can be stored
 *   rooms_max=n     so many reservations at once; 0: none
 *   pend_every=n    every n-th get answers LARDER_PENDING (1: all of them)
 *   pend_us=n       how long such a get takes
 *
 * How often that happened is in `stats`, under names that begin with fake_.
 *
 * What breaks the contract aborts: a reference released twice or kept for too long, a second try
 * after LARDER_BUSY without a new turn, a room or an answer that is left at close().
 */
#include <errno.h>
#include <inttypes.h>
#include <larder/engine.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

#ifndef FAKE_ASYNC
#define FAKE_ASYNC 0
#endif

enum { SLOTS = 4096, LENT_MAX = 4096 };

struct item {
    struct item *next;
    uint32_t references; /* 1 while it is in the map, 1 for each that was lent */
    uint32_t key_size, client_flags, expires_at_s, access_s, marks;
    uint64_t cas, stored_number, value_size;
    char *key;
    char *value;
};

/* A get that is answered later. */
struct job {
    struct job *next;
    struct larder_thread *thread;
    uint64_t token;
    uint32_t count, flags;
    uint64_t due_ns;
    bool completed;
    struct larder_key keys[];
};

struct switches {
    uint64_t busy_every, busy_from, busy_ms, race_every, no_space, rooms_max, pend_every, pend_us;
};

struct larder_engine {
    const struct larder_host *host;
    struct switches switches;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    struct item *slots[SLOTS];
    uint64_t item_count, total_count, cas, store_number;
    uint64_t flush_number, flush_at_s; /* items stored up to this number are gone then */
    uint64_t put_count, conditional_count, get_count;
    uint64_t busy_until_ns; /* busy_ms from the first put on */
    uint64_t busy_count, race_count, pend_count, room_count, rooms_open, abandon_count;
    struct job *jobs;
    pthread_t completer;
    bool ending;
};

struct larder_thread {
    struct larder_engine *engine;
    uint32_t now_s;
    bool in_turn;
    bool busy; /* LARDER_BUSY was answered: the next word is thread_end() */
    uint32_t lent_count;
    struct item *lent[LENT_MAX];
};

/* ---- items; under the lock ---- */

static void item_unref(struct item *item)
{
    CHECK(item->references > 0);
    if (--item->references == 0) {
        free(item->key);
        free(item->value);
        free(item);
    }
}

static struct item **slot_of(struct larder_engine *engine, const struct larder_key *key)
{
    struct item **at = &engine->slots[key->hash % SLOTS];
    while (*at != NULL &&
           ((*at)->key_size != key->size || memcmp((*at)->key, key->data, key->size) != 0)) {
        at = &(*at)->next;
    }
    return at;
}

static void unlink_item(struct larder_engine *engine, struct item **at)
{
    struct item *item = *at;
    *at = item->next;
    engine->item_count--;
    item_unref(item);
}

static bool is_dead(const struct larder_engine *engine, const struct item *item, uint32_t now_s)
{
    return (item->expires_at_s != 0 && item->expires_at_s <= now_s) ||
           (engine->flush_at_s <= now_s && item->stored_number <= engine->flush_number);
}

/* The slot of a living item; *slot is NULL when there is none. */
static struct item **find(struct larder_thread *thread, const struct larder_key *key)
{
    struct item **at = slot_of(thread->engine, key);
    if (*at != NULL && is_dead(thread->engine, *at, thread->now_s)) {
        unlink_item(thread->engine, at);
        at = slot_of(thread->engine, key);
    }
    return at;
}

static void fill_ref(struct item *item, struct larder_ref *ref)
{
    *ref = (struct larder_ref){
        .key = item->key,
        .value = item->value,
        .value_size = item->value_size,
        .cas = item->cas,
        .pin = (uint64_t)(uintptr_t)item,
        .key_size = item->key_size,
        .client_flags = item->client_flags,
        .expires_at_s = item->expires_at_s,
        .last_access_s = item->access_s,
        .marks = item->marks,
    };
}

static enum larder_result look_up(struct larder_thread *thread, const struct larder_key *key,
                                  uint32_t flags, struct larder_ref *ret_ref)
{
    struct item *item = *find(thread, key);
    ret_ref->pin = 0;
    if (item == NULL) {
        return LARDER_MISS;
    }
    CHECK(thread->lent_count < LENT_MAX);
    fill_ref(item, ret_ref);
    item->references++;
    thread->lent[thread->lent_count++] = item;
    if ((flags & LARDER_GET_PEEK) == 0) {
        item->marks |= LARDER_MARK_FETCHED;
        item->access_s = thread->now_s;
    }
    return LARDER_OK;
}

/* ---- life ---- */

static uint64_t option(const struct larder_host *host, const char *name, uint64_t preset)
{
    const char *text = host->option(host->context, name);
    return text == NULL ? preset : strtoull(text, NULL, 10);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The thread that answers later: all jobs take equally long, so the oldest is the next. */
static void *complete_jobs(void *arg)
{
    struct larder_engine *engine = arg;
    pthread_mutex_lock(&engine->lock);
    while (!engine->ending) {
        struct job *job = engine->jobs;
        while (job != NULL && job->completed) {
            job = job->next;
        }
        if (job == NULL) {
            pthread_cond_wait(&engine->wake, &engine->lock);
            continue;
        }
        uint64_t now = now_ns();
        if (now < job->due_ns) {
            struct timespec rest = {.tv_nsec = (long)((job->due_ns - now) % 1000000000u)};
            pthread_mutex_unlock(&engine->lock);
            nanosleep(&rest, NULL);
            pthread_mutex_lock(&engine->lock);
            continue;
        }
        uint64_t token = job->token;
        job->completed = true;
        pthread_mutex_unlock(&engine->lock);
        engine->host->complete(engine->host->context, token);
        pthread_mutex_lock(&engine->lock);
    }
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}

static enum larder_result fake_open(const struct larder_host *host,
                                    const struct larder_config *config,
                                    struct larder_engine **ret_engine)
{
    struct larder_engine *engine = calloc(1, sizeof(*engine));
    CHECK(engine != NULL && config->thread_count > 0);
    engine->host = host;
    engine->switches = (struct switches){
        .busy_every = option(host, "busy_every", 0),
        .busy_from = option(host, "busy_from", 0),
        .busy_ms = option(host, "busy_ms", 0),
        .race_every = option(host, "race_every", 0),
        .no_space = option(host, "no_space", 0),
        .rooms_max = option(host, "rooms_max", UINT64_MAX),
        .pend_every = option(host, "pend_every", 1),
        .pend_us = option(host, "pend_us", 200),
    };
    engine->flush_at_s = UINT64_MAX;
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->wake, NULL);
    CHECK(FAKE_ASYNC == 0 || pthread_create(&engine->completer, NULL, complete_jobs, engine) == 0);
    *ret_engine = engine;
    return LARDER_OK;
}

static void fake_close(struct larder_engine **engine_pointer)
{
    struct larder_engine *engine = *engine_pointer;
    if (engine == NULL) {
        return;
    }
    pthread_mutex_lock(&engine->lock);
    engine->ending = true;
    pthread_cond_signal(&engine->wake);
    pthread_mutex_unlock(&engine->lock);
    CHECK(FAKE_ASYNC == 0 || pthread_join(engine->completer, NULL) == 0);
    CHECK(engine->rooms_open == 0 && engine->jobs == NULL);
    for (uint32_t i = 0; i < SLOTS; i++) {
        while (engine->slots[i] != NULL) {
            CHECK(engine->slots[i]->references == 1);
            unlink_item(engine, &engine->slots[i]);
        }
    }
    pthread_cond_destroy(&engine->wake);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
    *engine_pointer = NULL;
}

static enum larder_result fake_attach(struct larder_engine *engine, uint32_t index,
                                      struct larder_thread **ret_thread)
{
    struct larder_thread *thread = calloc(1, sizeof(*thread));
    (void)index;
    CHECK(thread != NULL);
    thread->engine = engine;
    *ret_thread = thread;
    return LARDER_OK;
}

static void fake_detach(struct larder_thread **thread)
{
    CHECK(!(*thread)->in_turn && (*thread)->lent_count == 0);
    free(*thread);
    *thread = NULL;
}

static void fake_begin(struct larder_thread *thread, uint32_t now_s)
{
    CHECK(!thread->in_turn && now_s >= thread->now_s);
    thread->in_turn = true;
    thread->now_s = now_s;
}

static void fake_end(struct larder_thread *thread)
{
    CHECK(thread->in_turn);
    /* After LARDER_BUSY what a handler holds is taken from it; otherwise it has forgotten it. */
    CHECK(thread->lent_count == 0 || thread->busy);
    pthread_mutex_lock(&thread->engine->lock);
    while (thread->lent_count > 0) {
        item_unref(thread->lent[--thread->lent_count]);
    }
    pthread_mutex_unlock(&thread->engine->lock);
    thread->in_turn = false;
    thread->busy = false;
}

/* ---- reading ---- */

static void fake_prefetch(struct larder_thread *thread, const struct larder_key *keys,
                          uint32_t count)
{
    (void)keys;
    CHECK(thread->in_turn && count > 0);
}

/* Answer later. */
static void pend(struct larder_thread *thread, const struct larder_key *keys, uint32_t count,
                 uint32_t flags, uint64_t token)
{
    struct larder_engine *engine = thread->engine;
    struct job **last = &engine->jobs;
    struct job *job = calloc(1, sizeof(*job) + count * sizeof(job->keys[0]));
    CHECK(job != NULL);
    *job = (struct job){.thread = thread, .token = token, .count = count, .flags = flags};
    job->due_ns = now_ns() + engine->switches.pend_us * 1000;
    for (uint32_t i = 0; i < count; i++) {
        char *copy = malloc(keys[i].size);
        CHECK(copy != NULL);
        memcpy(copy, keys[i].data, keys[i].size);
        job->keys[i] = (struct larder_key){copy, keys[i].size, keys[i].hash};
    }
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = job;
    engine->pend_count++;
    pthread_cond_signal(&engine->wake);
}

static void fake_get(struct larder_thread *thread, const struct larder_key *keys, uint32_t count,
                     uint32_t flags, uint64_t token, struct larder_ref *refs,
                     enum larder_result *results)
{
    struct larder_engine *engine = thread->engine;
    CHECK(thread->in_turn && !thread->busy && count > 0);
    pthread_mutex_lock(&engine->lock);
    bool later = FAKE_ASYNC != 0 && ++engine->get_count % engine->switches.pend_every == 0;
    if (later) {
        pend(thread, keys, count, flags, token);
    }
    for (uint32_t i = 0; i < count; i++) {
        results[i] = later ? LARDER_PENDING : look_up(thread, &keys[i], flags, &refs[i]);
    }
    pthread_mutex_unlock(&engine->lock);
}

static void fake_collect(struct larder_thread *thread, uint64_t token, uint32_t count,
                         struct larder_ref *refs, enum larder_result *results)
{
    struct larder_engine *engine = thread->engine;
    CHECK(thread->in_turn && !thread->busy);
    pthread_mutex_lock(&engine->lock);
    struct job **at = &engine->jobs;
    while (*at != NULL && (*at)->token != token) {
        at = &(*at)->next;
    }
    struct job *job = *at;
    CHECK(job != NULL && job->completed && job->thread == thread && job->count == count);
    *at = job->next;
    for (uint32_t i = 0; i < count; i++) {
        char *copy;
        results[i] = look_up(thread, &job->keys[i], job->flags, &refs[i]);
        memcpy(&copy, &job->keys[i].data, sizeof(copy));
        free(copy);
    }
    free(job);
    pthread_mutex_unlock(&engine->lock);
}

static void release_one(struct larder_thread *thread, struct larder_ref *ref)
{
    uint32_t i = 0;
    CHECK(thread->in_turn);
    while (i < thread->lent_count && (uint64_t)(uintptr_t)thread->lent[i] != ref->pin) {
        i++;
    }
    CHECK(i < thread->lent_count); /* else it was given back before */
    pthread_mutex_lock(&thread->engine->lock);
    item_unref(thread->lent[i]);
    pthread_mutex_unlock(&thread->engine->lock);
    thread->lent[i] = thread->lent[--thread->lent_count];
    ref->pin = 0;
}

static void fake_release(struct larder_thread *thread, struct larder_ref *refs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (refs[i].pin != 0) {
            release_one(thread, &refs[i]);
        }
    }
}

/* ---- storing; under the lock ---- */

/* Every n-th time, or for a time, so that the host has to come again. */
static bool is_busy(struct larder_thread *thread)
{
    struct larder_engine *engine = thread->engine;
    const struct switches *switches = &engine->switches;
    CHECK(thread->in_turn && !thread->busy);
    if (engine->put_count++ == 0) {
        engine->busy_until_ns = now_ns() + switches->busy_ms * 1000000;
    }
    if ((switches->busy_every == 0 || engine->put_count < switches->busy_from ||
         engine->put_count % switches->busy_every != 0) &&
        (switches->busy_ms == 0 || now_ns() >= engine->busy_until_ns)) {
        return false;
    }
    engine->busy_count++;
    thread->busy = true;
    return true;
}

static enum larder_result check_condition(struct larder_engine *engine, struct item *old,
                                          const struct larder_put *put)
{
    bool conditional = put->condition == LARDER_COND_CAS || put->condition == LARDER_COND_ABSENT;
    if (conditional && old != NULL && engine->switches.race_every != 0 &&
        ++engine->conditional_count % engine->switches.race_every == 0) {
        old->cas = ++engine->cas; /* as if the same value had been stored once more */
        engine->race_count++;
    }
    switch (put->condition) {
    case LARDER_COND_ABSENT:
        return old == NULL ? LARDER_OK : LARDER_EXISTS;
    case LARDER_COND_PRESENT:
        return old != NULL ? LARDER_OK : LARDER_MISS;
    case LARDER_COND_CAS:
        if (old == NULL) {
            return LARDER_MISS;
        }
        return old->cas == put->cas_expected ? LARDER_OK : LARDER_EXISTS;
    default:
        return LARDER_OK;
    }
}

/* `value` is given. */
static enum larder_result store(struct larder_thread *thread, const struct larder_key *key,
                                char *value, uint64_t value_size, struct larder_put *put)
{
    struct larder_engine *engine = thread->engine;
    struct item **at = find(thread, key);
    enum larder_result result = check_condition(engine, *at, put);
    if (result == LARDER_OK && engine->switches.no_space != 0) {
        result = LARDER_NO_SPACE;
    }
    if (result != LARDER_OK) {
        free(value);
        return result;
    }
    struct item *item = calloc(1, sizeof(*item));
    CHECK(item != NULL);
    *item = (struct item){.references = 1, .key_size = key->size, .marks = put->marks};
    item->key = malloc(key->size);
    CHECK(item->key != NULL);
    memcpy(item->key, key->data, key->size);
    item->value = value;
    item->value_size = value_size;
    item->client_flags = put->keep_expiry && *at != NULL ? (*at)->client_flags : put->client_flags;
    item->expires_at_s = put->keep_expiry && *at != NULL ? (*at)->expires_at_s : put->expires_at_s;
    item->access_s = thread->now_s;
    item->cas = put->cas_assign != 0 ? put->cas_assign : ++engine->cas;
    item->stored_number = ++engine->store_number;
    if (*at != NULL) {
        unlink_item(engine, at);
    }
    at = &engine->slots[key->hash % SLOTS];
    item->next = *at;
    *at = item;
    engine->item_count++;
    engine->total_count++;
    put->ret_cas = item->cas;
    return LARDER_OK;
}

static enum larder_result fake_put(struct larder_thread *thread, const struct larder_key *key,
                                   struct larder_put *put)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < put->piece_count; i++) {
        size += put->pieces[i].size;
    }
    char *value = malloc(size + 1);
    CHECK(value != NULL);
    size = 0;
    for (uint32_t i = 0; i < put->piece_count; i++) {
        memcpy(value + size, put->pieces[i].data, put->pieces[i].size);
        size += put->pieces[i].size;
    }
    pthread_mutex_lock(&thread->engine->lock);
    enum larder_result result = LARDER_BUSY;
    if (is_busy(thread)) {
        free(value);
    } else {
        result = store(thread, key, value, size, put);
    }
    pthread_mutex_unlock(&thread->engine->lock);
    return result;
}

/* engine_data[0] of a room. */
struct room_note {
    struct larder_key key;
    char bytes[];
};

static enum larder_result fake_reserve(struct larder_thread *thread, const struct larder_key *key,
                                       uint64_t value_size, struct larder_room *ret_room)
{
    struct larder_engine *engine = thread->engine;
    CHECK(thread->in_turn);
    pthread_mutex_lock(&engine->lock);
    bool refused = engine->rooms_open >= engine->switches.rooms_max;
    engine->rooms_open += refused ? 0 : 1;
    engine->room_count += refused ? 0 : 1;
    pthread_mutex_unlock(&engine->lock);
    if (refused) {
        return LARDER_BUSY;
    }
    struct room_note *note = malloc(sizeof(*note) + key->size);
    CHECK(note != NULL);
    memcpy(note->bytes, key->data, key->size);
    note->key = (struct larder_key){note->bytes, key->size, key->hash};
    *ret_room = (struct larder_room){.value = malloc(value_size), .value_size = value_size};
    CHECK(ret_room->value != NULL);
    ret_room->engine_data[0] = note;
    return LARDER_OK;
}

/* Under the lock. The value stays. */
static void room_over(struct larder_engine *engine, struct larder_room *room)
{
    CHECK(engine->rooms_open > 0 && room->value != NULL);
    engine->rooms_open--;
    free(room->engine_data[0]);
    *room = (struct larder_room){0};
}

static enum larder_result fake_commit(struct larder_thread *thread, struct larder_room *room,
                                      struct larder_put *put)
{
    struct larder_engine *engine = thread->engine;
    enum larder_result result = LARDER_BUSY;
    CHECK(room->value != NULL);
    pthread_mutex_lock(&engine->lock);
    if (!is_busy(thread)) {
        struct room_note *note = room->engine_data[0];
        result = store(thread, &note->key, room->value, room->value_size, put);
        room_over(engine, room);
    }
    pthread_mutex_unlock(&engine->lock);
    return result;
}

static void fake_abandon(struct larder_thread *thread, struct larder_room *room)
{
    struct larder_engine *engine = thread->engine;
    CHECK(thread->in_turn && room->value != NULL);
    free(room->value);
    pthread_mutex_lock(&engine->lock);
    engine->abandon_count++;
    room_over(engine, room);
    pthread_mutex_unlock(&engine->lock);
}

static enum larder_result fake_remove(struct larder_thread *thread, const struct larder_key *key,
                                      uint64_t cas_expected)
{
    struct larder_engine *engine = thread->engine;
    enum larder_result result = LARDER_MISS;
    CHECK(thread->in_turn);
    pthread_mutex_lock(&engine->lock);
    struct item **at = find(thread, key);
    if (*at != NULL) {
        result = cas_expected == 0 || (*at)->cas == cas_expected ? LARDER_OK : LARDER_EXISTS;
    }
    if (result == LARDER_OK) {
        unlink_item(engine, at);
    }
    pthread_mutex_unlock(&engine->lock);
    return result;
}

static enum larder_result fake_touch(struct larder_thread *thread, const struct larder_key *key,
                                     uint32_t expires_at_s)
{
    enum larder_result result = LARDER_MISS;
    pthread_mutex_lock(&thread->engine->lock);
    struct item *item = *find(thread, key);
    if (item != NULL && is_busy(thread)) {
        result = LARDER_BUSY;
    } else if (item != NULL) {
        item->expires_at_s = expires_at_s;
        result = LARDER_OK;
    }
    pthread_mutex_unlock(&thread->engine->lock);
    return result;
}

static enum larder_result fake_mark(struct larder_thread *thread, const struct larder_key *key,
                                    uint64_t cas, uint32_t set, uint32_t clear,
                                    uint32_t *ret_before)
{
    enum larder_result result = LARDER_MISS;
    CHECK(thread->in_turn && !thread->busy);
    pthread_mutex_lock(&thread->engine->lock);
    struct item *item = *find(thread, key);
    if (item != NULL && item->cas != cas) {
        result = LARDER_EXISTS;
    } else if (item != NULL) {
        *ret_before = item->marks;
        item->marks = (item->marks | set) & ~clear;
        result = LARDER_OK;
    }
    pthread_mutex_unlock(&thread->engine->lock);
    return result;
}

/* ---- the whole store ---- */

static void fake_flush(struct larder_engine *engine, uint32_t at_s)
{
    pthread_mutex_lock(&engine->lock);
    engine->flush_number = engine->store_number;
    engine->flush_at_s = at_s;
    pthread_mutex_unlock(&engine->lock);
}

static bool fake_tick(struct larder_engine *engine, uint32_t now_s, uint64_t budget_ns)
{
    (void)engine;
    (void)now_s;
    (void)budget_ns;
    return false;
}

static void fake_scan(struct larder_engine *engine, uint32_t now_s, uint64_t *cursor,
                      uint32_t items_max, larder_scan_fn fn, void *arg)
{
    uint32_t seen = 0;
    uint64_t slot = *cursor;
    bool more = true;
    pthread_mutex_lock(&engine->lock);
    for (; slot < SLOTS && seen < items_max && more; slot++) {
        for (struct item *item = engine->slots[slot]; item != NULL && more; item = item->next) {
            struct larder_ref ref;
            if (!is_dead(engine, item, now_s)) {
                fill_ref(item, &ref);
                seen++;
                more = fn(arg, &ref);
            }
        }
    }
    pthread_mutex_unlock(&engine->lock);
    *cursor = slot == SLOTS ? 0 : slot;
}

static void fake_stats(struct larder_engine *engine, int group, uint32_t now_s, larder_stat_fn fn,
                       void *arg)
{
    (void)now_s;
    if (group != LARDER_STATS_GENERAL) {
        return;
    }
    pthread_mutex_lock(&engine->lock);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"curr_items", engine->item_count},  {"total_items", engine->total_count},
        {"fake_busy", engine->busy_count},   {"fake_races", engine->race_count},
        {"fake_pended", engine->pend_count}, {"fake_rooms", engine->room_count},
        {"fake_open", engine->rooms_open},   {"fake_abandoned", engine->abandon_count},
    };
    pthread_mutex_unlock(&engine->lock);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "%" PRIu64, rows[i].value);
        fn(arg, rows[i].name, text);
    }
}

static void fake_stats_reset(struct larder_engine *engine)
{
    (void)engine;
}

static enum larder_result fake_resize(struct larder_engine *engine, uint64_t memory_max)
{
    (void)engine;
    return memory_max < (1ull << 40) ? LARDER_OK : LARDER_NO_SPACE;
}

static const struct larder_engine_ops ops = {
    .size = sizeof(ops),
    .abi_major = LARDER_ENGINE_ABI_MAJOR,
    .abi_minor = LARDER_ENGINE_ABI_MINOR,
    .capabilities = LARDER_CAP_CAS | LARDER_CAP_EXPIRY_EXACT | LARDER_CAP_TOUCH | LARDER_CAP_MARKS |
                    LARDER_CAP_LAST_ACCESS | LARDER_CAP_RESERVE | LARDER_CAP_SCAN |
                    LARDER_CAP_RESIZE | (FAKE_ASYNC != 0 ? LARDER_CAP_ASYNC : 0),
    .name = "fake",
    .version = "1",
    .open = fake_open,
    .close = fake_close,
    .thread_attach = fake_attach,
    .thread_detach = fake_detach,
    .thread_begin = fake_begin,
    .thread_end = fake_end,
    .prefetch = fake_prefetch,
    .get = fake_get,
    .collect = fake_collect,
    .release = fake_release,
    .put = fake_put,
    .reserve = fake_reserve,
    .commit = fake_commit,
    .abandon = fake_abandon,
    .remove = fake_remove,
    .touch = fake_touch,
    .mark = fake_mark,
    .flush = fake_flush,
    .tick = fake_tick,
    .scan = fake_scan,
    .stats = fake_stats,
    .stats_reset = fake_stats_reset,
    .resize = fake_resize,
};

__attribute__((visibility("default"))) const struct larder_engine_ops *
larder_engine_entry(uint32_t host_abi_major, uint32_t host_abi_minor)
{
    (void)host_abi_minor;
    return host_abi_major == LARDER_ENGINE_ABI_MAJOR ? &ops : NULL;
}
