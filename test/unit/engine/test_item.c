/* SPDX-License-Identifier: BSD-3-Clause */
/* The segment engine's items: their date, and the hint that nothing points to them any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/segment/segment_priv.h"
#include "rig.h"

/* A date has 23 bits; what the clock has above them must not look like anything else. */
static void test_dates_come_round(void **state)
{
    static const uint32_t clocks[] = {1000, 0x7fffff, 0x800000, 0xffffff, 0x69ffffff, 0x80000000};

    (void)state;
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        const uint32_t now_s = clocks[i];
        const uint32_t item_state = segment_item_date(now_s) | ITEM_LAYOUT | ITEM_MARKS;

        assert_int_equal(item_state & ITEM_DEAD, 0);
        assert_int_equal(segment_item_last_access(item_state, now_s), now_s);
        assert_int_equal(segment_item_last_access(item_state, now_s + 1000), now_s);
        assert_false(segment_item_is_old(item_state, now_s));
        assert_true(segment_item_is_old(item_state, now_s + ITEM_ACCESS_GRAIN_S));
        /* Another worker's clock may be a second behind. */
        assert_int_equal(segment_item_last_access(item_state, now_s - 1), now_s - 1);
    }
}

static struct segment_item *item_of(struct rig *rig, const char *text)
{
    const struct larder_key key = rig_key(text);
    const struct segment_hit hit = segment_find(rig->engine, &key, NULL);

    assert_non_null(hit.bucket);
    return segment_item_at(rig->engine, hit.value);
}

static bool is_dead(const struct segment_item *item)
{
    return (segment_item_state(item) & ITEM_DEAD) != 0;
}

static void test_what_has_no_entry_is_dead(void **state)
{
    struct segment_item *item, *next;
    struct larder_ref ref;
    struct rig rig;

    (void)state;
    rig_open(&rig, "segment", 64 * RIG_MIB);
    assert_int_equal(rig_put(&rig, "a", "1", NULL), LARDER_OK);
    item = item_of(&rig, "a");
    assert_false(is_dead(item));
    assert_int_equal(rig_get(&rig, "a", 0, &ref), LARDER_OK);
    assert_false(is_dead(item));

    assert_int_equal(rig_put(&rig, "a", "2", NULL), LARDER_OK);
    next = item_of(&rig, "a");
    assert_true(is_dead(item));
    assert_false(is_dead(next));

    assert_int_equal(rig_touch(&rig, "a", rig.now_s + 10), LARDER_OK); /* stores it anew */
    item = item_of(&rig, "a");
    assert_true(is_dead(next));
    assert_false(is_dead(item));

    assert_int_equal(rig_remove(&rig, "a", 0), LARDER_OK);
    assert_true(is_dead(item));
    rig_close(&rig);
}

enum { KEYS = 30000, ROUNDS = 8 };

/*
 * Reclaim passes what is dead by, and asks the index about the rest: here every other dead item
 * has lost its hint, as if a reader had dated it late.
 */
static void test_a_lost_hint_loses_nothing(void **state)
{
    uint32_t *versions = calloc(KEYS, sizeof(*versions));
    char text[RIG_KEY_SIZE], value[128];
    struct rig rig;

    (void)state;
    srand(1);
    rig_open(&rig, "segment", 16 * RIG_MIB);
    for (uint32_t count = 0; count < KEYS * ROUNDS; count++) {
        const uint32_t i = count < KEYS ? count : (uint32_t)rand() % KEYS;
        const struct larder_key key = rig_numbered(text, i);
        struct segment_item *old = count < KEYS || count % 2 == 0 ? NULL : item_of(&rig, text);

        versions[i]++;
        (void)snprintf(value, sizeof(value), "%-120u", versions[i]);
        assert_int_equal(rig_put_bytes(&rig, 0, &key, value, strlen(value), NULL), LARDER_OK);
        if (old != NULL) {
            atomic_store(&old->state, segment_item_state(old) & ~ITEM_DEAD);
        }
        if (count % 256 == 0) {
            rig_tick(&rig);
        }
    }
    assert_true(rig_stat(&rig, LARDER_STATS_DETAIL, "relocations") > 0);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "evictions"), 0);
    for (uint32_t i = 0; i < KEYS; i++) {
        (void)rig_numbered(text, i);
        (void)snprintf(value, sizeof(value), "%-120u", versions[i]);
        assert_true(rig_holds(&rig, text, value));
    }
    rig_close(&rig);
    free(versions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates_come_round),
        cmocka_unit_test(test_what_has_no_entry_is_dead),
        cmocka_unit_test(test_a_lost_hint_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
