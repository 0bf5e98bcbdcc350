/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Servers under test: started, pinned, asked for their figures, stopped. Only processes that were started here are ever ended.
 *
 * A command is given as one line; {port}, {socket} and {memory_mb} in it are replaced. Everything listens on 127.0.0.1 or on a
 * UNIX socket in a folder of the run's own, which is removed. One thread.
 */
#ifndef LARDER_MCBENCH_PROCESS_H
#define LARDER_MCBENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/mcbench/run.h"

enum { BENCH_ADDRESS_MAX = 128, BENCH_COMMAND_MAX = 1024, BENCH_NAME_MAX = 64 };

struct bench_process {
    char name[BENCH_NAME_MAX];
    char command[BENCH_COMMAND_MAX]; /* as it was run */
    char address[BENCH_ADDRESS_MAX]; /* for bench_plan.address */
    char version
        [BENCH_NAME_MAX]; /* the first line of `PROGRAM -V`, or of --version; "" when neither says anything */
    pid_t pid;
};

/*
 * Starts `line`, pinned to cpu (-1: not), and waits until it accepts connections, at most 10 s. unix_socket says which of {port}
 * and {socket} the address is. 0 or a negative errno and what the process had to say in `complaint`.
 */
int bench_process_start(struct bench_process *process, const char *name, const char *line,
                        bool unix_socket, uint64_t memory_mb, int cpu, char complaint[static 4096]);
/* SIGTERM, and SIGKILL after 5 s. The exit status as of waitpid(). */
int bench_process_stop(struct bench_process *process);

/* CPU time of all threads of a process, ended ones included where the kernel says so. False: it cannot be read. */
bool bench_process_cpu(pid_t pid, struct bench_cpu *ret_cpu);
/* VmRSS and VmHWM in KiB. */
bool bench_process_memory(pid_t pid, uint64_t *ret_rss_kib, uint64_t *ret_peak_kib);

/* A number out of the server's `stats`; false when it does not say. */
bool bench_process_stat(const struct bench_process *process, const char *name, uint64_t *ret_value);

#endif
