/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A few figures of many: median, spread, and ratios of paired rounds with an interval.
 *
 * Pure. The interval of a median is the order-statistic one (binomial, Conover 1999 §3.2): no assumption about the distribution;
 * below six values it is the whole range and says so.
 */
#ifndef LARDER_MCBENCH_STATS_H
#define LARDER_MCBENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>

enum { BENCH_STATS_MAX = 1000 }; /* values */

struct bench_summary {
    size_t count;
    double median, min, max;
    double low, high;  /* interval of the median */
    double confidence; /* its actual level, e.g. 0.969 */
};

/* values: count of them, 1..BENCH_STATS_MAX, borrowed, in any order. */
void bench_stats_summarize(size_t count, const double *values, struct bench_summary *ret_summary);
/* Of a[i] / b[i]; b's are not 0. */
void bench_stats_ratio(size_t count, const double *a, const double *b,
                       struct bench_summary *ret_summary);
/* Is the whole interval on one side of 1? */
bool bench_stats_differs(const struct bench_summary *ratio);

#endif
