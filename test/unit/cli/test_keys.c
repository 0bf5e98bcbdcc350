/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys: what their texts say, how often each is drawn, how long they and their values are.
 *
 * Seeds are fixed, so a test that passes does so for ever; bounds are five standard deviations.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/mcbench/key_text.h"
#include "cli/mcbench/keys.h"
#include "cli/mcbench/sizes.h"

static struct bench_work plain_work(void)
{
    return (struct bench_work){
        .shares = {[BENCH_GET] = 1},
        .keys_per_get = 1,
        .keys_per_get_max = 1,
        .key_count = 1000,
        .key_sizes = {BENCH_SIZE_FIXED, 32, 32},
        .value_sizes = {BENCH_SIZE_FIXED, 100, 100},
        .connections = 1,
        .pipeline = 1,
        .lanes = 1,
        .seed = 7,
    };
}

/* Is `count` what `draws` draws with that probability may come to? */
static void assert_likely(uint64_t count, double draws, double probability)
{
    const double expected = draws * probability;
    const double deviation = sqrt(draws * probability * (1 - probability));

    if (fabs((double)count - expected) > 5 * deviation + 1) {
        fail_msg("%llu times, %.1f expected, standard deviation %.1f", (unsigned long long)count,
                 expected, deviation);
    }
}

/* ---- texts ---- */

static void test_texts(void **state)
{
    struct bench_work work = plain_work();
    char text[BENCH_KEY_SIZE_MAX];

    (void)state;
    work.key_sizes.min = 16;
    assert_int_equal(bench_keys_write(&work, BENCH_SPACE_VALUES, 0x2a, text), 16);
    assert_memory_equal(text, "bench:v:aaaaaack", 16);
    assert_int_equal(bench_keys_write(&work, BENCH_SPACE_DELETED, 0xfedcba98, text), 16);
    assert_memory_equal(text, "bench:d:ponmlkji", 16);
    assert_int_equal(bench_keys_write(&work, BENCH_SPACE_COUNTERS, 0x76543210, text), 16);
    assert_memory_equal(text, "bench:c:hgfedcba", 16);
    work.key_sizes.min = 32;
    assert_int_equal(bench_keys_write(&work, BENCH_SPACE_PROBES, UINT32_MAX, text), 32);
    assert_memory_equal(text, "bench:p:pppppppp................", 32);
}

static void test_texts_of_every_size(void **state)
{
    struct bench_work work = plain_work();
    char text[BENCH_KEY_SIZE_MAX + 1];

    (void)state;
    for (uint32_t size = BENCH_KEY_SIZE_MIN; size <= BENCH_KEY_SIZE_MAX; size++) {
        work.key_sizes.min = size;
        text[BENCH_KEY_SIZE_MAX] = '#';
        assert_int_equal(bench_keys_write(&work, BENCH_SPACE_VALUES, 0x12345678, text), size);
        assert_memory_equal(text, "bench:v:bcdefghi", 16);
        for (uint32_t i = BENCH_KEY_SIZE_MIN; i < size; i++) {
            assert_int_equal(text[i], '.');
        }
        assert_int_equal(text[BENCH_KEY_SIZE_MAX], '#');
        assert_true(bench_key_is(BENCH_SPACE_VALUES, 0x12345678, text, size));
    }
}

/* Every byte that is wrong is seen, and none behind the key. */
static void test_comparing(void **state)
{
    struct bench_work work = plain_work();
    char text[BENCH_KEY_SIZE_MAX];

    (void)state;
    for (uint32_t size = BENCH_KEY_SIZE_MIN; size <= 32; size++) {
        work.key_sizes.min = size;
        (void)bench_keys_write(&work, BENCH_SPACE_VALUES, 0x12345678, text);
        for (uint32_t at = 0; at < 32; at++) {
            for (uint32_t other = 1; other < 256; other++) {
                text[at] = (char)(text[at] ^ (char)other);
                assert_int_equal(bench_key_is(BENCH_SPACE_VALUES, 0x12345678, text, size),
                                 at >= size);
                text[at] = (char)(text[at] ^ (char)other);
            }
        }
        assert_false(bench_key_is(BENCH_SPACE_VALUES, 0x12345679, text, size));
        assert_false(bench_key_is(BENCH_SPACE_PROBES, 0x12345678, text, size));
    }
}

/* ---- which key ---- */

/* Drawn in pieces of any length, or one at a time: the same keys. */
static void test_drawing_many(void **state)
{
    static const enum bench_order orders[] = {BENCH_UNIFORM, BENCH_ZIPF, BENCH_SEQUENTIAL};

    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct bench_work work = plain_work();
        struct bench_keys one, many;
        uint64_t numbers[7];

        work.order = orders[i];
        work.skew = 0.99;
        bench_keys_init(&one, &work, 0);
        bench_keys_init(&many, &work, 0);
        for (uint32_t count = 0; count < 500; count++) {
            if (count % 3 == 2) {
                assert_int_equal(bench_keys_next(&many), bench_keys_next(&one));
            }
            bench_keys_draw(&many, count % 8, numbers);
            for (uint32_t j = 0; j < count % 8; j++) {
                assert_int_equal(numbers[j], bench_keys_next(&one));
            }
        }
    }
}

enum { DRAWS = 1000000 };

/* How often each key is drawn. */
static uint32_t *count_draws(const struct bench_work *work, uint32_t draws)
{
    uint32_t *counts = calloc(work->key_count, sizeof *counts);
    struct bench_keys keys;

    assert_non_null(counts);
    bench_keys_init(&keys, work, 0);
    for (uint32_t i = 0; i < draws; i++) {
        const uint64_t number = bench_keys_next(&keys);

        assert_true(number < work->key_count);
        counts[number]++;
    }
    return counts;
}

static void test_uniform(void **state)
{
    const struct bench_work work = plain_work();
    uint32_t *counts = count_draws(&work, DRAWS);

    (void)state;
    for (uint64_t i = 0; i < work.key_count; i++) {
        assert_likely(counts[i], DRAWS, 1e-3);
    }
    free(counts);
}

/* Every rank of 1000 as often as the law says, and all of them together (chi-square). */
static void check_zipf(double skew)
{
    struct bench_work work = plain_work();
    struct bench_keys keys;
    double sum = 0;
    double chi_square = 0;
    uint32_t *counts;

    work.order = BENCH_ZIPF;
    work.skew = skew;
    bench_keys_init(&keys, &work, 0);
    counts = count_draws(&work, DRAWS);
    for (uint64_t rank = 1; rank <= work.key_count; rank++) {
        sum += pow((double)rank, -skew);
    }
    for (uint64_t rank = 1; rank <= work.key_count; rank++) {
        const double probability = pow((double)rank, -skew) / sum;
        const uint32_t count = counts[(rank - 1) * keys.scatter % work.key_count];
        const double difference = count - DRAWS * probability;

        assert_likely(count, DRAWS, probability);
        chi_square += difference * difference / (DRAWS * probability);
    }
    /* 999 degrees of freedom: mean 999, standard deviation 45. */
    assert_true(chi_square > 999 - 5 * 45 && chi_square < 999 + 5 * 45);
    free(counts);
}

static void test_zipf(void **state)
{
    (void)state;
    check_zipf(0.5);
    check_zipf(0.9);
    check_zipf(0.99);
    check_zipf(1.0);
    check_zipf(1.2);
    check_zipf(2.0);
}

/* The first rank's share of the largest number of keys: the sum of the weights from Euler and Maclaurin. */
static void test_zipf_over_many_keys(void **state)
{
    const double n = UINT32_MAX;
    const double sum = (pow(n, 0.1) - 1) / 0.1 + (1 + pow(n, -0.9)) / 2 +
                       0.9 / 12 * (1 - pow(n, -1.9)) - 0.9 * 1.9 * 2.9 / 720 * (1 - pow(n, -3.9));
    struct bench_work work = plain_work();
    struct bench_keys keys;
    uint32_t first_count = 0;

    (void)state;
    work.order = BENCH_ZIPF;
    work.skew = 0.9;
    work.key_count = UINT32_MAX;
    bench_keys_init(&keys, &work, 0);
    for (uint32_t i = 0; i < DRAWS; i++) {
        const uint64_t number = bench_keys_next(&keys);

        assert_true(number < work.key_count);
        first_count += number == 0;
    }
    assert_likely(first_count, DRAWS, 1 / sum);
}

static void test_zipf_over_few_keys(void **state)
{
    struct bench_work work = plain_work();
    uint32_t *counts;

    (void)state;
    work.order = BENCH_ZIPF;
    work.skew = 1;
    work.key_count = 1;
    counts = count_draws(&work, 1000);
    assert_int_equal(counts[0], 1000);
    free(counts);
    work.key_count = 2;
    counts = count_draws(&work, DRAWS);
    assert_likely(counts[0], DRAWS, 2.0 / 3);
    free(counts);
}

/* Ranks are scattered one to one, and neighbours in rank are none in number. */
static void test_scattering(void **state)
{
    struct bench_work work = plain_work();
    struct bench_keys keys;
    bool seen[1000];

    (void)state;
    work.order = BENCH_ZIPF;
    work.skew = 1;
    for (work.key_count = 1; work.key_count <= 1000; work.key_count++) {
        memset(seen, 0, sizeof seen);
        bench_keys_init(&keys, &work, 0);
        for (uint64_t rank = 0; rank < work.key_count; rank++) {
            const uint64_t number = rank * keys.scatter % work.key_count;

            assert_false(seen[number]);
            seen[number] = true;
        }
    }
    assert_in_range(keys.scatter, 1000 / 2, 1000 * 3 / 4);
}

static void check_hot(uint64_t hot_keys, double hot_share)
{
    struct bench_work work = plain_work();
    uint32_t hot_count = 0;
    uint32_t *counts;

    work.order = BENCH_HOT;
    work.hot_keys = hot_keys;
    work.hot_share = hot_share;
    counts = count_draws(&work, DRAWS);
    for (uint64_t i = 0; i < work.key_count; i++) {
        const double hot = hot_share / (double)hot_keys;
        const double cold = (1 - hot_share) / (double)(work.key_count - hot_keys);
        /* Hot or not: whichever is nearer. The two differ by much more than chance. */
        const bool is_hot = fabs(counts[i] - DRAWS * hot) < fabs(counts[i] - DRAWS * cold);

        assert_likely(counts[i], DRAWS, is_hot ? hot : cold);
        hot_count += is_hot;
    }
    assert_int_equal(hot_count, hot_keys);
    free(counts);
}

static void test_hot(void **state)
{
    struct bench_work work = plain_work();
    uint32_t *counts;

    (void)state;
    check_hot(10, 0.9);
    check_hot(1, 0.5);
    check_hot(500, 0.9);
    check_hot(10, 1);
    check_hot(10, 0);
    work.order = BENCH_HOT;
    work.hot_keys = work.key_count;
    work.hot_share = 0.1;
    counts = count_draws(&work, DRAWS);
    for (uint64_t i = 0; i < work.key_count; i++) {
        assert_likely(counts[i], DRAWS, 1e-3);
    }
    free(counts);
}

static void test_sequential(void **state)
{
    struct bench_work work = plain_work();
    uint64_t expected = 0;

    (void)state;
    work.order = BENCH_SEQUENTIAL;
    work.lanes = 7;
    for (uint32_t lane = 0; lane < work.lanes; lane++) {
        struct bench_keys keys;

        bench_keys_init(&keys, &work, lane);
        assert_in_range(keys.count, 142, 143);
        for (uint64_t i = 0; i < keys.count; i++) {
            assert_int_equal(bench_keys_next(&keys), expected++);
        }
        assert_int_equal(bench_keys_next(&keys), expected - keys.count);
    }
    assert_int_equal(expected, work.key_count);
}

static void test_seeds(void **state)
{
    struct bench_work work = plain_work();
    struct bench_work other_seed = plain_work();
    struct bench_keys keys, same, other_lane, other;
    uint32_t equal_lane = 0;
    uint32_t equal_seed = 0;

    (void)state;
    work.lanes = 2;
    other_seed.seed++;
    bench_keys_init(&keys, &work, 0);
    bench_keys_init(&same, &work, 0);
    bench_keys_init(&other_lane, &work, 1);
    bench_keys_init(&other, &other_seed, 0);
    for (uint32_t i = 0; i < 10000; i++) {
        const uint64_t number = bench_keys_next(&keys);

        assert_int_equal(bench_keys_next(&same), number);
        equal_lane += bench_keys_next(&other_lane) == number;
        equal_seed += bench_keys_next(&other) == number;
    }
    assert_likely(equal_lane, 10000, 1e-3);
    assert_likely(equal_seed, 10000, 1e-3);
}

/* ---- sizes ---- */

static void test_fixed_and_ranged_sizes(void **state)
{
    struct bench_work work = plain_work();
    uint32_t key_counts[41] = {0};
    uint32_t value_counts[451] = {0};
    char text[BENCH_KEY_SIZE_MAX];

    (void)state;
    assert_int_equal(bench_keys_value_size(&work, 3), 100);
    assert_int_equal(bench_keys_value_size_max(&work), 100);
    work.key_sizes = (struct bench_sizes){BENCH_SIZE_RANGE, 20, 60};
    work.value_sizes = (struct bench_sizes){BENCH_SIZE_RANGE, 50, 500};
    assert_int_equal(bench_keys_value_size_max(&work), 500);
    for (uint64_t number = 0; number < DRAWS; number++) {
        const uint32_t key_size = bench_keys_write(&work, BENCH_SPACE_VALUES, number, text);
        const uint32_t value_size = bench_keys_value_size(&work, number);

        assert_in_range(key_size, 20, 60);
        assert_in_range(value_size, 50, 500);
        key_counts[key_size - 20]++;
        value_counts[value_size - 50]++;
    }
    for (uint32_t i = 0; i <= 40; i++) {
        assert_likely(key_counts[i], DRAWS, 1.0 / 41);
    }
    for (uint32_t i = 0; i <= 450; i++) {
        assert_likely(value_counts[i], DRAWS, 1.0 / 451);
    }
    assert_int_equal(bench_keys_value_size(&work, 77), bench_keys_value_size(&work, 77));
}

static void test_the_largest_range(void **state)
{
    const struct bench_sizes sizes = {BENCH_SIZE_RANGE, 0, 1u << 30};

    (void)state;
    assert_int_equal(bench_sizes_value(&sizes, 0), 0);
    assert_int_equal(bench_sizes_value(&sizes, UINT64_MAX), 1u << 30);
    assert_int_equal(bench_sizes_value_max(&sizes), 1u << 30);
}

/* Values of Facebook's ETC: the table of small ones, the generalized Pareto distribution of the others, and the mean. */
static void test_etc_values(void **state)
{
    static const double small[] = {.00536, .00047, .17820, .09239, .00018, .02740, .00065, .00606,
                                   .00023, .00837, .00837, .08989, .00092, .00326, .01980};
    static const uint32_t bounds[] = {20, 50, 100, 200, 400, 1000, 2000, 5000, 10000};
    struct bench_work work = plain_work();
    uint32_t small_counts[15] = {0};
    uint32_t below[sizeof bounds / sizeof bounds[0]] = {0};
    double small_sum = 0;
    double sum = 0;

    (void)state;
    work.value_sizes.kind = BENCH_SIZE_ETC;
    for (uint64_t number = 0; number < DRAWS; number++) {
        const uint32_t size = bench_keys_value_size(&work, number);

        assert_true(size <= bench_keys_value_size_max(&work));
        sum += size;
        if (size < 15) {
            small_counts[size]++;
        }
        for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
            below[i] += size < bounds[i];
        }
    }
    for (size_t i = 0; i < 15; i++) {
        assert_likely(small_counts[i], DRAWS, small[i]);
        small_sum += small[i];
    }
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const double pareto = 1 - pow(1 + 0.348238 * (bounds[i] - 15) / 214.476, -1 / 0.348238);

        assert_likely(below[i], DRAWS, small_sum + (1 - small_sum) * pareto);
    }
    /*
     * 15 + 214.476 / (1 - 0.348238) of the larger ones, 2.3 of the smaller; a half less by
     * rounding down.
     */
    assert_true(fabs(sum / DRAWS - (0.55845 * (344.07 - 0.5) + 2.3)) < 3);
}

/* Keys of ETC: the generalized extreme value distribution. */
static void test_etc_keys(void **state)
{
    static const uint32_t bounds[] = {17, 20, 25, 30, 35, 40, 50, 60, 80};
    struct bench_work work = plain_work();
    uint32_t below[sizeof bounds / sizeof bounds[0]] = {0};
    char text[BENCH_KEY_SIZE_MAX];

    (void)state;
    work.key_sizes.kind = BENCH_SIZE_ETC;
    for (uint64_t number = 0; number < DRAWS; number++) {
        const uint32_t size = bench_keys_write(&work, BENCH_SPACE_VALUES, number, text);

        assert_in_range(size, 16, 250);
        for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
            below[i] += size < bounds[i];
        }
    }
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const double at = (bounds[i] - 30.7984) / 8.20449;

        assert_likely(below[i], DRAWS, exp(-pow(1 + 0.078688 * at, -1 / 0.078688)));
    }
}

static void test_sizes_at_the_borders(void **state)
{
    const struct bench_sizes etc = {.kind = BENCH_SIZE_ETC};

    (void)state;
    assert_int_equal(bench_sizes_value(&etc, 0), 0);
    assert_int_equal(bench_sizes_value(&etc, UINT64_MAX), bench_sizes_value_max(&etc));
    assert_int_equal(bench_sizes_key(&etc, 0), 16);
    assert_int_equal(bench_sizes_key(&etc, UINT64_MAX), bench_sizes_key_max(&etc));
}

static void test_times_to_live(void **state)
{
    struct bench_work work = plain_work();
    uint32_t counts[11] = {0};
    struct bench_keys keys;

    (void)state;
    bench_keys_init(&keys, &work, 0);
    assert_int_equal(bench_keys_ttl_s(&keys), 0);
    work.ttl_min_s = work.ttl_max_s = 60;
    assert_int_equal(bench_keys_ttl_s(&keys), 60);
    work.ttl_min_s = 50;
    for (uint32_t i = 0; i < DRAWS; i++) {
        const uint32_t ttl_s = bench_keys_ttl_s(&keys);

        assert_in_range(ttl_s, 50, 60);
        counts[ttl_s - 50]++;
    }
    for (uint32_t i = 0; i <= 10; i++) {
        assert_likely(counts[i], DRAWS, 1.0 / 11);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_texts_of_every_size),
        cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_drawing_many),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_zipf),
        cmocka_unit_test(test_zipf_over_many_keys),
        cmocka_unit_test(test_zipf_over_few_keys),
        cmocka_unit_test(test_scattering),
        cmocka_unit_test(test_hot),
        cmocka_unit_test(test_sequential),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_fixed_and_ranged_sizes),
        cmocka_unit_test(test_the_largest_range),
        cmocka_unit_test(test_etc_values),
        cmocka_unit_test(test_etc_keys),
        cmocka_unit_test(test_sizes_at_the_borders),
        cmocka_unit_test(test_times_to_live),
    };

    return cmocka_run_group_tests_name("mcbench/keys", tests, NULL, NULL);
}
