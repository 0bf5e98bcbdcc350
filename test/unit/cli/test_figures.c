/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures out of a result file: which rounds count, which latency is read, and how rounds pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "cli/mcbench/figures.h"

static json_t *make_round(int round, const char *server, double rate, bool is_void, bool is_open)
{
    json_t *intended =
        is_open ? json_pack("{s:i, s:i, s:i}", "p50_ns", 70, "p99_ns", 900, "p999_ns", 2000)
                : json_null();

    return json_pack("{s:i, s:s, s:s, s:{s:b, s:f, s:{s:f}, s:{s:{s:i, s:i, s:i}, s:o}}}", "round",
                     round, "workload", "get", "server", server, "result", "void", (int)is_void,
                     "requests_per_s", rate, "server_cpu", "ns_per_request", 1e9 / rate, "latency",
                     "service", "p50_ns", 50, "p99_ns", 100, "p999_ns", 500, "intended", intended);
}

static json_t *make_results(bool is_open)
{
    json_t *results = json_pack("{s:[]}", "rounds");
    json_t *rounds = json_object_get(results, "rounds");

    (void)json_array_append_new(rounds, make_round(1, "a", 100, false, is_open));
    (void)json_array_append_new(rounds, make_round(1, "b", 50, false, is_open));
    (void)json_array_append_new(rounds, make_round(2, "b", 40, false, is_open));
    (void)json_array_append_new(rounds, make_round(2, "a", 999, true, is_open));
    (void)json_array_append_new(rounds, make_round(3, "a", 90, false, is_open));
    (void)json_array_append_new(rounds, make_round(4, "a", 120, false, is_open));
    (void)json_array_append_new(rounds, make_round(4, "b", 80, false, is_open));
    return results;
}

static void test_collect(void **state)
{
    json_t *results = make_results(false);
    struct bench_series series;

    (void)state;
    bench_figures_collect(results, "get", "a", BENCH_FIGURE_RATE, &series);
    assert_int_equal(series.count, 3);
    assert_int_equal(series.void_count, 1);
    assert_int_equal(series.rounds[1], 3);
    assert_true(fabs(series.values[2] - 120) < 1e-9);
    bench_figures_collect(results, "get", "a", BENCH_FIGURE_CPU, &series);
    assert_true(fabs(series.values[0] - 1e7) < 1e-3);
    bench_figures_collect(results, "set", "a", BENCH_FIGURE_RATE, &series);
    assert_int_equal(series.count + series.void_count, 0);
    json_decref(results);
}

/* In an open loop latency counts from when a request was due, not from when it could be sent. */
static void test_latency(void **state)
{
    struct bench_series series;

    (void)state;
    for (int is_open = 0; is_open < 2; is_open++) {
        json_t *results = make_results(is_open != 0);

        bench_figures_collect(results, "get", "b", BENCH_FIGURE_P99, &series);
        assert_int_equal(series.count, 3);
        assert_true(fabs(series.values[0] - (is_open != 0 ? 900 : 100)) < 1e-9);
        json_decref(results);
    }
}

static void test_pair(void **state)
{
    json_t *results = make_results(false);
    struct bench_series a, b, ratios;

    (void)state;
    bench_figures_collect(results, "get", "a", BENCH_FIGURE_RATE, &a);
    bench_figures_collect(results, "get", "b", BENCH_FIGURE_RATE, &b);
    bench_figures_pair(&a, &b, &ratios);
    assert_int_equal(ratios.count, 2);
    assert_int_equal(ratios.rounds[1], 4);
    assert_true(fabs(ratios.values[0] - 2) < 1e-9);
    assert_true(fabs(ratios.values[1] - 1.5) < 1e-9);
    json_decref(results);
}

static void test_kinds(void **state)
{
    json_t *open = json_pack("{s:{s:{s:s}}}", "work", "load", "arrival", "bursts");
    json_t *closed = json_pack("{s:{s:{s:s}}}", "work", "load", "arrival", "closed");

    (void)state;
    assert_true(bench_figures_is_open(open));
    assert_false(bench_figures_is_open(closed));
    assert_true(bench_figures_matters(BENCH_FIGURE_RATE, false));
    assert_false(bench_figures_matters(BENCH_FIGURE_RATE, true));
    assert_true(bench_figures_matters(BENCH_FIGURE_P999, true));
    assert_true(bench_figures_more_is_better(BENCH_FIGURE_RATE));
    assert_false(bench_figures_more_is_better(BENCH_FIGURE_P50));
    json_decref(open);
    json_decref(closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collect),
        cmocka_unit_test(test_latency),
        cmocka_unit_test(test_pair),
        cmocka_unit_test(test_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
