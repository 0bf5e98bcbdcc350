/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files that `mcbench run` leaves behind.
 *
 * Both return false when a file cannot be written, after a line on standard error.
 */
#ifndef LARDER_MCBENCH_RUN_OUTPUT_H
#define LARDER_MCBENCH_RUN_OUTPUT_H

#include <stdbool.h>

#include "cli/mcbench/run.h"

/* The document of bench_report_run(). path "-": standard output. */
bool bench_run_output_json(const char *path, const struct bench_plan *plan,
                           const struct bench_result *result);

/* PREFIX.service.hlog, and .intended.hlog and .probe.hlog where there is such a histogram. The run has just ended. */
bool bench_run_output_hist(const char *prefix, const struct bench_result *result);

#endif
