/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segment engine's index where keys meet: tags that look alike to the word-wide comparison,
 * and keys chosen so that they all want the same buckets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/segment/segment_priv.h"
#include "rig.h"

/* A hash of stripe 0 and its first bucket. */
static uint64_t make_hash(uint32_t extra, uint8_t tag)
{
    return (uint64_t)extra << 8 | tag;
}

static void insert(struct segment_index *index, uint64_t hash, uint32_t id)
{
    assert_int_equal(segment_index_insert(index, segment_index_table_of(index, hash), hash,
                                          segment_place(id, 0)),
                     SEGMENT_INSERTED);
}

/*
 * Behind a slot whose tag matches, the comparison may also report a tag that differs in its last
 * bit. A ghost there is another key's, whose tag must not become the new entry's.
 */
static void test_ghost_with_a_twin_tag_stays(void **state)
{
    const uint64_t before = make_hash(1, 0x42), twin = make_hash(7, 0x43), key = make_hash(7, 0x42);
    struct segment_index *index;
    struct segment_hit hit;
    struct rig rig;

    (void)state;
    rig_open(&rig, NULL, 16 * RIG_MIB);
    index = &rig.engine->index;
    segment_index_lock(&index->stripes[0]);
    insert(index, before, 1);
    insert(index, twin, 2);
    assert_true(segment_index_find_place(index, twin, segment_place(2, 0), &hit));
    assert_int_equal(hit.slot, 1);
    segment_index_bury(index, twin, &hit);
    insert(index, key, 3);
    assert_true(segment_index_find_place(index, before, segment_place(1, 0), &hit));
    segment_index_erase(index, before, &hit);
    assert_true(segment_index_find_place(index, key, segment_place(3, 0), &hit));
    segment_index_erase(index, key, &hit);
    segment_index_unlock(&index->stripes[0]);
    rig_close(&rig);
}

/* Where no slot is free, the oldest ghost within the first two buckets gives way, wherever it lies. */
static void test_the_oldest_ghost_gives_way(void **state)
{
    enum { COUNT = 2 * INDEX_SLOTS };
    static const uint32_t buried[] = {9, 3, 12, 1}; /* in this order; slots of both buckets */
    struct segment_hit graves[4];
    struct segment_index *index;
    struct segment_hit hit;
    struct rig rig;

    (void)state;
    rig_open(&rig, NULL, 16 * RIG_MIB);
    index = &rig.engine->index;
    segment_index_lock(&index->stripes[0]);
    for (uint32_t i = 0; i < COUNT; i++) {
        insert(index, make_hash(i + 1, 0x42), i + 1);
    }
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t id = buried[i] + 1;

        assert_true(
            segment_index_find_place(index, make_hash(id, 0x42), segment_place(id, 0), &graves[i]));
        segment_index_bury(index, make_hash(id, 0x42), &graves[i]);
    }
    for (uint32_t i = 0; i < 4; i++) {
        insert(index, make_hash(100 + i, 0x42), 100 + i);
        assert_true(segment_index_find_place(index, make_hash(100 + i, 0x42),
                                             segment_place(100 + i, 0), &hit));
        assert_ptr_equal(hit.bucket, graves[i].bucket);
        assert_int_equal(hit.slot, graves[i].slot);
        assert_int_equal(index->stripes[0].ghosts, 3 - i);
    }
    segment_index_unlock(&index->stripes[0]);
    rig_close(&rig);
}

/*
 * Keys of one hash, more of them than a bucket holds: a look-up has to pass by the items of the
 * others, in their bucket and beyond. One that is not there has the same hash, too.
 */
static void test_one_hash_many_keys(void **state)
{
    enum { COUNT = 20, TURNS = 2 };
    const uint64_t hash = make_hash(5, 0x42);
    char texts[COUNT + 1][RIG_KEY_SIZE];
    struct larder_key keys[COUNT + 1];
    struct larder_ref refs[COUNT + 1];
    enum larder_result results[COUNT + 1];
    struct rig rig;

    (void)state;
    rig_open(&rig, NULL, 16 * RIG_MIB);
    for (uint32_t i = 0; i <= COUNT; i++) {
        keys[i] = rig_numbered(texts[i], i);
        keys[i].hash = hash;
        if (i < COUNT) {
            assert_int_equal(rig_put_bytes(&rig, 0, &keys[i], texts[i], keys[i].size, NULL),
                             LARDER_OK);
        }
    }
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        const uint32_t flags = turn == 0 ? 0 : LARDER_GET_CAS;

        rig.ops->thread_begin(rig.threads[0], rig.now_s);
        rig.ops->get(rig.threads[0], keys, COUNT + 1, flags, 0, refs, results);
        for (uint32_t i = 0; i < COUNT; i++) {
            assert_int_equal(results[i], LARDER_OK);
            assert_int_equal(refs[i].value_size, keys[i].size);
            assert_memory_equal(refs[i].value, texts[i], keys[i].size);
        }
        assert_int_equal(results[COUNT], LARDER_MISS);
        rig.ops->release(rig.threads[0], refs, COUNT + 1);
        rig.ops->thread_end(rig.threads[0]);
    }
    rig_close(&rig);
}

/* Does the key begin its search where a table of `per` buckets would be crowded? */
static bool crowded(const struct segment_index *index, uint64_t hash, uint32_t per)
{
    return segment_index_stripe(index, hash) == 0 && segment_index_home(index, hash, per) == 0 &&
           (segment_index_tag(hash) & 7) == 3;
}

/* Anybody can choose such keys: the hash has no secret. They may cost each other, nothing more. */
static void test_growth_with_keys_that_collide(void **state)
{
    enum { COLLIDING = 200, OTHERS = 60000, PER_NEXT = 2 * INDEX_PER_START + 1 };
    char text[RIG_KEY_SIZE];
    uint64_t number = 0;
    uint64_t held = 0;
    struct rig rig;

    (void)state;
    rig_open(&rig, NULL, 16 * RIG_MIB);
    for (uint32_t found = 0; found < COLLIDING; number++) {
        struct larder_key key = rig_numbered(text, number);
        if (crowded(&rig.engine->index, key.hash, PER_NEXT)) {
            assert_int_equal(rig_put_bytes(&rig, 0, &key, "x", 1, NULL), LARDER_OK);
            found++;
        }
    }
    for (uint32_t i = 0; i < OTHERS; i++) {
        struct larder_key key = rig_numbered(text, number + i);
        assert_int_equal(rig_put_bytes(&rig, 0, &key, "y", 1, NULL), LARDER_OK);
    }
    assert_true(rig_stat(&rig, LARDER_STATS_DETAIL, "index_slots") >
                64ull * INDEX_PER_START * INDEX_SLOTS);
    for (uint64_t i = 0; i < number + OTHERS; i++) {
        held += rig_holds(&rig, rig_numbered(text, i).data, i < number ? "x" : "y") ? 1 : 0;
    }
    assert_int_equal(held, rig_stat(&rig, LARDER_STATS_GENERAL, "curr_items"));
    assert_int_equal(held + rig_stat(&rig, LARDER_STATS_GENERAL, "evictions"), COLLIDING + OTHERS);
    assert_int_equal(rig.evicted, rig_stat(&rig, LARDER_STATS_GENERAL, "evictions"));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ghost_with_a_twin_tag_stays),
        cmocka_unit_test(test_the_oldest_ghost_gives_way),
        cmocka_unit_test(test_one_hash_many_keys),
        cmocka_unit_test(test_growth_with_keys_that_collide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
