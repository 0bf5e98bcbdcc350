/* SPDX-License-Identifier: BSD-3-Clause */
/* The standard workloads: every row can be run, and those that share servers want the same of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/mcbench/keys.h"
#include "cli/mcbench/wire.h"
#include "cli/mcbench/workload.h"

static struct bench_workload row_of(const char *name)
{
    struct bench_workload workload;

    for (size_t i = 0; i < bench_workload_count(); i++) {
        bench_workload_get(i, &workload);
        if (strcmp(workload.name, name) == 0) {
            return workload;
        }
    }
    fail_msg("there is no %s", name);
    return workload;
}

static void expect_valid(const struct bench_workload *workload)
{
    static const char *const groups[] = {"core", "binary", "unix",  "connections", "latency",
                                         "zipf", "big",    "large", "mixed",       "threads"};
    const struct bench_work *work = &workload->work;
    bool has_group = false;
    uint32_t shares = 0;

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        has_group = has_group || strcmp(groups[i], workload->group) == 0;
    }
    for (size_t i = 0; i < BENCH_VERB_COUNT; i++) {
        shares += work->shares[i];
    }
    assert_true(has_group);
    assert_in_range(strlen(workload->name), 1, 30);
    assert_in_range(strlen(workload->title), 5, 100);
    assert_in_range(shares, 1, 1000);
    assert_in_range(work->keys_per_get, 1, BENCH_GET_KEYS_MAX);
    assert_in_range(work->keys_per_get_max, work->keys_per_get, BENCH_GET_KEYS_MAX);
    assert_in_range(work->key_count, 1000, UINT32_MAX);
    assert_in_range(bench_keys_value_size_max(work), 1, 1 << 20);
    assert_in_range(work->lanes, 1, work->connections);
    assert_in_range(work->connections, 1, 50000);
    assert_in_range(work->pipeline, 1, 1024);
    assert_in_range(workload->server_threads, 1, 64);
    assert_int_equal(work->arrival == BENCH_CLOSED, workload->rate_percent == 0);
    assert_true(workload->rate_percent < 100);
    assert_true(work->order != BENCH_ZIPF || (work->skew >= 0.5 && work->skew <= 2));
    assert_true(work->ttl_min_s <= work->ttl_max_s);
    assert_non_null(bench_wire_of(work->protocol));
    assert_in_range(bench_workload_memory_mb(work), 1024, 8192);
}

static void every_row_is_valid(void **state)
{
    struct bench_workload a;
    struct bench_workload b;

    (void)state;
    assert_in_range(bench_workload_count(), 30, BENCH_WORKLOADS_MAX);
    for (size_t i = 0; i < bench_workload_count(); i++) {
        bench_workload_get(i, &a);
        expect_valid(&a);
        for (size_t k = 0; k < i; k++) {
            bench_workload_get(k, &b);
            assert_string_not_equal(a.name, b.name);
            assert_string_not_equal(a.title, b.title);
        }
    }
}

static void the_plainest_is_plain(void **state)
{
    const struct bench_workload get = row_of("get");

    (void)state;
    assert_int_equal(get.work.shares[BENCH_GET], 1);
    assert_int_equal(get.work.shares[BENCH_SET], 0);
    assert_int_equal(get.work.connections, 50);
    assert_int_equal(get.work.pipeline, 1);
    assert_int_equal(get.work.key_count, 10000);
    assert_int_equal(get.work.key_sizes.min, 32);
    assert_int_equal(get.work.value_sizes.min, 100);
    assert_int_equal(row_of("set").work.shares[BENCH_GET], 0);
    assert_int_equal(row_of("mget-50").work.keys_per_get_max, 50);
}

static void servers_are_shared_where_keys_are(void **state)
{
    static const struct {
        const char *a, *b;
        bool shares;
    } pairs[] = {
        {"get", "mg-p16", true},       {"get", "conns-1000", true},     {"get", "latency-50", true},
        {"get", "unix-get", false},    {"get", "zipf", false},          {"get", "get-4k", false},
        {"get-4k", "set-4k", true},    {"get-4k", "get-64k", false},    {"get", "threads-2", false},
        {"get", "threads-1", true},    {"ttl", "counters", false},      {"zipf", "etc", false},
        {"unix-set", "unix-mg", true}, {"counters", "counters", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const struct bench_workload a = row_of(pairs[i].a);
        const struct bench_workload b = row_of(pairs[i].b);

        assert_int_equal(bench_workload_shares(&a, &b), pairs[i].shares);
        assert_int_equal(bench_workload_shares(&b, &a), pairs[i].shares);
    }
}

static void memory_is_enough(void **state)
{
    const struct bench_workload big = row_of("big-get-p16");
    const struct bench_workload get = row_of("get");

    (void)state;
    /* 4,000,000 * (32 + 100) bytes are 504 MiB. */
    assert_in_range(bench_workload_memory_mb(&big.work), 1500, 3000);
    assert_int_equal(bench_workload_memory_mb(&get.work), 1024);
}

static void groups_are_known(void **state)
{
    (void)state;
    assert_true(bench_workload_has_group("core"));
    assert_true(bench_workload_has_group("threads"));
    assert_false(bench_workload_has_group("cor"));
    assert_false(bench_workload_has_group(""));
}

static void the_empty_server_has_one_size(void **state)
{
    const struct bench_workload get = row_of("get");
    const struct bench_workload etc = row_of("etc");

    (void)state;
    assert_true(bench_workload_fits_empty(&get));
    assert_false(bench_workload_fits_empty(&etc));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_valid),
        cmocka_unit_test(the_plainest_is_plain),
        cmocka_unit_test(servers_are_shared_where_keys_are),
        cmocka_unit_test(memory_is_enough),
        cmocka_unit_test(groups_are_known),
        cmocka_unit_test(the_empty_server_has_one_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
