/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every engine has to do: the contract of <larder/engine.h>, sentence by sentence. Runs on
 * the default engine, or the one that LARDER_TEST_ENGINE names (a built-in name or a path).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "rig.h"

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    rig_open(rig, getenv("LARDER_TEST_ENGINE"), 64 * RIG_MIB);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static void test_store_and_look_up(void **state)
{
    struct rig *rig = *state;
    struct larder_put put = {.client_flags = 0xdeadbeef, .expires_at_s = 5000};
    struct larder_ref ref;

    assert_int_equal(rig_get(rig, "a", 0, &ref), LARDER_MISS);
    assert_int_equal(rig_put(rig, "a", "one", &put), LARDER_OK);
    assert_int_equal(rig_get(rig, "a", 0, &ref), LARDER_OK);
    assert_int_equal(ref.value_size, 3);
    assert_int_equal(ref.client_flags, 0xdeadbeef);
    assert_int_equal(ref.expires_at_s, 5000);
    assert_int_equal(ref.cas, put.ret_cas);
    assert_true(rig_holds(rig, "a", "one"));
    assert_int_equal(rig_put(rig, "a", "", NULL), LARDER_OK);
    assert_true(rig_holds(rig, "a", ""));
    assert_int_equal(rig_get(rig, "a", 0, &ref), LARDER_OK);
    assert_int_equal(ref.client_flags, 0);
    assert_int_equal(ref.expires_at_s, 0);
    assert_int_equal(rig_remove(rig, "a", 0), LARDER_OK);
    assert_int_equal(rig_remove(rig, "a", 0), LARDER_MISS);
    assert_int_equal(rig_get(rig, "a", 0, &ref), LARDER_MISS);
}

static void test_pieces_and_batches(void **state)
{
    struct rig *rig = *state;
    const struct larder_piece pieces[] = {{"ab", 2}, {NULL, 0}, {"cde", 3}};
    struct larder_put put = {.pieces = pieces, .piece_count = 3};
    const struct larder_key keys[] = {rig_key("x"), rig_key("none"), rig_key("x")};
    enum larder_result results[3];
    struct larder_ref refs[3];

    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    assert_int_equal(rig->ops->put(rig->threads[0], &keys[0], &put), LARDER_OK);
    rig->ops->prefetch(rig->threads[0], keys, 3);
    rig->ops->get(rig->threads[0], keys, 3, 0, 0, refs, results);
    assert_int_equal(results[0], LARDER_OK);
    assert_int_equal(results[1], LARDER_MISS);
    assert_int_equal(results[2], LARDER_OK);
    assert_memory_equal(refs[2].value, "abcde", 5);
    assert_int_equal(refs[1].pin, 0);
    rig->ops->release(rig->threads[0], refs, 3);
    assert_int_equal(refs[0].pin, 0);
    assert_int_equal(refs[2].pin, 0);
    rig->ops->release(rig->threads[0], refs, 3); /* there is nothing left to give back */
    rig->ops->thread_end(rig->threads[0]);
}

/* More keys at once than any engine can look up together, every third of them there. */
static void test_many_at_once(void **state)
{
    enum { COUNT = 301 };
    static char texts[COUNT][RIG_KEY_SIZE];
    static struct larder_key keys[COUNT];
    static struct larder_ref refs[COUNT];
    static enum larder_result results[COUNT];
    struct rig *rig = *state;

    for (uint32_t i = 0; i < COUNT; i++) {
        keys[i] = rig_numbered(texts[i], i);
        if (i % 3 == 0) {
            assert_int_equal(rig_put_bytes(rig, 0, &keys[i], (const char *)&i, sizeof(i), NULL),
                             LARDER_OK);
        }
    }
    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    rig->ops->prefetch(rig->threads[0], keys, COUNT);
    rig->ops->get(rig->threads[0], keys, COUNT, 0, 0, refs, results);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(results[i], i % 3 == 0 ? LARDER_OK : LARDER_MISS);
        if (i % 3 == 0) {
            assert_int_equal(refs[i].value_size, sizeof(i));
            assert_memory_equal(refs[i].value, &i, sizeof(i));
        }
    }
    rig->ops->release(rig->threads[0], refs, COUNT);
    rig->ops->thread_end(rig->threads[0]);
}

static void test_longest_key(void **state)
{
    struct rig *rig = *state;
    char key[251];

    memset(key, 'k', 250);
    key[250] = '\0';
    assert_int_equal(rig_put(rig, key, "long", NULL), LARDER_OK);
    assert_true(rig_holds(rig, key, "long"));
    key[249] = '\0';
    assert_false(rig_holds(rig, key, "long"));
}

static void test_conditions(void **state)
{
    struct rig *rig = *state;
    struct larder_put absent = {.condition = LARDER_COND_ABSENT};
    struct larder_put present = {.condition = LARDER_COND_PRESENT};
    struct larder_put cas = {.condition = LARDER_COND_CAS, .cas_expected = 1};

    assert_int_equal(rig_put(rig, "c", "1", &present), LARDER_MISS);
    assert_int_equal(rig_put(rig, "c", "1", &cas), LARDER_MISS);
    assert_int_equal(rig_put(rig, "c", "1", &absent), LARDER_OK);
    assert_int_equal(rig_put(rig, "c", "2", &absent), LARDER_EXISTS);
    assert_true(rig_holds(rig, "c", "1"));
    assert_int_equal(rig_put(rig, "c", "3", &cas), LARDER_EXISTS);
    cas.cas_expected = absent.ret_cas;
    assert_int_equal(rig_put(rig, "c", "3", &cas), LARDER_OK);
    assert_int_equal(rig_put(rig, "c", "4", &cas), LARDER_EXISTS);
    assert_int_equal(rig_put(rig, "c", "5", &present), LARDER_OK);
    assert_true(rig_holds(rig, "c", "5"));
    assert_int_equal(rig_remove(rig, "c", present.ret_cas + 1), LARDER_EXISTS);
    assert_int_equal(rig_remove(rig, "c", present.ret_cas), LARDER_OK);
}

static void test_expiry_to_the_second(void **state)
{
    struct rig *rig = *state;
    struct larder_put put = {.expires_at_s = 1010};
    struct larder_put absent = {.condition = LARDER_COND_ABSENT};

    assert_int_equal(rig_put(rig, "e", "v", &put), LARDER_OK);
    rig->now_s = 1009;
    assert_true(rig_holds(rig, "e", "v"));
    assert_int_equal(rig_put(rig, "e", "w", &absent), LARDER_EXISTS);
    rig->now_s = 1010;
    assert_false(rig_holds(rig, "e", "v"));
    assert_int_equal(rig_remove(rig, "e", 0), LARDER_MISS);
    put.expires_at_s = 1020;
    assert_int_equal(rig_put(rig, "e", "x", &put), LARDER_OK);
    rig->now_s = 1020;
    assert_int_equal(rig_put(rig, "e", "y", &absent), LARDER_OK);
    assert_true(rig_holds(rig, "e", "y"));
    /* What is over when it is stored is never seen. */
    put.expires_at_s = 1;
    assert_int_equal(rig_put(rig, "e", "z", &put), LARDER_OK);
    assert_false(rig_holds(rig, "e", "z"));
}

static void test_touch(void **state)
{
    struct rig *rig = *state;
    struct larder_put put = {.client_flags = 7, .marks = LARDER_MARK_STALE};
    struct larder_ref before, ref;

    assert_int_equal(rig_touch(rig, "t", 1005), LARDER_MISS);
    assert_int_equal(rig_put(rig, "t", "value", &put), LARDER_OK);
    assert_int_equal(rig_get(rig, "t", LARDER_GET_CAS, &before), LARDER_OK);
    /* From never to some time, to another, to never. */
    assert_int_equal(rig_touch(rig, "t", 1005), LARDER_OK);
    assert_int_equal(rig_get(rig, "t", 0, &ref), LARDER_OK);
    assert_int_equal(ref.expires_at_s, 1005);
    assert_int_equal(ref.cas, before.cas);
    assert_int_equal(ref.client_flags, 7);
    assert_true((ref.marks & LARDER_MARK_STALE) != 0);
    assert_true((ref.marks & LARDER_MARK_FETCHED) != 0);
    assert_int_equal(rig_touch(rig, "t", 1500), LARDER_OK);
    rig->now_s = 1499;
    assert_true(rig_holds(rig, "t", "value"));
    assert_int_equal(rig_touch(rig, "t", 0), LARDER_OK);
    rig->now_s = 100000;
    assert_true(rig_holds(rig, "t", "value"));
    assert_int_equal(rig_touch(rig, "t", rig->now_s), LARDER_OK);
    assert_false(rig_holds(rig, "t", "value"));
    assert_int_equal(rig_touch(rig, "t", 0), LARDER_MISS);
}

static void test_keep_expiry(void **state)
{
    struct rig *rig = *state;
    struct larder_put put = {.client_flags = 9, .expires_at_s = 1100};
    struct larder_put keep = {.keep_expiry = true, .client_flags = 1, .expires_at_s = 1};
    struct larder_ref ref;

    assert_int_equal(rig_put(rig, "k", "a", &put), LARDER_OK);
    assert_int_equal(rig_put(rig, "k", "ab", &keep), LARDER_OK);
    assert_int_equal(rig_get(rig, "k", 0, &ref), LARDER_OK);
    assert_int_equal(ref.client_flags, 9);
    assert_int_equal(ref.expires_at_s, 1100);
    /* Nothing to keep it from: what the put itself says. */
    keep = (struct larder_put){.keep_expiry = true, .client_flags = 3, .expires_at_s = 1200};
    assert_int_equal(rig_put(rig, "new", "a", &keep), LARDER_OK);
    assert_int_equal(rig_get(rig, "new", 0, &ref), LARDER_OK);
    assert_int_equal(ref.client_flags, 3);
    assert_int_equal(ref.expires_at_s, 1200);
}

static void test_cas_grows_on_every_thread(void **state)
{
    struct rig *rig = *state;
    struct larder_key key = rig_key("g");
    uint64_t last = 0;

    for (uint32_t i = 0; i < 20000; i++) {
        struct larder_put put = {0};
        char text[16];

        (void)snprintf(text, sizeof(text), "%u", i);
        assert_int_equal(rig_put_bytes(rig, i % 2, &key, text, strlen(text), &put), LARDER_OK);
        assert_true(put.ret_cas > last);
        last = put.ret_cas;
        if (i % 7 == 0) {
            struct larder_ref ref;
            assert_int_equal(rig_get(rig, "g", i % 3 == 0 ? LARDER_GET_CAS : 0, &ref), LARDER_OK);
            assert_int_equal(ref.cas, last);
        }
    }
}

static void test_cas_assigned(void **state)
{
    struct rig *rig = *state;
    struct larder_put put = {.cas_assign = 77};
    struct larder_put cas = {.condition = LARDER_COND_CAS, .cas_expected = 77};
    struct larder_ref ref;

    assert_int_equal(rig_put(rig, "a", "1", &put), LARDER_OK);
    assert_int_equal(put.ret_cas, 77);
    assert_int_equal(rig_get(rig, "a", LARDER_GET_CAS, &ref), LARDER_OK);
    assert_int_equal(ref.cas, 77);
    assert_int_equal(rig_put(rig, "a", "2", &cas), LARDER_OK);
    assert_true(cas.ret_cas > 77);
}

static void test_marks(void **state)
{
    struct rig *rig = *state;
    struct larder_put put = {.marks = LARDER_MARK_HOST};
    struct larder_ref ref;
    uint32_t before = 99;

    assert_int_equal(rig_mark(rig, "m", 1, LARDER_MARK_WON, 0, &before), LARDER_MISS);
    assert_int_equal(rig_put(rig, "m", "v", &put), LARDER_OK);
    assert_int_equal(rig_mark(rig, "m", put.ret_cas + 1, LARDER_MARK_WON, 0, &before),
                     LARDER_EXISTS);
    assert_int_equal(rig_mark(rig, "m", put.ret_cas, LARDER_MARK_WON, 0, &before), LARDER_OK);
    assert_int_equal(before, LARDER_MARK_HOST);
    assert_int_equal(rig_mark(rig, "m", put.ret_cas, LARDER_MARK_WON, 0, &before), LARDER_OK);
    assert_int_equal(before, LARDER_MARK_HOST | LARDER_MARK_WON);
    assert_int_equal(rig_mark(rig, "m", put.ret_cas, LARDER_MARK_STALE, LARDER_MARK_WON, &before),
                     LARDER_OK);
    assert_int_equal(rig_get(rig, "m", 0, &ref), LARDER_OK);
    assert_int_equal(ref.marks, LARDER_MARK_HOST | LARDER_MARK_STALE);
    assert_int_equal(ref.cas, put.ret_cas);
    assert_int_equal(rig_get(rig, "m", 0, &ref), LARDER_OK);
    assert_int_equal(ref.marks, LARDER_MARK_HOST | LARDER_MARK_STALE | LARDER_MARK_FETCHED);
    /* They belong to the item: a new one has none. */
    assert_int_equal(rig_put(rig, "m", "w", NULL), LARDER_OK);
    assert_int_equal(rig_get(rig, "m", 0, &ref), LARDER_OK);
    assert_int_equal(ref.marks, 0);
}

static void test_peek_leaves_no_trace(void **state)
{
    struct rig *rig = *state;
    struct larder_ref ref;

    assert_int_equal(rig_put(rig, "p", "v", NULL), LARDER_OK);
    rig->now_s += 500;
    assert_int_equal(rig_get(rig, "p", LARDER_GET_PEEK, &ref), LARDER_OK);
    assert_int_equal(rig_get(rig, "p", LARDER_GET_PEEK, &ref), LARDER_OK);
    assert_int_equal(ref.marks, 0);
    assert_int_equal(ref.last_access_s, 1000);
    assert_int_equal(rig_get(rig, "p", 0, &ref), LARDER_OK);
    assert_int_equal(ref.last_access_s, 1000);
    rig->now_s += 5;
    assert_int_equal(rig_get(rig, "p", 0, &ref), LARDER_OK);
    assert_true(ref.last_access_s >= rig->now_s - 5 - 60 && ref.last_access_s <= rig->now_s);
    /* A worker whose turn began before the second of the one that stored. */
    assert_int_equal(rig_put(rig, "p", "v", NULL), LARDER_OK);
    rig->now_s--;
    assert_int_equal(rig_get(rig, "p", LARDER_GET_PEEK, &ref), LARDER_OK);
    assert_int_equal(ref.last_access_s, rig->now_s);
    rig->now_s++;
}

static void test_flush(void **state)
{
    struct rig *rig = *state;
    struct larder_put absent = {.condition = LARDER_COND_ABSENT};

    assert_int_equal(rig_put(rig, "f", "old", NULL), LARDER_OK);
    rig->ops->flush(rig->engine, 0);
    assert_false(rig_holds(rig, "f", "old"));
    assert_int_equal(rig_put(rig, "f", "new", &absent), LARDER_OK);
    assert_true(rig_holds(rig, "f", "new"));
    rig_tick(rig);
    assert_true(rig_holds(rig, "f", "new"));
}

static void test_flush_later(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_put(rig, "f", "v", NULL), LARDER_OK);
    rig->ops->flush(rig->engine, 1020);
    rig->now_s = 1019;
    rig_tick(rig);
    assert_true(rig_holds(rig, "f", "v"));
    rig->now_s = 1020;
    assert_false(rig_holds(rig, "f", "v"));
    assert_int_equal(rig_put(rig, "f", "w", NULL), LARDER_OK);
    assert_true(rig_holds(rig, "f", "w"));
    /* A later call replaces a pending one, in both directions. */
    rig->ops->flush(rig->engine, 1030);
    rig->ops->flush(rig->engine, 1040);
    rig->now_s = 1035;
    rig_tick(rig);
    assert_true(rig_holds(rig, "f", "w"));
    rig->ops->flush(rig->engine, 1036);
    rig->now_s = 1036;
    rig_tick(rig);
    assert_false(rig_holds(rig, "f", "w"));
    assert_int_equal(rig_put(rig, "f", "x", NULL), LARDER_OK);
    rig->now_s = 1041;
    assert_true(rig_holds(rig, "f", "x"));
    /* At once, with one pending: that one is gone too. */
    rig->ops->flush(rig->engine, 1050);
    rig->ops->flush(rig->engine, 0);
    assert_false(rig_holds(rig, "f", "x"));
    assert_int_equal(rig_put(rig, "f", "y", NULL), LARDER_OK);
    rig->now_s = 1050;
    assert_true(rig_holds(rig, "f", "y"));
}

static void test_lent_until_the_turn_ends(void **state)
{
    struct rig *rig = *state;
    struct larder_key key = rig_key("l");
    enum larder_result result;
    struct larder_ref ref;
    char value[1000];

    memset(value, 'a', sizeof(value));
    assert_int_equal(rig_put_bytes(rig, 0, &key, value, sizeof(value), NULL), LARDER_OK);
    rig->ops->thread_begin(rig->threads[1], rig->now_s);
    rig->ops->get(rig->threads[1], &key, 1, 0, 0, &ref, &result);
    assert_int_equal(result, LARDER_OK);
    /* Thread 0 writes the whole cache several times over, as far as it gets. */
    for (uint64_t i = 0; i < 300000; i++) {
        char buffer[RIG_KEY_SIZE];
        struct larder_key other = rig_numbered(buffer, i);
        struct larder_put put = {.pieces = &(struct larder_piece){value, sizeof(value)},
                                 .piece_count = 1};

        rig->ops->thread_begin(rig->threads[0], rig->now_s);
        result = rig->ops->put(rig->threads[0], &other, &put);
        rig->ops->thread_end(rig->threads[0]);
        if (result == LARDER_BUSY) {
            break;
        }
        assert_int_equal(result, LARDER_OK);
    }
    assert_memory_equal(ref.value, value, sizeof(value));
    rig->ops->release(rig->threads[1], &ref, 1);
    rig->ops->thread_end(rig->threads[1]);
    assert_int_equal(rig_put(rig, "l", "after", NULL), LARDER_OK);
}

static void test_too_large(void **state)
{
    struct rig *rig = *state;
    struct larder_key key = rig_key("big");
    char *value = calloc(1, 2 * RIG_MIB);

    assert_non_null(value);
    assert_int_equal(rig_put(rig, "big", "small", NULL), LARDER_OK);
    assert_int_equal(rig_put_bytes(rig, 0, &key, value, 2 * RIG_MIB, NULL), LARDER_TOO_LARGE);
    assert_true(rig_holds(rig, "big", "small"));
    memset(value, 'z', RIG_MIB);
    assert_int_equal(rig_put_bytes(rig, 0, &key, value, RIG_MIB - 300, NULL), LARDER_OK);
    value[RIG_MIB - 300] = '\0';
    assert_true(rig_holds(rig, "big", value));
    free(value);
}

/* ---- reservations ---- */

static struct larder_room reserve(struct rig *rig, const char *key, const char *value)
{
    struct larder_key k = rig_key(key);
    struct larder_room room = {0};

    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    assert_int_equal(rig->ops->reserve(rig->threads[0], &k, strlen(value), &room), LARDER_OK);
    rig->ops->thread_end(rig->threads[0]);
    assert_int_equal(room.value_size, strlen(value));
    memcpy(room.value, value, strlen(value));
    return room;
}

static enum larder_result commit(struct rig *rig, struct larder_room *room, struct larder_put *put)
{
    enum larder_result result;

    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    result = rig->ops->commit(rig->threads[0], room, put);
    rig->ops->thread_end(rig->threads[0]);
    return result;
}

static bool count_pin(void *arg, const char *key, uint32_t key_size, uint64_t bytes,
                      uint32_t holders, uint64_t age_s)
{
    uint64_t *sum = arg;

    assert_memory_equal(key, "r", 1);
    assert_int_equal(key_size, 1);
    assert_true(bytes >= 5 && holders == 1);
    sum[0]++;
    sum[1] = age_s;
    return true;
}

static void test_reserve(void **state)
{
    struct rig *rig = *state;
    struct larder_put put = {.client_flags = 5, .expires_at_s = 2000};
    struct larder_put absent = {.condition = LARDER_COND_ABSENT};
    struct larder_room room, other;
    uint64_t pins[2] = {0, 0};
    struct larder_ref ref;

    room = reserve(rig, "r", "first");
    rig->now_s += 40;
    assert_false(rig_holds(rig, "r", "first"));
    rig->ops->pins(rig->engine, rig->now_s, count_pin, pins);
    assert_int_equal(pins[0], 1);
    assert_int_equal(pins[1], 40);
    assert_int_equal(commit(rig, &room, &put), LARDER_OK);
    assert_true(rig_holds(rig, "r", "first"));
    assert_int_equal(rig_get(rig, "r", 0, &ref), LARDER_OK);
    assert_int_equal(ref.client_flags, 5);
    assert_int_equal(ref.expires_at_s, 2000);
    assert_int_equal(ref.cas, put.ret_cas);
    /* A failed commit changes nothing, nor does an abandoned room. */
    room = reserve(rig, "r", "second");
    other = reserve(rig, "r", "third");
    assert_int_equal(commit(rig, &room, &absent), LARDER_EXISTS);
    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    rig->ops->abandon(rig->threads[0], &other);
    rig->ops->thread_end(rig->threads[0]);
    assert_true(rig_holds(rig, "r", "first"));
    pins[0] = 0;
    rig->ops->pins(rig->engine, rig->now_s, count_pin, pins);
    assert_int_equal(pins[0], 0);
    /* Reserved before a flush, committed after: it is a store after the flush. */
    room = reserve(rig, "r", "later");
    rig->ops->flush(rig->engine, 0);
    assert_int_equal(commit(rig, &room, &absent), LARDER_OK);
    assert_true(rig_holds(rig, "r", "later"));
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "curr_items"), 1);
}

/* ---- the whole store ---- */

struct seen {
    uint8_t *count;
    uint64_t numbers;
    uint64_t stop_after;
};

static bool see(void *arg, const struct larder_ref *item)
{
    struct seen *seen = arg;
    char text[RIG_KEY_SIZE];
    uint64_t number;

    assert_true(item->key_size < sizeof(text));
    memcpy(text, item->key, item->key_size);
    text[item->key_size] = '\0';
    number = strtoull(text + 4, NULL, 10);
    assert_true(number < seen->numbers);
    if (seen->stop_after == 0) {
        return false;
    }
    seen->stop_after--;
    seen->count[number]++;
    return true;
}

static void test_scan(void **state)
{
    enum { ITEMS = 30000 };
    struct rig *rig = *state;
    struct seen seen = {calloc(ITEMS, 1), ITEMS, UINT64_MAX};
    uint64_t cursor = 0;
    uint32_t calls = 0;

    for (uint64_t i = 0; i < ITEMS; i++) {
        struct larder_put put = {.expires_at_s = i % 10 == 0 ? 1001 : 0};
        char buffer[RIG_KEY_SIZE];
        struct larder_key key = rig_numbered(buffer, i);
        assert_int_equal(rig_put_bytes(rig, 0, &key, "v", 1, &put), LARDER_OK);
    }
    rig->now_s = 1001;
    do {
        seen.stop_after = calls % 5 == 0 ? 17 : UINT64_MAX;
        rig->ops->scan(rig->engine, rig->now_s, &cursor, 100, see, &seen);
        assert_true(++calls < ITEMS);
    } while (cursor != 0);
    assert_true(calls > 100);
    for (uint64_t i = 0; i < ITEMS; i++) {
        assert_int_equal(seen.count[i], i % 10 == 0 ? 0 : 1);
    }
    free(seen.count);
}

static void test_stats(void **state)
{
    struct rig *rig = *state;
    struct larder_put put = {.expires_at_s = 1001};
    struct larder_ref ref;

    assert_int_equal(rig_put(rig, "s", "one", &put), LARDER_OK);
    assert_int_equal(rig_put(rig, "t", "two", NULL), LARDER_OK);
    assert_int_equal(rig_put(rig, "t", "three", NULL), LARDER_OK);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "curr_items"), 2);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "total_items"), 3);
    assert_int_equal(rig_stat(rig, LARDER_STATS_ITEMS, "items:1:number"), 2);
    assert_true(rig_stat(rig, LARDER_STATS_GENERAL, "bytes") >= 2 + 3 + 5);
    rig->now_s = 1001;
    assert_int_equal(rig_get(rig, "s", 0, &ref), LARDER_MISS);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "get_expired"), 1);
    rig->ops->stats_reset(rig->engine);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "get_expired"), 0);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "total_items"), 0);
    assert_int_equal(rig_remove(rig, "t", 0), LARDER_OK);
    assert_int_equal(rig_put(rig, "s", "one", NULL), LARDER_OK);
    assert_int_equal(rig_remove(rig, "s", 0), LARDER_OK);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "curr_items"), 0);
    assert_int_equal(rig_stat(rig, LARDER_STATS_GENERAL, "bytes"), 0);
}

static void test_loading(void **state)
{
    struct engine_module module = {NULL, NULL};
    char why[200] = "";

    (void)state;
    assert_int_equal(engine_load("nosuch", &module, why, sizeof(why)), ENGINE_LOAD_UNKNOWN);
    assert_non_null(strstr(why, "nosuch"));
    assert_int_equal(engine_load("/no/such.so", &module, why, sizeof(why)), ENGINE_LOAD_UNREADABLE);
    assert_non_null(strstr(why, "/no/such.so"));
    assert_null(module.ops);
    assert_string_equal(engine_builtin(0)->name, "segment");
    assert_true(ENGINE_HAS(engine_builtin(0), resize));
    assert_false(ENGINE_HAS(engine_builtin(0), collect));
    engine_unload(&module);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_store_and_look_up),
        TEST(test_pieces_and_batches),
        TEST(test_many_at_once),
        TEST(test_longest_key),
        TEST(test_conditions),
        TEST(test_expiry_to_the_second),
        TEST(test_touch),
        TEST(test_keep_expiry),
        TEST(test_cas_grows_on_every_thread),
        TEST(test_cas_assigned),
        TEST(test_marks),
        TEST(test_peek_leaves_no_trace),
        TEST(test_flush),
        TEST(test_flush_later),
        TEST(test_lent_until_the_turn_ends),
        TEST(test_too_large),
        TEST(test_reserve),
        TEST(test_scan),
        TEST(test_stats),
        cmocka_unit_test(test_loading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
