/* SPDX-License-Identifier: BSD-3-Clause */
/* Workloads in words: what is understood, and that nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/mcbench/words.h"

static void test_mix(void **state)
{
    static const char *const wrong[] = {"",        "get",    "get:",        "get:0",       "gets:1",
                                        "get:1,",  ",get:1", "get:1,get:1", "get:1 ",      "get:-1",
                                        "get:1:2", "GET:1",  "get:1000001", "get:1,,set:1"};
    uint32_t shares[BENCH_VERB_COUNT];

    (void)state;
    assert_true(bench_words_mix("get:1", shares));
    assert_int_equal(shares[BENCH_GET], 1);
    assert_int_equal(shares[BENCH_SET], 0);
    assert_true(bench_words_mix("incr:1,delete:2,set:30,get:1000000", shares));
    assert_int_equal(shares[BENCH_GET], 1000000);
    assert_int_equal(shares[BENCH_SET], 30);
    assert_int_equal(shares[BENCH_DELETE], 2);
    assert_int_equal(shares[BENCH_INCR], 1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(bench_words_mix(wrong[i], shares));
    }
    assert_int_equal(shares[BENCH_SET], 30); /* unchanged */
}

static void test_ranges(void **state)
{
    static const char *const wrong[] = {"",    "-",     "1-",    "-5", "5-1", "0",
                                        "501", "1-501", "1-2-3", "a",  "1-b", "4294967296"};
    uint32_t low = 7;
    uint32_t high = 8;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(bench_words_range(wrong[i], 1, 500, &low, &high));
    }
    assert_int_equal(low, 7);
    assert_int_equal(high, 8);
    assert_true(bench_words_range("500", 1, 500, &low, &high));
    assert_int_equal(low, 500);
    assert_int_equal(high, 500);
    assert_true(bench_words_range("1-500", 1, 500, &low, &high));
    assert_int_equal(low, 1);
    assert_int_equal(high, 500);
}

static void test_sizes(void **state)
{
    struct bench_sizes sizes;

    (void)state;
    assert_true(bench_words_sizes("100", 0, 1000, &sizes));
    assert_int_equal(sizes.kind, BENCH_SIZE_FIXED);
    assert_int_equal(sizes.min, 100);
    assert_true(bench_words_sizes("0-1000", 0, 1000, &sizes));
    assert_int_equal(sizes.kind, BENCH_SIZE_RANGE);
    assert_int_equal(sizes.min, 0);
    assert_int_equal(sizes.max, 1000);
    assert_true(bench_words_sizes("etc", 0, 1000, &sizes));
    assert_int_equal(sizes.kind, BENCH_SIZE_ETC);
    assert_false(bench_words_sizes("1001", 0, 1000, &sizes));
    assert_false(bench_words_sizes("etcetera", 0, 1000, &sizes));
}

static void test_orders(void **state)
{
    static const char *const wrong[] = {
        "",      "zipf",      "zipf:",   "zipf:0.4", "zipf:2.1",  "zipf:1x",   "zipf:nan", "hot",
        "hot:1", "hot:0:0.5", "hot:1:2", "hot:1:-1", "hot:1:1:1", "uniform:1", "random"};
    struct bench_work work = {.order = BENCH_HOT};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(bench_words_order(wrong[i], &work));
    }
    assert_int_equal(work.order, BENCH_HOT);
    assert_true(bench_words_order("uniform", &work));
    assert_int_equal(work.order, BENCH_UNIFORM);
    assert_true(bench_words_order("sequential", &work));
    assert_int_equal(work.order, BENCH_SEQUENTIAL);
    assert_true(bench_words_order("zipf:0.99", &work));
    assert_int_equal(work.order, BENCH_ZIPF);
    assert_true(work.skew > 0.98 && work.skew < 1);
    assert_true(bench_words_order("hot:100:0.9", &work));
    assert_int_equal(work.order, BENCH_HOT);
    assert_int_equal(work.hot_keys, 100);
    assert_true(work.hot_share > 0.89 && work.hot_share < 0.91);
}

static void test_cpus(void **state)
{
    static const char *const wrong[] = {"", "a", "1,", "1024", "0-64", "0-63,64", "2-1", "-1"};
    struct bench_plan plan = {.cpu_count = 0};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(bench_words_cpus(wrong[i], &plan));
    }
    assert_int_equal(plan.cpu_count, 0);
    assert_true(bench_words_cpus("3,5-7,1023", &plan));
    assert_int_equal(plan.cpu_count, 5);
    assert_int_equal(plan.cpus[0], 3);
    assert_int_equal(plan.cpus[3], 7);
    assert_int_equal(plan.cpus[4], 1023);
    assert_true(bench_words_cpus("0-63", &plan));
    assert_int_equal(plan.cpu_count, BENCH_CPUS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mix),    cmocka_unit_test(test_ranges), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_orders), cmocka_unit_test(test_cpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
