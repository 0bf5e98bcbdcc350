/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Order statistics. The chance that the median lies between the r-th smallest and the r-th largest of n values is that of tossing
 * between r and n - r heads in n throws, whatever the values' distribution; for two samples, the ranks of all their ratios have
 * the distribution of Mann and Whitney's U. Both are counted exactly.
 */
#include "cli/mcbench/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* What an interval should hold, and what it must hold to show a difference at all. */
static const double LEVEL_WANTED = 0.95;
static const double LEVEL_NEEDED = 0.92;

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double middle(size_t count, const double *sorted)
{
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/*
 * How many values to leave out at each end, for an interval that still holds at least LEVEL_WANTED; 0 when even all of them hold
 * less. chances: of a rank's being exactly 0, 1, ... below the middle.
 */
static size_t find_cut(size_t count, const double *chances, double *ret_level)
{
    double below = chances[0];
    size_t cut = 0;

    while (cut + 1 < count && 1 - 2 * (below + chances[cut + 1]) >= LEVEL_WANTED) {
        cut++;
        below += chances[cut];
    }
    *ret_level = 1 - 2 * below > 0 ? 1 - 2 * below : 0;
    return cut;
}

static void fill(struct bench_summary *summary, size_t count, const double *sorted, size_t cut)
{
    summary->count = count;
    summary->median = middle(count, sorted);
    summary->min = sorted[0];
    summary->max = sorted[count - 1];
    summary->low = sorted[cut];
    summary->high = sorted[count - 1 - cut];
}

void bench_stats_summarize(size_t count, const double *values, struct bench_summary *ret_summary)
{
    double sorted[BENCH_STATS_MAX], chances[BENCH_STATS_MAX];
    double chance;
    size_t cut;

    CHECK(count >= 1 && count <= BENCH_STATS_MAX);
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_doubles);

    chance = ldexp(1, -(int)count); /* no throw shows heads; 2^-1000 is a normal number */
    for (size_t heads = 0; heads < (count + 1) / 2; heads++) {
        chances[heads] = chance;
        chance *= (double)(count - heads) / (double)(heads + 1);
    }
    cut = find_cut((count + 1) / 2, chances, &ret_summary->confidence);
    fill(ret_summary, count, sorted, cut);
}

void bench_stats_ratio(size_t count, const double *a, const double *b,
                       struct bench_summary *ret_summary)
{
    double ratios[BENCH_STATS_MAX];

    CHECK(count >= 1 && count <= BENCH_STATS_MAX);
    for (size_t i = 0; i < count; i++) {
        ratios[i] = a[i] / b[i];
    }
    bench_stats_summarize(count, ratios, ret_summary);
}

/*
 * The distribution of U for samples of a_count and b_count: chances[u] for u below BENCH_STATS_PAIRS. U counts the pairs in which
 * a's value is the smaller, so it is the sum of b_count numbers of 0..a_count in order: a Gaussian binomial coefficient, made by
 * multiplying by (1 - q^(a + i)) and dividing by (1 - q^i). Divided by the number of orders as it goes, to stay in range.
 */
static void fill_chances(size_t a_count, size_t b_count, double *chances)
{
    const size_t end = a_count * b_count + 1;

    memset(chances, 0, end * sizeof *chances);
    chances[0] = 1;
    for (size_t i = 1; i <= b_count; i++) {
        const size_t up = a_count + i;

        for (size_t u = end; u-- > up;) {
            chances[u] -= chances[u - up];
        }
        for (size_t u = i; u < end; u++) {
            chances[u] += chances[u - i];
        }
        for (size_t u = 0; u < end; u++) {
            chances[u] *= (double)i / (double)up;
        }
    }
}

void bench_stats_compare(size_t a_count, const double *a, size_t b_count, const double *b,
                         struct bench_summary *ret_summary)
{
    double ratios[BENCH_STATS_SIDE_MAX * BENCH_STATS_SIDE_MAX];
    double chances[BENCH_STATS_SIDE_MAX * BENCH_STATS_SIDE_MAX + 1];
    size_t count = 0, cut;

    CHECK(a_count >= 1 && a_count <= BENCH_STATS_SIDE_MAX);
    CHECK(b_count >= 1 && b_count <= BENCH_STATS_SIDE_MAX);
    for (size_t i = 0; i < a_count; i++) {
        for (size_t k = 0; k < b_count; k++) {
            ratios[count++] = a[i] / b[k];
        }
    }
    qsort(ratios, count, sizeof *ratios, compare_doubles);
    fill_chances(a_count, b_count, chances);
    cut = find_cut((count + 1) / 2, chances, &ret_summary->confidence);
    fill(ret_summary, count, ratios, cut);
}

bool bench_stats_shows(const struct bench_summary *summary)
{
    return summary->confidence >= LEVEL_NEEDED;
}

bool bench_stats_differs(const struct bench_summary *ratio)
{
    return bench_stats_shows(ratio) && (ratio->low > 1 || ratio->high < 1);
}
