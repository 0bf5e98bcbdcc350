/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a run says to people and to programs: a table, and JSON (by jansson). Units stand in every name; doc/operate/mcbench-results.md
 * has the whole of it.
 *
 * No state; any thread.
 */
#ifndef LARDER_MCBENCH_REPORT_H
#define LARDER_MCBENCH_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "cli/mcbench/run.h"

enum { BENCH_REPORT_SCHEMA = 1 }; /* of every document; grows when a reader would misunderstand */

/* All of them are given to the caller: json_decref(). NULL: no memory. */
json_t *bench_report_work(const struct bench_work *work);
json_t *bench_report_result(const struct bench_plan *plan, const struct bench_result *result);
/* Processor, kernel, memory, clock source, commit-independent facts: nothing that tells whose machine it is. */
json_t *bench_report_machine(void);
/* The whole document of `run --json`: all of the above and the plan. */
json_t *bench_report_run(const struct bench_plan *plan, const struct bench_result *result);
/* Of one histogram: count, mean, percentiles. json_null() for NULL and for an empty one. */
json_t *bench_report_latency(const struct bench_hist *hist);

/* A table of at most 100 columns, and in plain words what is wrong when the run is void. */
void bench_report_print(FILE *file, const struct bench_plan *plan,
                        const struct bench_result *result);

#endif
