/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPU time of a process, to the nanosecond that the scheduler counts. Any thread. */
#ifndef LARDER_BENCH_LOAD_CPU_H
#define LARDER_BENCH_LOAD_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct load_cpu {
    uint64_t run_ns;  /* on a CPU, user and kernel */
    uint64_t wait_ns; /* ready to run, while something else had the CPU */
};

/*
 * The sums over the process's threads, as /proc/PID/task/TID/schedstat has them (getrusage() and
 * /proc/PID/stat count in ticks, and say nothing about waiting). Threads that have ended are not
 * in them. False when the process cannot be read.
 */
bool load_cpu_read(pid_t process, struct load_cpu *ret_cpu);

#endif
