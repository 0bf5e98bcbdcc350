/* SPDX-License-Identifier: BSD-3-Clause */
/* The run's self-check: see judge.h. */
#include "cli/mcbench/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"

static const double late_share_max = 0.01;
static const double busy_share_max = 0.90;
static const double wait_share_max = 0.05;
static const double stolen_share_max = 0.05;
static const double saturated_share = 0.97; /* of its time, and more: it had none left */

BASE_PRINTF(2, 3) static void object(struct bench_result *result, const char *format, ...)
{
    const size_t used = strlen(result->reason);
    va_list arguments;

    if (result->is_void && used + 2 < BENCH_REASON_MAX) {
        memcpy(result->reason + used, "; ", 3);
    }
    result->is_void = true;
    va_start(arguments, format);
    (void)vsnprintf(result->reason + strlen(result->reason),
                    BENCH_REASON_MAX - strlen(result->reason), format, arguments);
    va_end(arguments);
}

static double share(uint64_t part, double whole)
{
    return whole > 0 ? (double)part / whole : 0;
}

/* An open loop: could what it says about latency be the generator's own? */
static void judge_open(struct bench_result *result)
{
    const uint64_t sent = result->requests > result->late ? result->requests : result->late;
    const double late = share(result->late, (double)sent);
    const double busy = share(result->load_busy_ns, (double)result->load.run_ns);

    if (late > late_share_max) {
        object(result, "%.1f %% of the requests were sent more than 1 ms late by the generator",
               late * 100);
    }
    if (busy > busy_share_max) {
        object(result, "the generator had something to do for %.0f %% of the time", busy * 100);
    }
}

void bench_judge(const struct bench_plan *plan, struct bench_result *result,
                 uint64_t server_disturbed_ns, double stolen_share)
{
    const double wall_ns = (double)result->wall_ns;
    const double lanes_ns = wall_ns * (double)plan->work.lanes;
    const double load_wait = share(result->load.wait_ns, lanes_ns);
    const double server_run = share(result->server.run_ns, wall_ns);
    const double server_wait = share(server_disturbed_ns, wall_ns);

    result->is_void = false;
    result->reason[0] = '\0';
    result->is_load_bound = false;
    if (result->requests == 0) {
        object(result, "nothing was answered while it was counted");
        return;
    }
    if (plan->work.arrival != BENCH_CLOSED) {
        judge_open(result);
    }
    if (load_wait > wait_share_max) {
        object(result, "the generator waited for its CPU for %.0f %% of the time", load_wait * 100);
    }
    /* A server that sleeps in between waits a little at every waking, and that is no sign of company. */
    if (server_wait > wait_share_max && server_run + server_wait >= saturated_share) {
        object(result, "the server waited for its CPU for %.0f %% of the time", server_wait * 100);
    }
    if (stolen_share > stolen_share_max) {
        object(result, "the hypervisor took %.0f %% of the CPUs' time", stolen_share * 100);
    }
    if (!result->is_void) {
        result->is_load_bound =
            plan->work.arrival == BENCH_CLOSED &&
            share(result->load_busy_ns, (double)result->load.run_ns) >= saturated_share &&
            (plan->server == 0 || server_run < saturated_share);
    }
}
