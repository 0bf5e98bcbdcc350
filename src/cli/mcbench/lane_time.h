/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a thread has cost so far, by the kernel's accounts.
 */
#ifndef LARDER_MCBENCH_LANE_TIME_H
#define LARDER_MCBENCH_LANE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/mcbench/run.h"

/* A thread's time at one moment. */
struct bench_lane_time {
    uint64_t wall_ns; /* the monotonic clock */
    uint64_t busy_ns; /* the caller's own account */
    uint64_t user_ns;
    struct bench_cpu cpu;
};

/*
 * Of the calling thread:
 *   cpu.run_ns   CLOCK_THREAD_CPUTIME_ID: exact
 *   cpu.wait_ns  the second figure of /proc/thread-self/schedstat: exact; 0 where the kernel does not say
 *   user_ns      ru_utime of getrusage(RUSAGE_THREAD). Where the kernel counts by ticks, and most do, that is the exact total,
 *                shared out by the ticks that found the thread in user space: a few per cent off for a window of a second
 */
void bench_lane_time_read(uint64_t busy_ns, struct bench_lane_time *ret_time);

/* Of all CPUs of the machine, in ticks: what a hypervisor took, and everything. False: the kernel does not say. */
bool bench_lane_time_read_stolen(uint64_t *ret_stolen, uint64_t *ret_total);

#endif
