/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Figures out of a result file: what one server did in one workload, round by round.
 *
 * The file has passed bench_results_check(). Void rounds and such without the figure are left out, and counted. No state; any
 * thread.
 */
#ifndef LARDER_MCBENCH_FIGURES_H
#define LARDER_MCBENCH_FIGURES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/mcbench/stats.h"

enum bench_figure {
    BENCH_FIGURE_RATE,
    BENCH_FIGURE_CPU,
    BENCH_FIGURE_P50, /* latency: since it was due in an open loop, since it was sent in a closed one */
    BENCH_FIGURE_P99,
    BENCH_FIGURE_P999,
    BENCH_FIGURE_COUNT,
};

struct bench_series {
    size_t count;      /* at most BENCH_STATS_SIDE_MAX; rounds beyond are left out */
    size_t void_count; /* rounds that were there and do not count */
    size_t
        bound_count; /* requests per second that were the generator's limit: the server could do more */
    json_int_t rounds[BENCH_STATS_SIDE_MAX];
    double values[BENCH_STATS_SIDE_MAX]; /* above 0 */
};

/* "requests/s", "CPU ns/request", "p99 us". */
const char *bench_figures_name(enum bench_figure figure);
/* In the unit of the name: latencies are kept in nanoseconds and shown in microseconds. */
double bench_figures_scale(enum bench_figure figure);
bool bench_figures_more_is_better(enum bench_figure figure);

/* Is this workload's load offered from a schedule? Its rate says little then, and its latency much. */
bool bench_figures_is_open(const json_t *workload);
/* Does this figure tell servers apart in such a workload? */
bool bench_figures_matters(enum bench_figure figure, bool is_open);

void bench_figures_collect(const json_t *results, const char *workload, const char *server,
                           enum bench_figure figure, struct bench_series *ret_series);

/* a / b, of the rounds that both have. */
void bench_figures_pair(const struct bench_series *a, const struct bench_series *b,
                        struct bench_series *ret_ratios);

#endif
