/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stores of keys that prefetch() has looked up, and what may come between the two: the result is
 * that of any other store.
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

static enum larder_result put_now(struct rig *rig, const struct larder_key *key, const char *value,
                                  struct larder_put *put)
{
    const struct larder_piece piece = {value, strlen(value)};
    struct larder_put plain = {0};

    put = put == NULL ? &plain : put;
    put->pieces = &piece;
    put->piece_count = 1;
    return rig->ops->put(rig->threads[0], key, put);
}

static void begin(struct rig *rig, const struct larder_key *keys, uint32_t count)
{
    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    rig->ops->prefetch(rig->threads[0], keys, count);
}

static void end(struct rig *rig)
{
    rig->ops->thread_end(rig->threads[0]);
}

/* One store in a turn of its own. */
static void put_found(struct rig *rig, const char *text, const char *value, struct larder_put *put)
{
    const struct larder_key key = rig_key(text);

    begin(rig, &key, 1);
    assert_int_equal(put_now(rig, &key, value, put), LARDER_OK);
    end(rig);
}

static uint64_t general(struct rig *rig, const char *name)
{
    return rig_stat(rig, LARDER_STATS_GENERAL, name);
}

static const struct segment_item *item_of(struct rig *rig, const struct larder_key *key)
{
    return segment_item_at(rig->engine, segment_find(rig->engine, key, NULL).value);
}

static void test_the_same_key_again(void **state)
{
    const struct larder_key keys[] = {rig_key("a"), rig_key("a"), rig_key("b"), rig_key("a")};
    struct rig rig;

    (void)state;
    rig_open(&rig, "segment", 64 * RIG_MIB);
    for (int i = 0; i < 3; i++) {
        const struct segment_item *old = i == 0 ? NULL : item_of(&rig, &keys[0]);
        begin(&rig, keys, 4);
        assert_int_equal(put_now(&rig, &keys[0], "1", NULL), LARDER_OK);
        assert_int_equal(put_now(&rig, &keys[1], "22", NULL), LARDER_OK);
        assert_int_equal(put_now(&rig, &keys[2], "other", NULL), LARDER_OK);
        assert_int_equal(put_now(&rig, &keys[3], "333", NULL), LARDER_OK);
        end(&rig);
        assert_true(old == NULL || (segment_item_state(old) & ITEM_DEAD) != 0);
        assert_true((segment_item_state(item_of(&rig, &keys[0])) & ITEM_DEAD) == 0);
        assert_true(rig_holds(&rig, "a", "333"));
        assert_true(rig_holds(&rig, "b", "other"));
        assert_int_equal(general(&rig, "curr_items"), 2);
        assert_int_equal(general(&rig, "bytes"), 2 * 16); /* 8 + 1 + 5, 8 + 1 + 3 */
        assert_int_equal(general(&rig, "total_items"), 4 * (i + 1));
    }
    rig_close(&rig);
}

static void test_what_comes_between(void **state)
{
    struct larder_key keys[] = {rig_key("a"), rig_key("b"), rig_key("c")};
    struct larder_ref ref;
    struct rig rig;

    (void)state;
    rig_open(&rig, "segment", 64 * RIG_MIB);
    for (int i = 0; i < 3; i++) {
        put_found(&rig, (const char *[]){"a", "b", "c"}[i], "old", NULL);
    }
    begin(&rig, keys, 3);
    assert_int_equal(rig.ops->remove(rig.threads[0], &keys[0], 0), LARDER_OK);
    assert_int_equal(put_now(&rig, &keys[0], "after remove", NULL), LARDER_OK);
    keys[1].data = "d"; /* the host uses the place for another key, with the same hash */
    assert_int_equal(put_now(&rig, &keys[1], "d's", NULL), LARDER_OK);
    end(&rig);
    assert_true(rig_holds(&rig, "a", "after remove"));
    assert_true(rig_holds(&rig, "b", "old"));
    assert_int_equal(rig_get_key(&rig, &keys[1], 0, &ref), LARDER_OK);
    assert_int_equal(general(&rig, "curr_items"), 4);

    begin(&rig, keys, 3);
    rig.ops->flush(rig.engine, 0);
    assert_int_equal(put_now(&rig, &keys[0], "after flush", NULL), LARDER_OK);
    assert_int_equal(put_now(&rig, &keys[2], "after flush", NULL), LARDER_OK);
    end(&rig);
    assert_int_equal(general(&rig, "reclaimed"), 2);
    assert_true(rig_holds(&rig, "a", "after flush"));
    assert_true(rig_holds(&rig, "c", "after flush"));
    assert_false(rig_holds(&rig, "b", "old"));

    /* What was found in one turn is void in the next. */
    begin(&rig, keys, 3);
    end(&rig);
    keys[2] = rig_key("e");
    rig.ops->thread_begin(rig.threads[0], rig.now_s);
    assert_int_equal(put_now(&rig, &keys[2], "e's", NULL), LARDER_OK);
    end(&rig);
    assert_true(rig_holds(&rig, "e", "e's"));
    assert_true(rig_holds(&rig, "c", "after flush"));
    rig_close(&rig);
}

static void test_fields_and_cas(void **state)
{
    struct larder_ref ref;
    uint64_t last_cas = 0;
    struct rig rig;

    (void)state;
    rig_open(&rig, "segment", 64 * RIG_MIB);
    for (uint32_t i = 0; i < 16; i++) {
        struct larder_put put = {
            .client_flags = i % 2 != 0 ? 40 + i : 0,
            .expires_at_s = i % 4 >= 2 ? rig.now_s + 100 + i : 0,
            .marks = i % 8 == 5 ? LARDER_MARK_STALE : 0,
            .show_cas = i % 3 == 0,
        };
        put_found(&rig, "key", i % 5 == 0 ? "a" : "another value", &put);
        assert_true(put.ret_cas > last_cas);
        last_cas = put.ret_cas;
        assert_int_equal(rig_get(&rig, "key", 0, &ref), LARDER_OK);
        assert_int_equal(ref.client_flags, put.client_flags);
        assert_int_equal(ref.expires_at_s, put.expires_at_s);
        assert_int_equal(ref.marks, put.marks);
        assert_int_equal(ref.cas, put.ret_cas);
        assert_int_equal(general(&rig, "curr_items"), 1);
    }
    rig_close(&rig);
}

static void test_over_an_expired_one(void **state)
{
    struct larder_put put = {.expires_at_s = 1001};
    struct larder_put cas = {.condition = LARDER_COND_ABSENT};
    struct rig rig;

    (void)state;
    rig_open(&rig, "segment", 64 * RIG_MIB);
    put_found(&rig, "key", "old", NULL);
    put_found(&rig, "key", "short-lived", &put);
    rig.now_s = 1001;
    put_found(&rig, "key", "new", NULL);
    assert_true(rig_holds(&rig, "key", "new"));
    assert_int_equal(general(&rig, "curr_items"), 1);
    assert_int_equal(rig.expired, 1);
    assert_int_equal(general(&rig, "expired_unfetched"), 1);
    /* Conditions are met, or not, as ever. */
    const struct larder_key key = rig_key("key");
    begin(&rig, &key, 1);
    assert_int_equal(put_now(&rig, &key, "newer", &cas), LARDER_EXISTS);
    end(&rig);
    rig_close(&rig);
}

enum { NEW_KEYS = 200000 };

/* The index grows after the look-up: the entry is in another table when it is switched. */
static void test_growth_comes_between(void **state)
{
    char text[RIG_KEY_SIZE], names[SEGMENT_NOTES_MAX][RIG_KEY_SIZE];
    struct larder_key keys[SEGMENT_NOTES_MAX];
    uint64_t slots;
    struct rig rig;

    (void)state;
    rig_open(&rig, "segment", 64 * RIG_MIB);
    for (uint32_t i = 0; i < SEGMENT_NOTES_MAX; i++) {
        keys[i] = rig_numbered(names[i], NEW_KEYS + i);
        assert_int_equal(rig_put_bytes(&rig, 0, &keys[i], "old", 3, NULL), LARDER_OK);
    }
    slots = rig_stat(&rig, LARDER_STATS_DETAIL, "index_slots");
    begin(&rig, keys, SEGMENT_NOTES_MAX);
    for (uint32_t i = 0; i < NEW_KEYS; i++) {
        const struct larder_key key = rig_numbered(text, i);
        assert_int_equal(put_now(&rig, &key, "x", NULL), LARDER_OK);
        if (i % (NEW_KEYS / SEGMENT_NOTES_MAX) == 0) {
            assert_int_equal(put_now(&rig, &keys[i / (NEW_KEYS / SEGMENT_NOTES_MAX)], "new", NULL),
                             LARDER_OK);
        }
    }
    end(&rig);
    assert_true(rig_stat(&rig, LARDER_STATS_DETAIL, "index_slots") > slots);
    for (uint32_t i = 0; i < SEGMENT_NOTES_MAX; i++) {
        assert_true(rig_holds(&rig, names[i], "new"));
    }
    assert_int_equal(general(&rig, "curr_items"), NEW_KEYS + SEGMENT_NOTES_MAX);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_key_again),   cmocka_unit_test(test_what_comes_between),
        cmocka_unit_test(test_fields_and_cas),       cmocka_unit_test(test_over_an_expired_one),
        cmocka_unit_test(test_growth_comes_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
