/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When requests are due in an open loop: drawn before the run, so that nothing that happens in the run can move it.
 *
 * Pure. The moments are nanoseconds from the start of the run, ascending, and the list is the whole of one lane's run.
 */
#ifndef LARDER_MCBENCH_SCHEDULE_H
#define LARDER_MCBENCH_SCHEDULE_H

#include <stdint.h>

#include "cli/mcbench/work.h"

struct bench_schedule {
    uint64_t *due_ns; /* owned */
    uint64_t count;
};

/* This lane's share (rate / lanes) of a run of length_ns. 0, -ENOMEM, or -E2BIG beyond 2^30 moments. */
int bench_schedule_init(struct bench_schedule *schedule, const struct bench_work *work,
                        uint32_t lane, uint64_t length_ns);
void bench_schedule_fini(struct bench_schedule *schedule);

#endif
