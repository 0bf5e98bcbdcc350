/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything at once, on a cache that is far too small: four workers store, read, remove, touch,
 * mark, reserve; one thread ticks, one scans, flushes, resizes and asks for statistics.
 *
 * Every value says which key and version it is and is filled from the two, so a torn or foreign
 * value is seen. A key is written by one worker only, with growing versions; nobody may ever see
 * one go back. Of all who mark a version as won exactly one may be the first.
 * Meant to run under ThreadSanitizer and AddressSanitizer too. LARDER_TEST_TURNS makes it longer.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "rig.h"

enum {
    WORKERS = 4,
    KEYS = 6000,
    VERSIONS = 256, /* remembered for the winners' count */
    BATCH = 16,
    LARGE_EVERY = 400, /* one store in so many is of a large object */
    ROOMS = 4,
    TURNS = 4000,
};

struct value_head {
    uint64_t number, version;
    uint32_t size, fill;
};

struct shared {
    struct rig rig;
    _Atomic bool stop;
    _Atomic uint32_t now_s;
    _Atomic uint8_t winners[KEYS][VERSIONS];
    _Atomic uint64_t hits, wins, stores, busy;
    uint32_t turns;
};

struct worker {
    struct shared *shared;
    struct larder_thread *thread;
    uint32_t index;
    uint64_t random;
    uint64_t written[KEYS]; /* own keys: the last version stored */
    uint64_t seen[KEYS];    /* all keys: the highest version read */
    char buffer[200000];
    struct larder_room rooms[ROOMS];
    uint64_t room_number[ROOMS];
    uint64_t room_version[ROOMS];
};

static uint64_t next_random(struct worker *worker)
{
    uint64_t x = worker->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return worker->random = x;
}

static void fill_value(char *to, uint64_t number, uint64_t version, uint32_t size)
{
    struct value_head head = {number, version, size, (uint32_t)(number * 31 + version * 7)};

    memcpy(to, &head, sizeof(head));
    memset(to + sizeof(head), (int)(head.fill & 0xff), size - sizeof(head));
}

/* The version of a whole, right value. */
static uint64_t check_value(const struct larder_ref *ref, uint64_t number)
{
    struct value_head head;

    CHECK(ref->value_size >= sizeof(head));
    memcpy(&head, ref->value, sizeof(head));
    CHECK(head.number == number && head.size == ref->value_size);
    for (uint64_t i = sizeof(head); i < ref->value_size; i++) {
        CHECK((uint8_t)ref->value[i] == (uint8_t)head.fill);
    }
    return head.version;
}

static void turn_begin(struct worker *worker)
{
    worker->shared->rig.ops->thread_begin(worker->thread, atomic_load(&worker->shared->now_s));
}

static void turn_end(struct worker *worker)
{
    worker->shared->rig.ops->thread_end(worker->thread);
}

/* A key of the worker's own. */
static uint64_t own_number(struct worker *worker)
{
    return next_random(worker) % (KEYS / WORKERS) * WORKERS + worker->index;
}

static void note_version(struct worker *worker, uint64_t number, uint64_t version)
{
    CHECK(version >= worker->seen[number]);
    worker->seen[number] = version;
}

static void read_some(struct worker *worker)
{
    const struct larder_engine_ops *ops = worker->shared->rig.ops;
    char text[BATCH][RIG_KEY_SIZE];
    struct larder_key keys[BATCH];
    enum larder_result results[BATCH];
    struct larder_ref refs[BATCH];
    uint64_t numbers[BATCH];
    uint32_t flags = next_random(worker) % 4 == 0 ? LARDER_GET_CAS : 0;

    for (uint32_t i = 0; i < BATCH; i++) {
        numbers[i] = next_random(worker) % (i < BATCH / 2 ? KEYS : KEYS / 10);
        keys[i] = rig_numbered(text[i], numbers[i]);
    }
    ops->prefetch(worker->thread, keys, BATCH);
    ops->get(worker->thread, keys, BATCH, flags, 0, refs, results);
    for (uint32_t i = 0; i < BATCH; i++) {
        uint64_t version;
        uint32_t before;

        if (results[i] != LARDER_OK) {
            CHECK(results[i] == LARDER_MISS);
            continue;
        }
        version = check_value(&refs[i], numbers[i]);
        note_version(worker, numbers[i], version);
        atomic_fetch_add(&worker->shared->hits, 1);
        if (numbers[i] % WORKERS == worker->index) {
            CHECK(version == worker->written[numbers[i]]);
        }
        if (next_random(worker) % 8 == 0 &&
            ops->mark(worker->thread, &keys[i], refs[i].cas, LARDER_MARK_WON, 0, &before) ==
                LARDER_OK &&
            (before & LARDER_MARK_WON) == 0) {
            CHECK(atomic_fetch_add(&worker->shared->winners[numbers[i]][version % VERSIONS], 1) ==
                  0);
            atomic_fetch_add(&worker->shared->wins, 1);
        }
        if (i % 2 == 0) {
            ops->release(worker->thread, &refs[i], 1);
        }
    }
    /* Still whole at the end of the turn. */
    for (uint32_t i = 1; i < BATCH; i += 2) {
        if (results[i] == LARDER_OK) {
            (void)check_value(&refs[i], numbers[i]);
        }
    }
}

static uint32_t random_size(struct worker *worker)
{
    uint32_t most = next_random(worker) % LARGE_EVERY == 0 ? 150000 : 2000;

    return (uint32_t)(sizeof(struct value_head) + next_random(worker) % most);
}

static uint32_t random_expiry(struct worker *worker)
{
    uint32_t now_s = atomic_load(&worker->shared->now_s);

    return next_random(worker) % 3 == 0 ? now_s + (uint32_t)(next_random(worker) % 20) : 0;
}

static void next_version(struct worker *worker, uint64_t number)
{
    worker->written[number]++;
    atomic_store(&worker->shared->winners[number][worker->written[number] % VERSIONS], 0);
}

static void store_one(struct worker *worker)
{
    const struct larder_engine_ops *ops = worker->shared->rig.ops;
    uint64_t number = own_number(worker);
    uint32_t size = random_size(worker);
    struct larder_piece pieces[2] = {{worker->buffer, 10}, {worker->buffer + 10, size - 10}};
    struct larder_put put = {.pieces = pieces,
                             .piece_count = 2,
                             .expires_at_s = random_expiry(worker),
                             .keep_expiry = next_random(worker) % 8 == 0};
    char text[RIG_KEY_SIZE];
    struct larder_key key = rig_numbered(text, number);
    enum larder_result result;

    fill_value(worker->buffer, number, worker->written[number] + 1, size);
    next_version(worker, number);
    result = ops->put(worker->thread, &key, &put);
    for (uint32_t tries = 0; result == LARDER_BUSY && tries < 1000; tries++) {
        atomic_fetch_add(&worker->shared->busy, 1);
        turn_end(worker);
        turn_begin(worker);
        result = ops->put(worker->thread, &key, &put);
    }
    if (result != LARDER_OK) {
        CHECK(result == LARDER_BUSY);
        worker->written[number]--;
        return;
    }
    atomic_fetch_add(&worker->shared->stores, 1);
    note_version(worker, number, worker->written[number]);
}

/* Read, then replace under the condition that it is what was read; only the owner writes. */
static void replace_one(struct worker *worker)
{
    const struct larder_engine_ops *ops = worker->shared->rig.ops;
    uint64_t number = own_number(worker);
    struct larder_piece piece = {worker->buffer, 100};
    struct larder_put put = {.pieces = &piece, .piece_count = 1, .condition = LARDER_COND_CAS};
    char text[RIG_KEY_SIZE];
    struct larder_key key = rig_numbered(text, number);
    enum larder_result result;
    struct larder_ref ref;

    ops->get(worker->thread, &key, 1, LARDER_GET_CAS, 0, &ref, &result);
    if (result != LARDER_OK) {
        return;
    }
    put.cas_expected = ref.cas;
    ops->release(worker->thread, &ref, 1);
    fill_value(worker->buffer, number, worker->written[number] + 1, 100);
    next_version(worker, number);
    result = ops->put(worker->thread, &key, &put);
    /* The cas was shown, so nothing but its loss can have changed it. */
    CHECK(result == LARDER_OK || result == LARDER_MISS || result == LARDER_BUSY);
    if (result != LARDER_OK) {
        worker->written[number]--;
    } else {
        CHECK(put.ret_cas > put.cas_expected);
    }
}

/* A room is held over many turns; meanwhile its key is nobody's to write. */
static void use_room(struct worker *worker)
{
    const struct larder_engine_ops *ops = worker->shared->rig.ops;
    uint32_t i = (uint32_t)(next_random(worker) % ROOMS);
    struct larder_room *room = &worker->rooms[i];
    struct larder_put put = {.expires_at_s = random_expiry(worker)};
    char text[RIG_KEY_SIZE];
    uint64_t number;

    if (room->value == NULL) {
        struct larder_key key;

        number = own_number(worker);
        key = rig_numbered(text, number);
        if (ops->reserve(worker->thread, &key, random_size(worker), room) == LARDER_OK) {
            worker->room_number[i] = number;
        }
        return;
    }
    number = worker->room_number[i];
    if (next_random(worker) % 4 == 0) {
        ops->abandon(worker->thread, room);
        return;
    }
    fill_value(room->value, number, worker->written[number] + 1, (uint32_t)room->value_size);
    next_version(worker, number);
    if (ops->commit(worker->thread, room, &put) != LARDER_OK) {
        worker->written[number]--;
        if (room->value != NULL && room->engine_data[0] != NULL) {
            ops->abandon(worker->thread, room);
        }
    }
}

static void change_one(struct worker *worker)
{
    const struct larder_engine_ops *ops = worker->shared->rig.ops;
    char text[RIG_KEY_SIZE];
    struct larder_key key = rig_numbered(text, next_random(worker) % KEYS);

    if (next_random(worker) % 4 == 0) {
        (void)ops->remove(worker->thread, &key, 0);
    } else {
        (void)ops->touch(worker->thread, &key, random_expiry(worker));
    }
}

static void *work(void *arg)
{
    struct worker *worker = arg;

    for (uint32_t turn = 0; turn < worker->shared->turns; turn++) {
        turn_begin(worker);
        read_some(worker);
        turn_end(worker);
        turn_begin(worker);
        for (uint32_t i = 0; i < 8; i++) {
            store_one(worker);
        }
        replace_one(worker);
        change_one(worker);
        use_room(worker);
        turn_end(worker);
    }
    turn_begin(worker);
    for (uint32_t i = 0; i < ROOMS; i++) {
        if (worker->rooms[i].value != NULL) {
            worker->shared->rig.ops->abandon(worker->thread, &worker->rooms[i]);
        }
    }
    turn_end(worker);
    return NULL;
}

static void *tick(void *arg)
{
    struct shared *shared = arg;

    while (!atomic_load(&shared->stop)) {
        struct timespec pause = {0, 1000000};
        (void)shared->rig.ops->tick(shared->rig.engine, atomic_load(&shared->now_s), 2000000);
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static bool see(void *arg, const struct larder_ref *item)
{
    char text[RIG_KEY_SIZE];

    memcpy(text, item->key, item->key_size);
    text[item->key_size] = '\0';
    (void)check_value(item, strtoull(text + 4, NULL, 10));
    (*(uint64_t *)arg)++;
    return true;
}

static void ignore(void *arg, const char *name, const char *value)
{
    (void)arg;
    CHECK(name[0] != '\0' && value[0] != '\0');
}

static bool see_pin(void *arg, const char *key, uint32_t key_size, uint64_t bytes, uint32_t holders,
                    uint64_t age_s)
{
    (void)arg;
    CHECK(key != NULL && key_size > 0 && bytes > 0 && holders > 0 && age_s < 1000000);
    return true;
}

static void *look_on(void *arg)
{
    struct shared *shared = arg;
    const struct larder_engine_ops *ops = shared->rig.ops;
    uint64_t cursor = 0;
    uint64_t items = 0;

    for (uint32_t round = 0; !atomic_load(&shared->stop); round++) {
        struct timespec pause = {0, 2000000};
        uint32_t now_s = atomic_load(&shared->now_s);

        ops->scan(shared->rig.engine, now_s, &cursor, 500, see, &items);
        ops->pins(shared->rig.engine, now_s, see_pin, NULL);
        ops->stats(shared->rig.engine, (int)(round % 5), now_s, ignore, NULL);
        if (round % 64 == 63) {
            ops->flush(shared->rig.engine, round % 128 == 63 ? 0 : now_s + 2);
        }
        if (round % 16 == 0) {
            uint64_t size = round % 32 == 0 ? 6 * RIG_MIB : 8 * RIG_MIB;
            CHECK(ops->resize(shared->rig.engine, size) == LARDER_OK);
        }
        if (round % 8 == 0) {
            atomic_fetch_add(&shared->now_s, 1);
        }
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static void test_torture(void **state)
{
    struct shared *shared = calloc(1, sizeof(*shared));
    struct worker *workers = calloc(WORKERS, sizeof(*workers));
    const char *turns = getenv("LARDER_TEST_TURNS");
    pthread_t threads[WORKERS], ticker, looker;
    uint64_t cursor = 0;
    uint64_t items = 0;
    struct rig *rig;

    (void)state;
    assert_non_null(shared);
    assert_non_null(workers);
    rig = &shared->rig;
    shared->turns = turns != NULL ? (uint32_t)strtoul(turns, NULL, 10) : TURNS;
    rig_open_config(rig, NULL,
                    (struct larder_config){.thread_count = WORKERS,
                                           .memory_max = 8 * RIG_MIB,
                                           .item_size_max = RIG_MIB,
                                           .evict = true});
    rig->host.event = NULL; /* the rig counts without locks */
    atomic_store(&shared->now_s, 1000);
    assert_int_equal(pthread_create(&ticker, NULL, tick, shared), 0);
    assert_int_equal(pthread_create(&looker, NULL, look_on, shared), 0);
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i].shared = shared;
        workers[i].thread = rig->threads[i];
        workers[i].index = i;
        workers[i].random = 88172645463325252ull + i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    atomic_store(&shared->stop, true);
    assert_int_equal(pthread_join(ticker, NULL), 0);
    assert_int_equal(pthread_join(looker, NULL), 0);

    rig->now_s = atomic_load(&shared->now_s);
    rig_tick(rig);
    printf("# %llu hits, %llu stores, %llu busy, %llu wins, %llu relocations, %llu evictions\n",
           (unsigned long long)shared->hits, (unsigned long long)shared->stores,
           (unsigned long long)shared->busy, (unsigned long long)shared->wins,
           (unsigned long long)rig_stat(rig, LARDER_STATS_DETAIL, "relocations"),
           (unsigned long long)rig_stat(rig, LARDER_STATS_GENERAL, "evictions"));
    assert_true(shared->hits > 0 && shared->wins > 0);
    assert_true(rig_stat(rig, LARDER_STATS_DETAIL, "relocations") > 0);
    assert_true(rig_stat(rig, LARDER_STATS_DETAIL, "memory_used") <= 8 * RIG_MIB);
    do {
        rig->ops->scan(rig->engine, rig->now_s, &cursor, 1000, see, &items);
    } while (cursor != 0);
    assert_true(items <= rig_stat(rig, LARDER_STATS_GENERAL, "curr_items"));
    for (uint64_t i = 0; i < KEYS; i++) {
        char text[RIG_KEY_SIZE];
        (void)rig_remove(rig, rig_numbered(text, i).data, 0);
    }
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "curr_items"), 0);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "bytes"), 0);
    assert_int_equal(rig_stat(rig, LARDER_STATS_DETAIL, "segments_pinned"), 0);
    rig_close(rig);
    free(workers);
    free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_torture)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
