/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Servers under test: started, pinned, asked for their figures, stopped. Only processes that were started here are ever ended, and
 * none of them outlives this one.
 *
 * A command is given as one line: words between blanks, with '...' or "..." around a word that has some; no shell reads it. In it
 *
 *     {port}, {socket}  become where to listen, one of them
 *     {listen}          either of them as memcached's options: "-l 127.0.0.1 -p PORT -U 0" or "-s SOCKET"
 *     {resp_listen}     the same as options of redis: "--bind 127.0.0.1 --port PORT" or "--port 0 --unixsocket SOCKET"
 *     {memory_mb}       becomes the memory for items
 *     {threads}         how many threads the server should have
 *     {value_size}      how large values will be, for a server that makes them up
 *     {user}            becomes "-u root" for root and nothing for others: memcached's way to be asked
 *
 * Everything listens on 127.0.0.1 or on a UNIX socket in a folder of the process's own, which is removed. One thread.
 */
#ifndef LARDER_MCBENCH_PROCESS_H
#define LARDER_MCBENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/mcbench/run.h"

enum {
    BENCH_ADDRESS_MAX = 128,
    BENCH_COMMAND_MAX = 1024,
    BENCH_NAME_MAX = 64,
    BENCH_WORDS_MAX = 100,  /* of a command line */
    BENCH_THREADS_MAX = 256 /* of a process, as far as they are told apart */
};

struct bench_process {
    char name[BENCH_NAME_MAX];
    char command[BENCH_COMMAND_MAX]; /* as it was run */
    char address[BENCH_ADDRESS_MAX]; /* for bench_plan.address */
    char version
        [BENCH_NAME_MAX]; /* the first line of `PROGRAM --version`, or of -V; "" when neither says anything */
    pid_t pid;            /* 0: not running */
    int output;           /* what it wrote to its standard output and error; -1: none */
    char folder[BENCH_ADDRESS_MAX]; /* of its socket; "" when it has none */
};

/* What replaces the words in braces. NULL: the command may not have it. */
struct bench_places {
    const char *port, *socket, *listen, *resp_listen, *user;
    uint64_t memory_mb;
    uint32_t threads, value_size;
};

/*
 * The command with the words in braces replaced. False: `complaint` says which of them is unknown, or that the line is too long.
 * Other braces stay. Pure.
 */
bool bench_process_fill(const char *line, const struct bench_places *places,
                        char out[static BENCH_COMMAND_MAX], char complaint[static 4096]);
/*
 * Splits a line into words, in place, and puts a NULL behind the last. Returns how many; 0: there is none, there are too many, or a
 * quotation has no end. Pure.
 */
size_t bench_process_split(char *line, char *ret_words[static BENCH_WORDS_MAX + 1]);

/*
 * Starts `line`, pinned to cpu (-1: not), and waits until it accepts connections, at most 10 s. unix_socket says which of {port}
 * and {socket} the address is. 0 or a negative errno and what the process had to say in `complaint`.
 */
int bench_process_start(struct bench_process *process, const char *name, const char *line,
                        bool unix_socket, uint64_t memory_mb, int cpu, char complaint[static 4096]);
/* The same with everything that can be chosen. cpu_count 0: not pinned; cpus is borrowed. */
struct bench_process_setup {
    bool unix_socket;
    uint64_t memory_mb;
    uint32_t threads, value_size;
    size_t cpu_count;
    const int *cpus;
};

int bench_process_start_with(struct bench_process *process, const char *name, const char *line,
                             const struct bench_process_setup *setup, char complaint[static 4096]);
/* SIGTERM to it and to what it has started, and SIGKILL after 5 s. The exit status as of waitpid(); 0 when it was not running. */
int bench_process_stop(struct bench_process *process);
/* False when it has ended: then `complaint` has how, and what it had to say. bench_process_stop() is still to be called. */
bool bench_process_is_alive(struct bench_process *process, char complaint[static 4096]);

/* CPU time of all threads of a process that are there. False: it cannot be read. */
bool bench_process_cpu(pid_t pid, struct bench_cpu *ret_cpu);
/* VmRSS and VmHWM in KiB. */
bool bench_process_memory(pid_t pid, uint64_t *ret_rss_kib, uint64_t *ret_peak_kib);

/* The CPU time of each thread. */
struct bench_threads {
    size_t count;
    struct {
        pid_t id;
        struct bench_cpu cpu;
    } rows[BENCH_THREADS_MAX];
};

bool bench_process_threads(pid_t pid, struct bench_threads *ret_threads);
/*
 * How long other processes kept this one from its CPU between two looks: what its worker_count busiest threads waited, less what
 * its other threads ran, for those it is that they have waited for first. Pure.
 */
uint64_t bench_process_disturbed_ns(const struct bench_threads *before,
                                    const struct bench_threads *after, size_t worker_count);

/* A number out of the server's `stats`; false when it does not say. */
bool bench_process_stat(const struct bench_process *process, const char *name, uint64_t *ret_value);

#endif
