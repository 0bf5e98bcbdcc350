/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segment engine's order of eviction, on the smallest cache it makes: segments of 64 KiB that
 * hold 63 items of 1040 bytes, so what happens can be counted by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

enum { MEMORY = 2 * 1024 * 1024, VALUE_SIZE = 1016, PER_SEGMENT = 63 };

static const char value[VALUE_SIZE];

static struct larder_config small_config(void)
{
    return (struct larder_config){
        .thread_count = 1, .memory_max = MEMORY, .item_size_max = RIG_MIB, .evict = true};
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    rig_open_config(rig, NULL, small_config());
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static void put_number(struct rig *rig, uint64_t number, uint32_t expires_at_s)
{
    struct larder_put put = {.expires_at_s = expires_at_s};
    char text[RIG_KEY_SIZE];
    struct larder_key key = rig_numbered(text, number);

    /* Every item of the same size, whatever its fields. */
    assert_int_equal(
        rig_put_bytes(rig, 0, &key, value, VALUE_SIZE - (expires_at_s != 0 ? 4 : 0), &put),
        LARDER_OK);
}

static enum larder_result get_number(struct rig *rig, uint64_t number, uint32_t flags)
{
    char text[RIG_KEY_SIZE];
    struct larder_key key = rig_numbered(text, number);
    struct larder_ref ref;

    return rig_get_key(rig, &key, flags, &ref);
}

static bool holds(struct rig *rig, uint64_t number)
{
    return get_number(rig, number, LARDER_GET_PEEK) == LARDER_OK;
}

static uint64_t detail(struct rig *rig, const char *name)
{
    return rig_stat(rig, LARDER_STATS_DETAIL, name);
}

/* Store numbers from `from` on until something is evicted. Returns the next number. */
static uint64_t fill(struct rig *rig, uint64_t from)
{
    uint64_t before = rig->evicted;

    while (rig->evicted == before) {
        assert_true(from < 100000);
        put_number(rig, from++, 0);
    }
    return from;
}

static void test_oldest_segment_goes(void **state)
{
    struct rig *rig = *state;
    uint64_t next = fill(rig, 1000);

    /* One whole segment: the first 63. */
    assert_int_equal(rig->evicted, PER_SEGMENT);
    assert_int_equal(detail(rig, "evicted_unfetched"), PER_SEGMENT);
    for (uint64_t i = 1000; i < next; i++) {
        assert_int_equal(holds(rig, i), i >= 1000 + PER_SEGMENT);
    }
    assert_int_equal(detail(rig, "ghosts"), PER_SEGMENT);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "curr_items"), next - 1000 - PER_SEGMENT);
}

static void test_read_twice_is_kept(void **state)
{
    struct rig *rig = *state;

    put_number(rig, 1000, 0);
    put_number(rig, 1001, 0);
    put_number(rig, 1002, 0);
    (void)get_number(rig, 1000, 0);
    (void)get_number(rig, 1001, 0);
    (void)get_number(rig, 1001, 0);
    (void)get_number(rig, 1002, LARDER_GET_PEEK);
    (void)get_number(rig, 1002, LARDER_GET_PEEK);
    (void)fill(rig, 1003);
    assert_false(holds(rig, 1000));
    assert_true(holds(rig, 1001));
    assert_false(holds(rig, 1002));
    assert_int_equal(detail(rig, "promotions"), 1);
    /* M's first segment came out of the reserve, so a second one of S had to go. */
    assert_int_equal(rig->evicted, 2 * PER_SEGMENT - 1);
}

static void test_ghost_goes_to_m(void **state)
{
    struct rig *rig = *state;
    uint64_t next = fill(rig, 1000);

    assert_int_equal(detail(rig, "ghost_hits"), 0);
    assert_int_equal(get_number(rig, 1000, 0), LARDER_MISS);
    put_number(rig, 1000, 0);
    assert_int_equal(detail(rig, "ghost_hits"), 1);
    /* One less; and one more segment of them, to make room for M's first. */
    assert_int_equal(detail(rig, "ghosts"), 2 * PER_SEGMENT - 1);
    /* S turns over twice; what is in M stays, read or not. */
    for (uint64_t i = 0; i < 4000; i++) {
        put_number(rig, next + i, 0);
    }
    assert_true(holds(rig, 1000));
    assert_false(holds(rig, next));
}

static void test_second_chance_in_m(void **state)
{
    struct rig *rig = *state;
    uint64_t next = fill(rig, 1000);
    uint64_t unread_gone = 0;
    uint64_t read_gone = 0;

    put_number(rig, 1000, 0);
    put_number(rig, 1001, 0);
    assert_int_equal(detail(rig, "ghost_hits"), 2);
    for (uint32_t i = 0; i < 5; i++) {
        (void)get_number(rig, 1000, 0);
    }
    /* All that is stored is read twice, so all moves to M, and M has to give. */
    for (uint64_t i = 0; read_gone == 0; i++) {
        assert_true(i < 20000);
        put_number(rig, next + i, 0);
        (void)get_number(rig, next + i, 0);
        (void)get_number(rig, next + i, 0);
        unread_gone = unread_gone == 0 && !holds(rig, 1001) ? i : unread_gone;
        read_gone = !holds(rig, 1000) ? i : read_gone;
    }
    /* Three reads are remembered; each is worth one turn of M, of some twenty segments. */
    assert_true(unread_gone > 0);
    assert_in_range(read_gone - unread_gone, 3 * 15 * PER_SEGMENT, 3 * 30 * PER_SEGMENT);
}

static void test_old_ghosts_are_forgotten(void **state)
{
    struct rig *rig = *state;
    uint64_t next = fill(rig, 1000);

    for (uint64_t i = 0; i < 10000; i++) {
        put_number(rig, next + i, 0);
    }
    put_number(rig, 1000, 0);
    assert_int_equal(detail(rig, "ghost_hits"), 0);
}

static void test_expired_goes_first(void **state)
{
    struct rig *rig = *state;
    uint64_t next = 1000;

    for (; next < 1000 + PER_SEGMENT; next++) {
        put_number(rig, next, 0);
    }
    for (; next < 1000 + 3 * PER_SEGMENT; next++) {
        put_number(rig, next, 1010);
    }
    put_number(rig, next++, 0);
    rig->now_s = 1010;
    rig_tick(rig);
    assert_int_equal(rig->expired, 2 * PER_SEGMENT);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "expired_unfetched"), 2 * PER_SEGMENT);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "curr_items"), PER_SEGMENT + 1);
    assert_int_equal(detail(rig, "segments_free"), 2);
    assert_int_equal(rig->evicted, 0);
}

static void test_mostly_dead_is_compacted(void **state)
{
    struct rig *rig = *state;
    uint64_t next = 1000;

    /* The newer segments lose two items of three, the older ones nothing. */
    for (; next < 1000 + 20 * PER_SEGMENT; next++) {
        put_number(rig, next, 0);
    }
    for (uint64_t i = 1000 + 10 * PER_SEGMENT; i < next; i++) {
        char text[RIG_KEY_SIZE];
        if (i % 3 != 0) {
            assert_int_equal(rig_remove(rig, rig_numbered(text, i).data, 0), LARDER_OK);
        }
    }
    for (uint64_t i = 0; i < 8 * PER_SEGMENT; i++) {
        put_number(rig, next + i, 0);
    }
    assert_true(detail(rig, "reclaims_compact") > 0);
    assert_int_equal(rig->evicted, 0);
    for (uint64_t i = 1000; i < next; i++) {
        assert_int_equal(holds(rig, i), i < 1000 + 10 * PER_SEGMENT || i % 3 == 0);
    }
}

/* A cache of 512 segments: more than one choice of a victim looks at. */
static void open_many_segments(struct rig *rig)
{
    struct larder_config config = small_config();

    config.memory_max = 4ull * MEMORY;
    rig_open_config(rig, NULL, config);
    assert_int_equal(rig->ops->resize(rig->engine, 16ull * MEMORY), LARDER_OK);
    assert_int_equal(detail(rig, "segment_size"), 65536);
}

static void test_expired_goes_first_of_many(void **state)
{
    enum { SEGMENTS = 450 };
    uint64_t next = 1000;
    struct rig rig;

    (void)state;
    open_many_segments(&rig);
    for (; next < 1000 + SEGMENTS * PER_SEGMENT; next++) {
        put_number(&rig, next, next / PER_SEGMENT % 3 == 0 ? 0 : 1010);
    }
    for (uint64_t i = 0; i < PER_SEGMENT; i++) {
        put_number(&rig, next + i, 0);
    }
    assert_int_equal(rig.evicted, 0);
    rig.now_s = 1010;
    rig_tick(&rig);
    /* All that are alone among their like; the others share a segment with what stays. */
    assert_true(rig.expired > (SEGMENTS / 3 - 2) * PER_SEGMENT);
    assert_int_equal(rig.evicted, 0);
    /* And in the next second. */
    for (uint64_t i = 0; i < 2 * PER_SEGMENT; i++) {
        put_number(&rig, 500000 + i, 1011);
    }
    for (uint64_t i = 0; i < PER_SEGMENT; i++) {
        put_number(&rig, 600000 + i, 0);
    }
    rig.expired = 0;
    rig.now_s = 1011;
    rig_tick(&rig);
    assert_true(rig.expired >= PER_SEGMENT);
    rig_close(&rig);
}

/* The garbage is where one look does not reach. Nothing that can be read goes before it. */
static void test_garbage_is_found_among_many(void **state)
{
    enum { FULL = 300, HOLED = 160 };
    uint64_t next = 1000;
    struct rig rig;

    (void)state;
    open_many_segments(&rig);
    for (; next < 1000 + (FULL + HOLED) * PER_SEGMENT; next++) {
        put_number(&rig, next, 0);
    }
    for (uint64_t i = 1000 + FULL * PER_SEGMENT; i < next; i++) {
        char text[RIG_KEY_SIZE];
        if (i % 3 != 0) {
            assert_int_equal(rig_remove(&rig, rig_numbered(text, i).data, 0), LARDER_OK);
        }
    }
    for (uint64_t i = 0; i < (HOLED - 60) * PER_SEGMENT; i++) {
        put_number(&rig, next + i, 0);
    }
    assert_true(detail(&rig, "reclaims_compact") > HOLED / 2);
    assert_int_equal(rig.evicted, 0);
    rig_close(&rig);
}

static void test_emptied_segments_come_back_at_once(void **state)
{
    struct rig *rig = *state;

    /* 100 times the cache, over and over the same keys. */
    for (uint64_t i = 0; i < 200000; i++) {
        put_number(rig, 1000 + i % 200, 0);
    }
    assert_int_equal(rig->evicted, 0);
    assert_int_equal(detail(rig, "relocations"), 0);
    assert_true(detail(rig, "segments_emptied") > 1000);
    assert_true(detail(rig, "memory_used") < MEMORY / 2);
}

static void test_cas_outlives_relocation(void **state)
{
    struct rig *rig = *state;
    struct larder_put put = {.condition = LARDER_COND_CAS};
    struct larder_ref ref;

    put_number(rig, 1000, 0);
    assert_int_equal(rig_get(rig, "key-1000", LARDER_GET_CAS, &ref), LARDER_OK);
    assert_int_equal(rig_get(rig, "key-1000", 0, &ref), LARDER_OK);
    put.cas_expected = ref.cas;
    (void)fill(rig, 1001);
    assert_int_equal(detail(rig, "relocations"), 1);
    assert_int_equal(rig_get(rig, "key-1000", 0, &ref), LARDER_OK);
    assert_int_equal(ref.cas, put.cas_expected);
    assert_int_equal(ref.value_size, VALUE_SIZE);
    assert_int_equal(rig_put(rig, "key-1000", "x", &put), LARDER_OK);
    assert_true(put.ret_cas > put.cas_expected);
}

static void test_cas_of_a_store_outlives_relocation(void **state)
{
    struct rig *rig = *state;
    struct larder_put put = {.show_cas = true};
    struct larder_ref ref;

    assert_int_equal(rig_put(rig, "key-1000", "x", &put), LARDER_OK);
    assert_int_equal(rig_get(rig, "key-1000", 0, &ref), LARDER_OK);
    assert_int_equal(rig_get(rig, "key-1000", 0, &ref), LARDER_OK);
    (void)fill(rig, 1001);
    assert_int_equal(detail(rig, "relocations"), 1);
    put.condition = LARDER_COND_CAS;
    put.cas_expected = put.ret_cas;
    assert_int_equal(rig_put(rig, "key-1000", "y", &put), LARDER_OK);
}

static void test_reservations_stay(void **state)
{
    struct rig *rig = *state;
    struct larder_key key = rig_key("key-999");
    struct larder_room rooms[100];
    struct larder_put put = {0};
    enum larder_result result = LARDER_OK;
    uint32_t count = 0;

    /* One in each segment, until there are too many. */
    while (result == LARDER_OK) {
        assert_true(count < 100);
        rig->ops->thread_begin(rig->threads[0], rig->now_s);
        result = rig->ops->reserve(rig->threads[0], &key, 1000, &rooms[count]);
        rig->ops->thread_end(rig->threads[0]);
        count += result == LARDER_OK ? 1 : 0;
        for (uint64_t i = 0; i < PER_SEGMENT; i++) {
            put_number(rig, 2000 + count * 100 + i, 0);
        }
    }
    assert_int_equal(result, LARDER_BUSY);
    assert_in_range(count, 2, 5);
    memset(rooms[0].value, 'q', 1000);
    for (uint64_t i = 0; i < 5000; i++) {
        put_number(rig, 10000 + i, 0);
    }
    assert_true(rig_stat(rig, LARDER_STATS_GENERAL, "lrutail_reflocked") > 0);
    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    assert_int_equal(rig->ops->commit(rig->threads[0], &rooms[0], &put), LARDER_OK);
    for (uint32_t i = 1; i < count; i++) {
        rig->ops->abandon(rig->threads[0], &rooms[i]);
    }
    rig->ops->thread_end(rig->threads[0]);
    assert_true(holds(rig, 999));
    assert_int_equal(detail(rig, "segments_pinned"), 0);
}

static void test_never_evict(void **state)
{
    struct larder_config config = small_config();
    struct larder_put put = {0};
    char text[RIG_KEY_SIZE];
    struct larder_key key;
    enum larder_result result;
    uint64_t count = 0;
    struct rig rig;

    (void)state;
    config.evict = false;
    rig_open_config(&rig, NULL, config);
    for (;;) {
        key = rig_numbered(text, 1000 + count);
        result = rig_put_bytes(&rig, 0, &key, value, VALUE_SIZE, &put);
        if (result != LARDER_OK) {
            break;
        }
        count++;
    }
    assert_int_equal(result, LARDER_NO_SPACE);
    assert_true(count > 20 * PER_SEGMENT);
    for (uint64_t i = 0; i < count; i++) {
        assert_true(holds(&rig, 1000 + i));
    }
    assert_int_equal(rig.evicted, 0);
    /* Removing gives room back, though it lies in many segments. */
    for (uint64_t i = 0; i < count; i += 4) {
        assert_int_equal(rig_remove(&rig, rig_numbered(text, 1000 + i).data, 0), LARDER_OK);
    }
    for (uint64_t i = 0; i < count / 8; i++) {
        put_number(&rig, 50000 + i, 0);
    }
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(holds(&rig, 1000 + i), i % 4 != 0);
    }
    rig_close(&rig);
}

/* Items that leave a fifth of each segment empty: there is nothing to win by moving them. */
static void test_full_without_evicting(void **state)
{
    enum { UNHANDY_SIZE = 13200 };
    static char unhandy[UNHANDY_SIZE];
    struct larder_config config = small_config();
    char text[RIG_KEY_SIZE];
    enum larder_result result;
    uint64_t count = 0;
    struct rig rig;

    (void)state;
    config.evict = false;
    rig_open_config(&rig, NULL, config);
    do {
        struct larder_key key = rig_numbered(text, count++);
        result = rig_put_bytes(&rig, 0, &key, unhandy, sizeof(unhandy), NULL);
    } while (result == LARDER_OK);
    assert_int_equal(result, LARDER_NO_SPACE);
    rig_tick(&rig);
    assert_int_equal(detail(&rig, "relocations"), 0);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "curr_items"), count - 1);
    rig_close(&rig);
}

/* The index does not shrink, so there is a size that would leave no room for items. */
static void test_resize_below_the_index(void **state)
{
    struct larder_config config = small_config();
    char text[RIG_KEY_SIZE];
    uint64_t size = 32 * RIG_MIB;
    struct rig rig;

    (void)state;
    config.memory_max = size;
    rig_open_config(&rig, NULL, config);
    for (uint64_t i = 0; i < 600000; i++) {
        struct larder_key key = rig_numbered(text, i);
        assert_int_equal(rig_put_bytes(&rig, 0, &key, "x", 1, NULL), LARDER_OK);
    }
    while (size > RIG_MIB && rig.ops->resize(rig.engine, size - RIG_MIB) == LARDER_OK) {
        size -= RIG_MIB;
        rig_tick(&rig);
        rig_tick(&rig);
        assert_true(detail(&rig, "memory_used") <= size);
        assert_int_equal(rig_put(&rig, "after", "x", NULL), LARDER_OK);
    }
    assert_true(size > rig_stat(&rig, LARDER_STATS_GENERAL, "hash_bytes") && size < 16 * RIG_MIB);
    rig_close(&rig);
}

static void test_resize(void **state)
{
    struct rig *rig = *state;
    uint64_t small, large;

    (void)fill(rig, 1000);
    small = rig_stat(rig, LARDER_STATS_GENERAL, "curr_items");
    assert_int_equal(rig->ops->resize(rig->engine, 2 * MEMORY), LARDER_OK);
    (void)fill(rig, 10000);
    large = rig_stat(rig, LARDER_STATS_GENERAL, "curr_items");
    assert_true(large > small * 2 - small / 10);
    assert_int_equal(rig->ops->resize(rig->engine, MEMORY), LARDER_OK);
    rig_tick(rig);
    rig_tick(rig);
    assert_true(detail(rig, "memory_used") <= MEMORY);
    assert_true(rig_stat(rig, LARDER_STATS_GENERAL, "curr_items") <= small + PER_SEGMENT);
    assert_int_equal(rig->ops->resize(rig->engine, 1), LARDER_NO_SPACE);
    assert_int_equal(rig->ops->resize(rig->engine, UINT64_MAX), LARDER_NO_SPACE);
}

static void test_flushed_is_purged(void **state)
{
    struct rig *rig = *state;

    for (uint64_t i = 0; i < 10 * PER_SEGMENT; i++) {
        put_number(rig, 1000 + i, 0);
    }
    rig->ops->flush(rig->engine, 0);
    put_number(rig, 5000, 0); /* closes the segment that was open */
    rig_tick(rig);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "curr_items"), 1);
    assert_int_equal(rig->evicted + rig->expired, 0);
    assert_true(holds(rig, 5000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* One append: read the item and store it longer, from where it lies. False: LARDER_BUSY. */
static bool append(struct rig *rig, const struct larder_key *key, char more, uint64_t size)
{
    struct larder_thread *thread = rig->threads[0];
    struct larder_piece pieces[2] = {{NULL, 0}, {&more, 1}};
    struct larder_put put = {.pieces = pieces, .piece_count = 2, .condition = LARDER_COND_CAS};
    enum larder_result result;
    struct larder_ref ref;

    rig->ops->thread_begin(thread, rig->now_s);
    rig->ops->get(thread, key, 1, LARDER_GET_CAS, 0, &ref, &result);
    assert_int_equal(result, LARDER_OK);
    assert_int_equal(ref.value_size, size);
    pieces[0] = (struct larder_piece){ref.value, (size_t)ref.value_size};
    put.cas_expected = ref.cas;
    result = rig->ops->put(thread, key, &put);
    rig->ops->release(thread, &ref, 1);
    rig->ops->thread_end(thread);
    assert_true(result == LARDER_OK || result == LARDER_BUSY);
    return result == LARDER_OK;
}

/*
 * A small item that is appended to all the time, in a cache that large objects fill: it holds a
 * reference while it asks for memory, and its segments are the only ones.
 */
static void test_appender_among_large_objects(void **state)
{
    enum { ROUNDS = 3000, SIZE_MAX_APPENDED = 1500, TRIES = 20 };
    const struct larder_key key = rig_key("appended");
    char *large = calloc(1, RIG_MIB / 2);
    uint64_t size = 1;
    struct rig rig;

    (void)state;
    rig_open(&rig, NULL, 32 * RIG_MIB);
    assert_int_equal(rig_put(&rig, "appended", "x", NULL), LARDER_OK);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        char text[RIG_KEY_SIZE];
        const struct larder_key other = rig_numbered(text, i);
        uint32_t tries = 0;

        assert_int_equal(rig_put_bytes(&rig, 1, &other, large, RIG_MIB / 2, NULL), LARDER_OK);
        if (size == SIZE_MAX_APPENDED) {
            assert_int_equal(rig_put(&rig, "appended", "x", NULL), LARDER_OK);
            size = 1;
        }
        while (!append(&rig, &key, (char)('a' + i % 26), size)) {
            assert_true(++tries < TRIES);
        }
        size++;
    }
    assert_true(rig_stat(&rig, LARDER_STATS_GENERAL, "evictions") > ROUNDS / 2);
    rig_close(&rig);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_oldest_segment_goes),
        TEST(test_read_twice_is_kept),
        TEST(test_ghost_goes_to_m),
        TEST(test_second_chance_in_m),
        TEST(test_old_ghosts_are_forgotten),
        TEST(test_expired_goes_first),
        TEST(test_mostly_dead_is_compacted),
        cmocka_unit_test(test_expired_goes_first_of_many),
        cmocka_unit_test(test_garbage_is_found_among_many),
        TEST(test_emptied_segments_come_back_at_once),
        TEST(test_cas_outlives_relocation),
        TEST(test_reservations_stay),
        cmocka_unit_test(test_never_evict),
        cmocka_unit_test(test_full_without_evicting),
        cmocka_unit_test(test_resize_below_the_index),
        TEST(test_resize),
        TEST(test_cas_of_a_store_outlives_relocation),
        TEST(test_flushed_is_purged),
        cmocka_unit_test(test_appender_among_large_objects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
