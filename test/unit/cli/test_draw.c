/* SPDX-License-Identifier: BSD-3-Clause */
/* Which request is next: shares, key counts, what is stored beforehand, and that a seed says it all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/mcbench/draw.h"

enum { DRAWS = 20000, KEYS = 1000 };

static struct bench_work a_work(void)
{
    return (struct bench_work){
        .shares = {[BENCH_GET] = 1},
        .keys_per_get = 1,
        .keys_per_get_max = 1,
        .order = BENCH_UNIFORM,
        .key_count = KEYS,
        .key_sizes = {BENCH_SIZE_FIXED, 32, 32},
        .value_sizes = {BENCH_SIZE_FIXED, 100, 100},
        .connections = 1,
        .pipeline = 1,
        .lanes = 1,
        .seed = 7,
    };
}

static void test_one_verb(void **state)
{
    const struct bench_work work = a_work();
    struct bench_draw draw;
    struct bench_request request;

    (void)state;
    memset(&request, 0xff, sizeof(request));
    bench_draw_init(&draw, &work, BENCH_SPACE_VALUES, 0);
    for (int i = 0; i < 1000; i++) {
        bench_draw_next(&draw, &request, NULL);
        assert_int_equal(request.verb, BENCH_GET);
        assert_int_equal(request.space, BENCH_SPACE_VALUES);
        assert_false(request.quiet);
        assert_int_equal(request.key_count, 1);
        assert_int_equal(request.answered_count, 0);
        assert_null(request.more_numbers);
        assert_true(request.numbers[0] < KEYS);
    }
}

static void test_the_mix_has_its_shares_and_spaces(void **state)
{
    struct bench_work work = a_work();
    uint32_t counts[BENCH_VERB_COUNT] = {0};
    uint32_t to_deleted = 0;
    struct bench_draw draw;
    struct bench_request request;

    (void)state;
    work.shares[BENCH_GET] = 6;
    work.shares[BENCH_SET] = 2;
    work.shares[BENCH_DELETE] = 1;
    work.shares[BENCH_INCR] = 1;
    work.noreply = true;
    bench_draw_init(&draw, &work, BENCH_SPACE_VALUES, 0);
    for (int i = 0; i < DRAWS; i++) {
        bench_draw_next(&draw, &request, NULL);
        counts[request.verb]++;
        to_deleted += request.verb == BENCH_SET && request.space == BENCH_SPACE_DELETED;
        assert_int_equal(request.quiet, request.verb == BENCH_SET);
        assert_true(request.verb != BENCH_DELETE || request.space == BENCH_SPACE_DELETED);
        assert_true(request.verb != BENCH_INCR || request.space == BENCH_SPACE_COUNTERS);
    }
    assert_in_range(counts[BENCH_GET], DRAWS * 57 / 100, DRAWS * 63 / 100);
    assert_in_range(counts[BENCH_SET], DRAWS * 18 / 100, DRAWS * 22 / 100);
    assert_in_range(counts[BENCH_DELETE], DRAWS * 8 / 100, DRAWS * 12 / 100);
    assert_in_range(counts[BENCH_INCR], DRAWS * 8 / 100, DRAWS * 12 / 100);
    assert_in_range(to_deleted, counts[BENCH_SET] / 2, counts[BENCH_SET] / 2 + 1);
}

static void test_multi_gets(void **state)
{
    struct bench_work work = a_work();
    uint64_t numbers[5];
    uint32_t seen[6] = {0};
    struct bench_draw draw;
    struct bench_request request;

    (void)state;
    work.keys_per_get = 2;
    work.keys_per_get_max = 5;
    bench_draw_init(&draw, &work, BENCH_SPACE_VALUES, 0);
    for (int i = 0; i < 1000; i++) {
        bench_draw_next(&draw, &request, numbers);
        assert_in_range(request.key_count, 2, 5);
        seen[request.key_count]++;
        assert_ptr_equal(request.more_numbers, numbers);
        assert_int_equal(numbers[0], request.numbers[0]);
        for (uint16_t k = 0; k < request.key_count; k++) {
            assert_true(numbers[k] < KEYS);
        }
    }
    for (int count = 2; count <= 5; count++) {
        assert_in_range(seen[count], 150, 350);
    }
}

static void test_versions_never_come_again(void **state)
{
    struct bench_work work = a_work();
    struct bench_draw draws[2];
    struct bench_request first, second, fill;

    (void)state;
    work.shares[BENCH_GET] = 0;
    work.shares[BENCH_SET] = 1;
    work.lanes = 2;
    work.connections = 2;
    bench_draw_init(&draws[0], &work, BENCH_SPACE_VALUES, 0);
    bench_draw_init(&draws[1], &work, BENCH_SPACE_VALUES, 1);
    bench_draw_next(&draws[0], &first, NULL);
    bench_draw_next(&draws[0], &second, NULL);
    bench_draw_fill(&draws[0], BENCH_SPACE_COUNTERS, 17, &fill);
    assert_int_equal(second.version, first.version + 1);
    assert_int_equal(fill.version, second.version + 1);
    assert_int_equal(fill.verb, BENCH_SET);
    assert_int_equal(fill.space, BENCH_SPACE_COUNTERS);
    assert_int_equal(fill.numbers[0], 17);
    bench_draw_next(&draws[1], &second, NULL);
    assert_true(second.version >> 48 != first.version >> 48);
}

static void test_every_key_is_stored_once_over_all_lanes(void **state)
{
    struct bench_work work = a_work();
    static uint8_t seen[4][KEYS];
    uint64_t stored = 0;
    uint64_t expected = 0;

    (void)state;
    work.lanes = 3;
    work.connections = 3;
    work.shares[BENCH_DELETE] = 1;
    work.noreply = true;
    for (uint32_t lane = 0; lane < work.lanes; lane++) {
        struct bench_draw draw;
        struct bench_request request;

        bench_draw_init(&draw, &work, BENCH_SPACE_VALUES, lane);
        expected += bench_draw_store_count(&draw);
        while (bench_draw_store(&draw, &request)) {
            assert_int_equal(request.verb, BENCH_SET);
            assert_false(request.quiet);
            seen[request.space][request.numbers[0]]++;
            stored++;
        }
    }
    assert_int_equal(expected, 2 * KEYS);
    assert_int_equal(stored, 2 * KEYS);
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(seen[BENCH_SPACE_VALUES][i], 1);
        assert_int_equal(seen[BENCH_SPACE_DELETED][i], 1);
        assert_int_equal(seen[BENCH_SPACE_COUNTERS][i], 0);
    }
}

static void test_the_measuring_lane_has_keys_of_its_own(void **state)
{
    const struct bench_work work = a_work();
    struct bench_draw draw;
    struct bench_request request;

    (void)state;
    bench_draw_init(&draw, &work, BENCH_SPACE_PROBES, 0);
    assert_true(bench_draw_store(&draw, &request));
    assert_int_equal(request.space, BENCH_SPACE_PROBES);
    bench_draw_next(&draw, &request, NULL);
    assert_int_equal(request.space, BENCH_SPACE_PROBES);
}

static void test_the_seed_says_it_all(void **state)
{
    struct bench_work work = a_work();
    struct bench_draw one, same, other;
    uint32_t different = 0;

    (void)state;
    work.shares[BENCH_SET] = 1;
    bench_draw_init(&one, &work, BENCH_SPACE_VALUES, 0);
    bench_draw_init(&same, &work, BENCH_SPACE_VALUES, 0);
    work.seed++;
    bench_draw_init(&other, &work, BENCH_SPACE_VALUES, 0);
    for (int i = 0; i < 1000; i++) {
        struct bench_request requests[3];

        bench_draw_next(&one, &requests[0], NULL);
        bench_draw_next(&same, &requests[1], NULL);
        bench_draw_next(&other, &requests[2], NULL);
        assert_int_equal(requests[0].verb, requests[1].verb);
        assert_int_equal(requests[0].numbers[0], requests[1].numbers[0]);
        different += requests[0].numbers[0] != requests[2].numbers[0];
    }
    assert_true(different > 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_verb),
        cmocka_unit_test(test_the_mix_has_its_shares_and_spaces),
        cmocka_unit_test(test_multi_gets),
        cmocka_unit_test(test_versions_never_come_again),
        cmocka_unit_test(test_every_key_is_stored_once_over_all_lanes),
        cmocka_unit_test(test_the_measuring_lane_has_keys_of_its_own),
        cmocka_unit_test(test_the_seed_says_it_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
