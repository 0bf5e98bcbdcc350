/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Was it the server that was measured? The run's self-check.
 *
 * Pure; any thread.
 */
#ifndef LARDER_MCBENCH_JUDGE_H
#define LARDER_MCBENCH_JUDGE_H

#include "cli/mcbench/run.h"

/*
 * Sets is_void and reason, and is_load_bound, from everything else in the result.
 *
 * server_disturbed_ns  how long something else had the server's CPU: bench_process_disturbed_ns()
 * stolen_share         of the machine's CPU time, what a hypervisor took meanwhile; 0..1
 *
 * Void is a run in which
 *   - more than 1 % of the requests of an open loop went out more than 1 ms late through the generator's own fault: its 99th
 *     percentile could be the generator's;
 *   - lanes of an open loop had something to do for more than 90 % of the time: then requests queue up in the generator, too;
 *   - lanes were ready to run but waited for their CPU for more than 5 % of the time: they share it;
 *   - the server had no time left, and something else had its CPU for more than 5 % of the time;
 *   - the hypervisor took more than 5 %;
 *   - nothing was answered.
 */
void bench_judge(const struct bench_plan *plan, struct bench_result *result,
                 uint64_t server_disturbed_ns, double stolen_share);

#endif
