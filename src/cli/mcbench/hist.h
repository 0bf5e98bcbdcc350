/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Latency histograms in the layout of HdrHistogram, and its log files.
 *
 * Values are nanoseconds, 1 to one hour, kept to three decimal digits; beyond that they count as the largest. Recording is a few
 * instructions and allocates nothing. One thread records; merge when it has stopped. Log files are version 1.3 of HdrHistogram's
 * format (base64 of a zlib-compressed V2 payload), so its own tools read them.
 */
#ifndef LARDER_MCBENCH_HIST_H
#define LARDER_MCBENCH_HIST_H

#include <stdint.h>
#include <stdio.h>

struct bench_hist;

struct bench_hist *bench_hist_create(void); /* NULL: no memory */
void bench_hist_destroy(struct bench_hist **hist);
void bench_hist_reset(struct bench_hist *hist);
void bench_hist_record(struct bench_hist *hist, uint64_t value_ns);
/* The same value so many times. */
void bench_hist_record_all(struct bench_hist *hist, uint64_t value_ns, uint64_t count);
void bench_hist_merge(struct bench_hist *into, const struct bench_hist *from);

uint64_t bench_hist_count(const struct bench_hist *hist);
/* 0 when empty. percentile: 0..100. Values are the upper end of their step, as HdrHistogram reports them. */
uint64_t bench_hist_percentile(const struct bench_hist *hist, double percentile);
uint64_t bench_hist_min(const struct bench_hist *hist);
uint64_t bench_hist_max(const struct bench_hist *hist);
double bench_hist_mean(const struct bench_hist *hist);

/* Both return 0 or -errno. tag: no comma, no blank; NULL for none. start_s: Unix time; length_s: of the interval. */
int bench_hist_log_begin(FILE *file, double start_s);
int bench_hist_log_write(FILE *file, const struct bench_hist *hist, const char *tag, double start_s,
                         double length_s);

#endif
