/* SPDX-License-Identifier: BSD-3-Clause */
/* Medians and intervals against published tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "cli/mcbench/stats.h"

static void assert_near(double value, double expected)
{
    if (fabs(value - expected) > 1e-6 * fmax(1, fabs(expected))) {
        fail_msg("%.9g is not %.9g", value, expected);
    }
}

/* 1..count, the largest first. */
static void fill(size_t count, double *values)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = (double)(count - i);
    }
}

/* The ranks and levels of the 95 % intervals for a median in David & Nagaraja, Order Statistics, table of §7.1 (R's
 * qbinom(0.025, n, 0.5) gives the same). */
static void test_median(void **state)
{
    static const struct {
        size_t count;
        double median, low, high, confidence;
    } rows[] = {
        {1, 1, 1, 1, 0},
        {2, 1.5, 1, 2, 0.5},
        {5, 3, 1, 5, 0.9375},
        {6, 3.5, 1, 6, 0.96875},
        {7, 4, 1, 7, 0.984375},
        {8, 4.5, 1, 8, 0.9921875},
        {9, 5, 2, 8, 0.9609375},
        {10, 5.5, 2, 9, 0.978515625},
        {20, 10.5, 6, 15, 0.958610535},
        {100, 50.5, 40, 61, 0.964799774},
        {1000, 500.5, 469, 532, 0.953708803},
    };
    double values[BENCH_STATS_MAX];
    struct bench_summary summary;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fill(rows[i].count, values);
        bench_stats_summarize(rows[i].count, values, &summary);
        assert_int_equal(summary.count, rows[i].count);
        assert_near(summary.median, rows[i].median);
        assert_near(summary.min, 1);
        assert_near(summary.max, (double)rows[i].count);
        assert_near(summary.low, rows[i].low);
        assert_near(summary.high, rows[i].high);
        assert_near(summary.confidence, rows[i].confidence);
    }
    assert_near(values[0], 1000); /* left as they were */
}

static void test_ratio(void **state)
{
    static const double a[] = {10, 22, 33, 40, 55, 66}, b[] = {10, 20, 30, 40, 50, 60};
    struct bench_summary ratio;

    (void)state;
    bench_stats_ratio(6, a, b, &ratio);
    assert_near(ratio.median, 1.1);
    assert_near(ratio.low, 1);
    assert_near(ratio.high, 1.1);
    assert_false(bench_stats_differs(&ratio));
    bench_stats_ratio(2, a + 1, b + 1, &ratio);
    assert_near(ratio.low, 1.1);
    assert_false(bench_stats_shows(&ratio)); /* two are too few */
    assert_false(bench_stats_differs(&ratio));
}

static void test_differs(void **state)
{
    static const double more[] = {11, 22, 33, 44, 55}, base[] = {10, 20, 30, 40, 50};
    struct bench_summary ratio;

    (void)state;
    bench_stats_ratio(5, more, base, &ratio);
    assert_true(bench_stats_differs(&ratio));
    bench_stats_ratio(5, base, more, &ratio);
    assert_true(bench_stats_differs(&ratio));
    bench_stats_ratio(4, base, more, &ratio);
    assert_false(bench_stats_differs(&ratio));
}

/* Two-sided critical values of U (Conover 1999, table A7): the interval leaves out as many ratios at each end. */
static void test_compare_levels(void **state)
{
    static const struct {
        size_t a_count, b_count, cut;
        double confidence;
    } rows[] = {
        {1, 1, 0, 0},           {3, 3, 0, 0.9},         {4, 4, 0, 0.971428571},
        {5, 5, 2, 0.968253968}, {5, 7, 5, 0.952020202}, {10, 10, 23, 0.956742948},
    };
    double a[BENCH_STATS_SIDE_MAX], b[BENCH_STATS_SIDE_MAX], ratios[100];
    struct bench_summary ratio;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const size_t count = rows[i].a_count * rows[i].b_count;

        /* Ratios 1..count: a is 1, 2, ..., and b shifts by whole a_counts. */
        for (size_t k = 0; k < rows[i].a_count; k++) {
            a[k] = pow(2, (double)k);
        }
        for (size_t k = 0; k < rows[i].b_count; k++) {
            b[k] = pow(2, -(double)(k * rows[i].a_count));
        }
        for (size_t k = 0; k < count; k++) {
            ratios[k] = pow(2, (double)k);
        }
        bench_stats_compare(rows[i].a_count, a, rows[i].b_count, b, &ratio);
        assert_int_equal(ratio.count, count);
        assert_near(ratio.confidence, rows[i].confidence);
        assert_near(ratio.low, ratios[rows[i].cut]);
        assert_near(ratio.high, ratios[count - 1 - rows[i].cut]);
    }
}

static void test_compare_most(void **state)
{
    double a[BENCH_STATS_SIDE_MAX], b[BENCH_STATS_SIDE_MAX];
    struct bench_summary ratio;

    (void)state;
    for (size_t i = 0; i < BENCH_STATS_SIDE_MAX; i++) {
        a[i] = 110 + (double)i / 10;
        b[i] = 100 + (double)i / 10;
    }
    bench_stats_compare(BENCH_STATS_SIDE_MAX, a, BENCH_STATS_SIDE_MAX, b, &ratio);
    assert_true(ratio.confidence >= 0.95 && ratio.confidence < 0.951);
    assert_true(ratio.low > 1.08 && ratio.low < ratio.median);
    assert_true(ratio.high < 1.12 && ratio.high > ratio.median);
    assert_true(bench_stats_differs(&ratio));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median),       cmocka_unit_test(test_ratio),
        cmocka_unit_test(test_differs),      cmocka_unit_test(test_compare_levels),
        cmocka_unit_test(test_compare_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
