/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a run says to people and to programs: a table, and JSON (by jansson). Units stand in every name.
 */
#ifndef LARDER_MCBENCH_REPORT_H
#define LARDER_MCBENCH_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "cli/mcbench/run.h"

/* Given to the caller: json_decref(). NULL: no memory. */
json_t *bench_report_work(const struct bench_work *work);
json_t *bench_report_result(const struct bench_plan *plan, const struct bench_result *result);
/* Processor, kernel, memory, clock source, commit-independent facts: nothing that tells whose machine it is. */
json_t *bench_report_machine(void);

void bench_report_print(FILE *file, const struct bench_plan *plan,
                        const struct bench_result *result);

#endif
