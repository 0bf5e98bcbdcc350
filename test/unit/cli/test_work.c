/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workloads that cannot work are refused: each rule of work_rules.def by a workload that breaks it and no other, in words of its
 * own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/mcbench/work.h"

static const char *const WORDS[] = {
#define BENCH_WORK_RULE(holds, words) words,
#include "cli/mcbench/work_rules.def"
#undef BENCH_WORK_RULE
};

enum { RULE_COUNT = sizeof WORDS / sizeof WORDS[0] };

/* The rules that a workload of this file was refused by. */
static bool broken[RULE_COUNT];

static struct bench_work good_work(void)
{
    return (struct bench_work){
        .shares = {[BENCH_GET] = 1, [BENCH_SET] = 1},
        .keys_per_get = 1,
        .keys_per_get_max = 1,
        .key_count = 1000,
        .key_sizes = {BENCH_SIZE_FIXED, 32, 32},
        .value_sizes = {BENCH_SIZE_FIXED, 100, 100},
        .connections = 4,
        .pipeline = 16,
        .lanes = 2,
    };
}

static void assert_good(const struct bench_work *work)
{
    char error[BENCH_WORK_ERROR_MAX] = "untouched";

    if (!bench_work_check(work, error)) {
        fail_msg("refused: %s", error);
    }
    assert_string_equal(error, "untouched");
}

static void assert_refused(const struct bench_work *work, const char *words)
{
    char error[BENCH_WORK_ERROR_MAX];

    if (bench_work_check(work, error)) {
        fail_msg("not refused: %s", words);
    }
    if (strstr(error, words) == NULL) {
        fail_msg("'%s' is not in '%s'", words, error);
    }
    for (size_t i = 0; i < RULE_COUNT; i++) {
        broken[i] = broken[i] || strcmp(error, WORDS[i]) == 0;
    }
}

/* A good workload with some fields otherwise is good, or refused with words that hold these. */
#define GOOD(...)                                                                                  \
    do {                                                                                           \
        struct bench_work work = good_work();                                                      \
        __VA_ARGS__;                                                                               \
        assert_good(&work);                                                                        \
    } while (0)
#define REFUSED(words, ...)                                                                        \
    do {                                                                                           \
        struct bench_work work = good_work();                                                      \
        __VA_ARGS__;                                                                               \
        assert_refused(&work, words);                                                              \
    } while (0)

static void test_what_is_asked(void **state)
{
    (void)state;
    GOOD((void)work);
    GOOD(work.protocol = BENCH_META);
    GOOD(work.protocol = BENCH_RESP);
    GOOD(work.protocol = BENCH_BINARY);
    REFUSED("no such protocol", work.protocol = (enum bench_protocol)(BENCH_BINARY + 1));
    REFUSED("nothing is asked", memset(work.shares, 0, sizeof work.shares));
    GOOD(work.shares[BENCH_GET] = UINT32_MAX - 1);
    REFUSED("add up to more", work.shares[BENCH_GET] = UINT32_MAX);
    GOOD(work.keys_per_get_max = 500);
    REFUSED("at least one key", work.keys_per_get = 0);
    REFUSED("keys per get ends before", work.keys_per_get = 2);
    REFUSED("at most 500", work.keys_per_get_max = 501);
    REFUSED("many keys per get, and no gets", work.keys_per_get_max = 2;
            work.shares[BENCH_GET] = 0);
    GOOD(work.fill_miss = true);
    REFUSED("misses are to be filled", work.fill_miss = true; work.shares[BENCH_GET] = 0);
    GOOD(work.ttl_min_s = 1; work.ttl_max_s = 2592000);
    REFUSED("time to live ends before", work.ttl_min_s = 2; work.ttl_max_s = 1);
    REFUSED("cannot begin with it", work.ttl_max_s = 1);
    REFUSED("read as a date", work.ttl_min_s = 1; work.ttl_max_s = 2592001);
}

static void test_quiet(void **state)
{
    (void)state;
    GOOD(work.noreply = true);
    REFUSED("and there are none", work.noreply = true; work.shares[BENCH_SET] = 0);
    REFUSED("pipeline of 1", work.noreply = true; work.pipeline = 1);
    REFUSED("no time to measure", work.noreply = true; work.arrival = BENCH_POISSON; work.rate = 1);
    REFUSED("redis has no", work.noreply = true; work.protocol = BENCH_RESP);
    REFUSED("go alone", work.noreply = true; work.protocol = BENCH_META);
    GOOD(work.noreply = true; work.protocol = BENCH_META; work.shares[BENCH_GET] = 0);
}

static void test_keys(void **state)
{
    (void)state;
    REFUSED("there are no keys", work.key_count = 0);
    GOOD(work.key_count = UINT32_MAX);
    REFUSED("more than 2^32 - 1 keys", work.key_count = 1ull << 32);
    REFUSED("no such order", work.order = (enum bench_order)4);
    GOOD(work.order = BENCH_ZIPF; work.skew = 0.5);
    GOOD(work.order = BENCH_ZIPF; work.skew = 2);
    REFUSED("0.5 to 2", work.order = BENCH_ZIPF; work.skew = 0.49);
    REFUSED("0.5 to 2", work.order = BENCH_ZIPF; work.skew = 2.01);
    GOOD(work.order = BENCH_HOT; work.hot_keys = 1000; work.hot_share = 1);
    REFUSED("hot keys, and there are none", work.order = BENCH_HOT);
    REFUSED("more hot keys than keys", work.order = BENCH_HOT; work.hot_keys = 1001);
    REFUSED("hot keys is not 0 to 1", work.order = BENCH_HOT; work.hot_keys = 1;
            work.hot_share = 1.1);
    REFUSED("hot keys is not 0 to 1", work.order = BENCH_HOT; work.hot_keys = 1;
            work.hot_share = -0.1);
    GOOD(work.order = BENCH_SEQUENTIAL; work.key_count = 2);
    REFUSED("fewer keys than threads", work.order = BENCH_SEQUENTIAL; work.key_count = 1);
}

static void test_sizes(void **state)
{
    (void)state;
    REFUSED("distribution of key sizes", work.key_sizes.kind = (enum bench_size_kind)3);
    GOOD(work.key_sizes = (struct bench_sizes){BENCH_SIZE_RANGE, 16, 250});
    GOOD(work.key_sizes = (struct bench_sizes){.kind = BENCH_SIZE_ETC});
    REFUSED("key sizes ends before",
            work.key_sizes = ((struct bench_sizes){BENCH_SIZE_RANGE, 20, 19}));
    REFUSED("less than 16 bytes", work.key_sizes.min = 15);
    REFUSED("less than 16 bytes",
            work.key_sizes = ((struct bench_sizes){BENCH_SIZE_RANGE, 15, 20}));
    REFUSED("at most 250 bytes", work.key_sizes.min = 251);
    REFUSED("at most 250 bytes",
            work.key_sizes = ((struct bench_sizes){BENCH_SIZE_RANGE, 16, 251}));
    REFUSED("distribution of value sizes", work.value_sizes.kind = (enum bench_size_kind)3);
    GOOD(work.value_sizes = (struct bench_sizes){BENCH_SIZE_RANGE, 0, 1u << 30});
    GOOD(work.value_sizes = (struct bench_sizes){.kind = BENCH_SIZE_ETC});
    REFUSED("value sizes ends before",
            work.value_sizes = ((struct bench_sizes){BENCH_SIZE_RANGE, 20, 19}));
    REFUSED("at most 2^30 bytes", work.value_sizes.min = (1u << 30) + 1);
}

static void test_how_much_at_once(void **state)
{
    (void)state;
    REFUSED("no connections", work.connections = 0);
    GOOD(work.connections = 50000);
    REFUSED("more than 50000", work.connections = 50001);
    REFUSED("no threads", work.lanes = 0);
    REFUSED("each thread needs a connection", work.lanes = 5);
    REFUSED("at least 1", work.pipeline = 0);
    GOOD(work.pipeline = 1024);
    REFUSED("at most 1024", work.pipeline = 1025);
    GOOD(work.requests_per_connection = 16);
    REFUSED("would be closed before", work.requests_per_connection = 15);
}

static void test_when(void **state)
{
    (void)state;
    REFUSED("no such arrival", work.arrival = (enum bench_arrival)3);
    REFUSED("closed loop has no rate", work.rate = 1);
    GOOD(work.arrival = BENCH_POISSON; work.rate = 0.1);
    REFUSED("needs a rate", work.arrival = BENCH_POISSON);
    REFUSED("needs a rate", work.arrival = BENCH_BURSTS; work.rate = -1);
    REFUSED("10^9 per second", work.arrival = BENCH_POISSON; work.rate = 1e9 + 1);
    GOOD(work.arrival = BENCH_BURSTS; work.rate = 1; work.burst_size = 1000000);
    REFUSED("bursts of no requests", work.arrival = BENCH_BURSTS; work.rate = 1);
    REFUSED("more than 10^6", work.arrival = BENCH_BURSTS; work.rate = 1;
            work.burst_size = 1000001);
}

/* Last: all the rules have been broken by then. */
static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < RULE_COUNT; i++) {
        assert_true(strlen(WORDS[i]) < BENCH_WORK_ERROR_MAX);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(WORDS[i], WORDS[j]);
        }
        if (!broken[i]) {
            fail_msg("no test breaks the rule '%s'", WORDS[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_asked),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_how_much_at_once),
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests_name("mcbench/work", tests, NULL, NULL);
}
