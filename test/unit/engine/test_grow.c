/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segment engine's index while it grows: nothing may be lost, neither to the growth itself nor
 * to a scan that began before it, with tick() and without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/segment/segment_priv.h"
#include "rig.h"

enum { ITEMS = 1000000, STEP = 50000, TICK_EVERY = 4096 };

static void put_number(struct rig *rig, uint64_t number)
{
    char text[RIG_KEY_SIZE];
    struct larder_key key = rig_numbered(text, number);

    assert_int_equal(rig_put_bytes(rig, 0, &key, &number, sizeof(number), NULL), LARDER_OK);
}

static void check_number(struct rig *rig, uint64_t number)
{
    char text[RIG_KEY_SIZE];
    struct larder_key key = rig_numbered(text, number);
    enum larder_result result;
    struct larder_ref ref;

    rig->ops->thread_begin(rig->threads[1], rig->now_s);
    rig->ops->get(rig->threads[1], &key, 1, LARDER_GET_PEEK, 0, &ref, &result);
    assert_int_equal(result, LARDER_OK);
    assert_int_equal(ref.value_size, sizeof(number));
    assert_memory_equal(ref.value, &number, sizeof(number));
    rig->ops->thread_end(rig->threads[1]);
}

static void grow(bool ticks)
{
    struct rig rig;
    uint64_t slots = 0;
    uint32_t growths = 0;

    rig_open(&rig, NULL, 256 * RIG_MIB);
    for (uint64_t i = 0; i < ITEMS; i++) {
        put_number(&rig, i);
        check_number(&rig, i * 7919 % (i + 1));
        if (ticks && i % TICK_EVERY == 0) {
            (void)rig.ops->tick(rig.engine, rig.now_s, 20000);
        }
        if (i % STEP == STEP - 1) {
            uint64_t now = rig_stat(&rig, LARDER_STATS_DETAIL, "index_slots");
            growths += now > slots ? 1 : 0;
            slots = now;
            assert_true(rig_stat(&rig, LARDER_STATS_DETAIL, "index_load_percent") < 90);
        }
    }
    assert_true(growths >= 3);
    for (uint64_t i = 0; i < ITEMS; i++) {
        check_number(&rig, i);
    }
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "curr_items"), ITEMS);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "evictions"), 0);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_DETAIL, "index_evictions"), 0);
    for (uint64_t i = 0; i < ITEMS; i += 3) {
        char text[RIG_KEY_SIZE];
        assert_int_equal(rig_remove(&rig, rig_numbered(text, i).data, 0), LARDER_OK);
    }
    for (uint64_t i = 1; i < ITEMS; i += 3) {
        check_number(&rig, i);
    }
    rig_close(&rig);
}

static void test_growth_by_tick(void **state)
{
    (void)state;
    grow(true);
}

static void test_growth_by_writers(void **state)
{
    (void)state;
    grow(false);
}

struct seen {
    uint8_t *count;
    uint64_t numbers;
};

static bool see(void *arg, const struct larder_ref *item)
{
    struct seen *seen = arg;
    uint64_t number;

    memcpy(&number, item->value, sizeof(number));
    if (number < seen->numbers) {
        seen->count[number]++;
    }
    return true;
}

static void test_scan_during_growth(void **state)
{
    enum { OLD = 340000 }; /* the index grows at 349,440 */
    struct seen seen = {calloc(OLD, 1), OLD};
    uint64_t next = OLD;
    uint64_t cursor = 0;
    uint64_t before;
    struct rig rig;

    (void)state;
    rig_open(&rig, NULL, 256 * RIG_MIB);
    for (uint64_t i = 0; i < OLD; i++) {
        put_number(&rig, i);
    }
    before = rig_stat(&rig, LARDER_STATS_DETAIL, "index_slots");
    do {
        rig.ops->scan(rig.engine, rig.now_s, &cursor, 100, see, &seen);
        for (uint32_t i = 0; i < 30; i++) {
            put_number(&rig, next++);
        }
    } while (cursor != 0);
    assert_true(rig_stat(&rig, LARDER_STATS_DETAIL, "index_slots") > before);
    for (uint64_t i = 0; i < OLD; i++) {
        assert_true(seen.count[i] > 0);
    }
    free(seen.count);
    rig_close(&rig);
}

/* A call passes a bounded number of slots, though there is nothing in them. */
static void test_scan_of_an_empty_cache_is_bounded(void **state)
{
    enum { ITEMS_MAX = 10, CALLS_MAX = 1000 };
    struct seen seen = {(uint8_t[1]){0}, 1};
    uint32_t calls = 0;
    uint64_t cursor = 0;
    struct rig rig;

    (void)state;
    rig_open(&rig, NULL, 16 * RIG_MIB);
    put_number(&rig, 0);
    do {
        rig.ops->scan(rig.engine, rig.now_s, &cursor, ITEMS_MAX, see, &seen);
        assert_true(++calls < CALLS_MAX);
    } while (cursor != 0);
    assert_int_equal(seen.count[0], 1);
    assert_true(calls > 100); /* 29,120 slots */
    rig_close(&rig);
}

/* Store the next number behind *number whose key is in the stripe, or in any other. */
static void put_in_stripe(struct rig *rig, uint64_t *number, bool inside)
{
    char text[RIG_KEY_SIZE];
    struct larder_key key;

    do {
        key = rig_numbered(text, (*number)++);
    } while ((segment_index_stripe(&rig->engine->index, key.hash) == 0) != inside);
    assert_int_equal(rig_put_bytes(rig, 0, &key, number, sizeof(*number), NULL), LARDER_OK);
}

/*
 * One stripe fills up a second time before the growth that moved it out of turn is over: as when
 * the thread that grows the index has no processor. There is memory, so nothing may be lost.
 */
static void test_full_stripe_moves_on(void **state)
{
    enum { COMMON = 45000, IN_STRIPE = 1500 };
    uint64_t common = 0, inside = 0;
    struct rig rig;

    (void)state;
    rig_open(&rig, NULL, 16 * RIG_MIB);
    for (uint32_t i = 0; i < COMMON; i++) {
        put_in_stripe(&rig, &common, false);
    }
    for (uint32_t i = 0; i < IN_STRIPE; i++) {
        put_in_stripe(&rig, &inside, true);
        rig.threads[0]->inserts = 0; /* nor does the worker take his turn at it */
    }
    assert_int_equal(rig_stat(&rig, LARDER_STATS_DETAIL, "index_evictions"), 0);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "evictions"), 0);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "curr_items"), COMMON + IN_STRIPE);
    rig_tick(&rig);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "hash_is_expanding"), 0);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "curr_items"), COMMON + IN_STRIPE);
    rig_close(&rig);
}

/* Another thread was first to move the stripe that had no slot left: then there is nothing to do. */
static void test_moved_meanwhile(void **state)
{
    const struct segment_table *full;
    struct rig rig;

    (void)state;
    rig_open(&rig, NULL, 16 * RIG_MIB);
    for (uint64_t i = 0; i < 20000; i++) {
        put_number(&rig, i);
    }
    rig_tick(&rig);
    full = segment_index_table(&rig.engine->index, 7);
    rig.ops->thread_begin(rig.threads[0], rig.now_s);
    assert_true(segment_grow_now(rig.threads[0], 7, full));
    assert_true(segment_index_table(&rig.engine->index, 7) != full);
    assert_ptr_equal(segment_index_table(&rig.engine->index, 8), full);
    assert_true(segment_grow_now(rig.threads[0], 7, full));
    rig.ops->thread_end(rig.threads[0]);
    rig_close(&rig);
}

/*
 * Who does what: tick() makes the next table's pages before it moves stripes there; workers leave it
 * alone, until tick() falls behind. In the end the old table's memory is back.
 */
static void test_tick_grows_ahead(void **state)
{
    enum { DUE = 22000, LATE = 22700, LATER = 23300 }; /* of 29,120 slots: above 75, 77, 79 % */
    const struct segment_table *table, *next;
    uint64_t count = 0;
    struct rig rig;

    (void)state;
    rig_open(&rig, NULL, 16 * RIG_MIB);
    table = atomic_load(&rig.engine->index.table);
    for (; count < DUE; count++) {
        put_number(&rig, count);
    }
    next = atomic_load(&table->next);
    assert_non_null(next);
    assert_int_equal(table->cursor, 0);
    (void)rig.ops->tick(rig.engine, rig.now_s, 0);
    assert_in_range(atomic_load(&next->ready), 1, 63);
    assert_int_equal(next->paid, atomic_load(&next->ready));
    assert_in_range(table->cursor, 1, atomic_load(&next->ready));
    /* A worker moves what is ready, and then no more. */
    for (; count < LATE; count++) {
        put_number(&rig, count);
    }
    assert_int_equal(table->cursor, atomic_load(&next->ready));
    for (; count < LATER; count++) {
        put_number(&rig, count);
    }
    assert_true(table->cursor > atomic_load(&next->ready));
    assert_int_equal(next->paid, table->cursor);
    rig_tick(&rig);
    rig_tick(&rig);
    assert_ptr_equal(atomic_load(&rig.engine->index.table), next);
    assert_ptr_equal(rig.engine->index.oldest, next);
    /* All that is charged is there. */
    assert_int_equal(atomic_load(&rig.engine->log.memory_used),
                     rig.engine->fixed_size + segment_index_size(rig.engine) +
                         ((rig_stat(&rig, LARDER_STATS_DETAIL, "segments_s") +
                           rig_stat(&rig, LARDER_STATS_DETAIL, "segments_open") +
                           rig_stat(&rig, LARDER_STATS_DETAIL, "segments_free"))
                          << rig.engine->segment_shift));
    for (uint64_t i = 0; i < count; i++) {
        check_number(&rig, i);
    }
    rig_close(&rig);
}

/* Where nothing may be evicted, the budget holds at every moment: growth waits for memory. */
static void test_growth_within_the_budget(void **state)
{
    const struct larder_config config = {
        .thread_count = 2, .memory_max = 16 * RIG_MIB, .item_size_max = RIG_MIB, .evict = false};
    enum larder_result result = LARDER_OK;
    uint64_t count = 0;
    struct rig rig;

    (void)state;
    rig_open_config(&rig, NULL, config);
    for (; result == LARDER_OK; count++) {
        char text[RIG_KEY_SIZE];
        struct larder_key key = rig_numbered(text, count);

        result = rig_put_bytes(&rig, 0, &key, "", 0, NULL);
        assert_true(atomic_load(&rig.engine->log.memory_used) <= config.memory_max);
        if (count % 10000 == 0) {
            rig_tick(&rig);
            assert_true(atomic_load(&rig.engine->log.memory_used) <= config.memory_max);
        }
    }
    assert_int_equal(result, LARDER_NO_SPACE);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "curr_items"), count - 1);
    /* 24 bytes each, and less than 16 of the index. */
    assert_true(count > 16 * RIG_MIB / 40);
    for (uint64_t i = 0; i < count - 1; i++) {
        char text[RIG_KEY_SIZE];
        struct larder_ref ref;

        assert_int_equal(rig_get(&rig, rig_numbered(text, i).data, LARDER_GET_PEEK, &ref),
                         LARDER_OK);
    }
    rig_tick(&rig); /* and it does not go on for ever */
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_by_tick),
        cmocka_unit_test(test_growth_by_writers),
        cmocka_unit_test(test_scan_of_an_empty_cache_is_bounded),
        cmocka_unit_test(test_scan_during_growth),
        cmocka_unit_test(test_full_stripe_moves_on),
        cmocka_unit_test(test_moved_meanwhile),
        cmocka_unit_test(test_tick_grows_ahead),
        cmocka_unit_test(test_growth_within_the_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
