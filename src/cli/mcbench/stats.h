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

enum {
    BENCH_STATS_MAX = 1000,    /* values */
    BENCH_STATS_SIDE_MAX = 50, /* values on each side of a comparison */
};

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
/*
 * Of two samples that are not paired: all a[i] / b[k], their median (Hodges and Lehmann's estimate of the ratio) and the interval
 * of the ratio by the distribution of Mann and Whitney's U (Conover 1999 §5.4). 1..BENCH_STATS_SIDE_MAX values each; count is that
 * of the pairs.
 */
void bench_stats_compare(size_t a_count, const double *a, size_t b_count, const double *b,
                         struct bench_summary *ret_summary);
/* Are there enough values for the interval to say anything: does it hold 0.92? Five paired ones do, or four on each side. */
bool bench_stats_shows(const struct bench_summary *summary);
/* Does it say anything, and is it all on one side of 1? */
bool bench_stats_differs(const struct bench_summary *ratio);

#endif
