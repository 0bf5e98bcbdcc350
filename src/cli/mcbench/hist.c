/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counting latencies. Only the counts are kept: number, extremes and mean are found by going over them (some 20 us), so that
 * recording touches one word.
 */
#include "cli/mcbench/hist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/mcbench/hist_priv.h"

enum { HIST_MAGIC = 0x48697374 }; /* "Hist" */

struct bench_hist *bench_hist_create(void)
{
    struct bench_hist *hist = calloc(1, sizeof *hist);

    if (hist != NULL) {
        hist->magic = HIST_MAGIC;
    }
    return hist;
}

void bench_hist_destroy(struct bench_hist **hist)
{
    if (*hist == NULL) {
        return;
    }
    CHECK_OBJ(*hist, HIST_MAGIC);
    (*hist)->magic = 0;
    free(*hist);
    *hist = NULL;
}

void bench_hist_reset(struct bench_hist *hist)
{
    CHECK_OBJ(hist, HIST_MAGIC);
    memset(hist->counts, 0, sizeof hist->counts);
}

/* Doublings beyond the first 2048 values. */
static uint32_t find_bucket(uint64_t value_ns)
{
    const uint64_t below = (UINT64_C(2) << BENCH_HIST_HALF_BITS) - 1;

    return 63 - BENCH_HIST_HALF_BITS - (uint32_t)__builtin_clzll(value_ns | below);
}

void bench_hist_record_all(struct bench_hist *hist, uint64_t value_ns, uint64_t count)
{
    const uint64_t value = value_ns < BENCH_HIST_HIGHEST_NS ? value_ns : BENCH_HIST_HIGHEST_NS;
    const uint32_t bucket = find_bucket(value);

    hist->counts[((size_t)bucket << BENCH_HIST_HALF_BITS) + (size_t)(value >> bucket)] += count;
}

void bench_hist_record(struct bench_hist *hist, uint64_t value_ns)
{
    bench_hist_record_all(hist, value_ns, 1);
}

void bench_hist_merge(struct bench_hist *into, const struct bench_hist *from)
{
    CHECK_OBJ(into, HIST_MAGIC);
    CHECK_OBJ(from, HIST_MAGIC);
    for (size_t i = 0; i < BENCH_HIST_STEPS; i++) {
        into->counts[i] += from->counts[i];
    }
}

/* The smallest value of a step, and how many values it has. */
static uint64_t step_low(size_t step, uint64_t *ret_width)
{
    const size_t bucket = step < 2 * BENCH_HIST_HALF ? 0 : (step >> BENCH_HIST_HALF_BITS) - 1;

    *ret_width = UINT64_C(1) << bucket;
    return (uint64_t)(step - (bucket << BENCH_HIST_HALF_BITS)) << bucket;
}

static uint64_t step_high(size_t step)
{
    uint64_t width;
    const uint64_t low = step_low(step, &width);

    return low + width - 1;
}

size_t bench_hist_top(const struct bench_hist *hist)
{
    size_t step = BENCH_HIST_STEPS - 1;

    while (step > 0 && hist->counts[step] == 0) {
        step--;
    }
    return step;
}

uint64_t bench_hist_count(const struct bench_hist *hist)
{
    uint64_t count = 0;

    CHECK_OBJ(hist, HIST_MAGIC);
    for (size_t i = 0; i < BENCH_HIST_STEPS; i++) {
        count += hist->counts[i];
    }
    return count;
}

uint64_t bench_hist_percentile(const struct bench_hist *hist, double percentile)
{
    const uint64_t count = bench_hist_count(hist);
    uint64_t wanted, seen = 0;
    double wanted_real;

    CHECK(percentile >= 0 && percentile <= 100);
    if (count == 0) {
        return 0;
    }
    /* A hair less, as HdrHistogram does it: 99.9 % of 1000 are 999, not 999.0000000000001 rounded up. */
    wanted_real = percentile / 100 * (double)count;
    wanted = (uint64_t)ceil(wanted_real - (nextafter(wanted_real, HUGE_VAL) - wanted_real));
    wanted = percentile <= 0 || wanted < 1 ? 1 : wanted < count ? wanted : count;
    for (size_t i = 0; i < BENCH_HIST_STEPS; i++) {
        seen += hist->counts[i];
        if (seen >= wanted) {
            uint64_t width;

            return percentile > 0 ? step_high(i) : step_low(i, &width);
        }
    }
    NEVER("the counts add up to their sum");
}

uint64_t bench_hist_min(const struct bench_hist *hist)
{
    return bench_hist_percentile(hist, 0);
}

uint64_t bench_hist_max(const struct bench_hist *hist)
{
    return bench_hist_percentile(hist, 100);
}

double bench_hist_mean(const struct bench_hist *hist)
{
    double sum = 0;
    uint64_t count = 0;

    CHECK_OBJ(hist, HIST_MAGIC);
    for (size_t i = 0; i < BENCH_HIST_STEPS; i++) {
        uint64_t width;
        const uint64_t low = step_low(i, &width);
        const uint64_t middle = low + width / 2;

        sum += (double)middle * (double)hist->counts[i];
        count += hist->counts[i];
    }
    return count > 0 ? sum / (double)count : 0;
}
