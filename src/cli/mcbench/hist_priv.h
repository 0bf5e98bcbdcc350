/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The layout of a histogram, for hist.c (which counts) and hist_log.c (which writes it down).
 *
 * It is HdrHistogram's for a lowest value of 1, a highest of one hour and 3 digits: 2048 steps of 1 ns, and then 1024 steps for
 * each doubling. So the counts can be handed to its readers as they are.
 */
#ifndef LARDER_MCBENCH_HIST_PRIV_H
#define LARDER_MCBENCH_HIST_PRIV_H

#include <stddef.h>
#include <stdint.h>

enum {
    BENCH_HIST_DIGITS = 3,
    BENCH_HIST_HALF_BITS = 10, /* 2 * 10^3 values need 11 bits for steps of 1 */
    BENCH_HIST_HALF = 1 << BENCH_HIST_HALF_BITS,
    BENCH_HIST_BUCKETS = 32, /* doublings from 2048 to beyond the highest */
    BENCH_HIST_STEPS = (BENCH_HIST_BUCKETS + 1) * BENCH_HIST_HALF,
};

#define BENCH_HIST_LOWEST_NS  UINT64_C(1)
#define BENCH_HIST_HIGHEST_NS (UINT64_C(3600) * 1000 * 1000 * 1000)

struct bench_hist {
    uint32_t magic;
    uint64_t counts[BENCH_HIST_STEPS];
};

/* The step of the largest value; 0 when there is none. */
size_t bench_hist_top(const struct bench_hist *hist);

#endif
