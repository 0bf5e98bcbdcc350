/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The suite: standard workloads on several servers, side by side and in turns.
 *
 *   stage   workloads that can share servers; every server is started once for it, and filled once
 *   round   every workload of the stage on every server of it; the order rotates, and only figures of one round are compared
 *
 * suite.c (command line, result files), suite_plan.c (what is to be run, where; pure), suite_servers.c (processes), suite_stage.c
 * (rounds), suite_table.c (what people read). Private to these. One thread.
 */
#ifndef LARDER_MCBENCH_SUITE_H
#define LARDER_MCBENCH_SUITE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/option.h"
#include "cli/mcbench/process.h"
#include "cli/mcbench/run.h"
#include "cli/mcbench/workload.h"

enum {
    BENCH_SUITE_SERVERS_MAX = 16,
    BENCH_SUITE_COMPLAINT_MAX = 4096, /* bytes, as everywhere */
};

enum bench_suite_kind {
    BENCH_SUITE_CACHE, /* speaks memcached's protocols */
    BENCH_SUITE_EMPTY, /* so does this, but stores nothing */
    BENCH_SUITE_REDIS, /* speaks redis's protocol */
};

struct bench_suite_server {
    char name[BENCH_NAME_MAX];
    char line[BENCH_COMMAND_MAX]; /* as for bench_process_start_with() */
    enum bench_suite_kind kind;
    bool is_running;
    bool has_failed; /* it is left out of everything that follows */
    struct bench_process process;
    char version[BENCH_NAME_MAX];
};

/* CPUs of either side. */
struct bench_suite_cpus {
    uint32_t server_count, load_count;
    int server[BENCH_CPUS_MAX], load[BENCH_CPUS_MAX];
};

struct bench_suite_row {
    struct bench_workload workload;
    struct bench_suite_cpus cpus;
    bool is_done; /* its stage has been run */
};

struct bench_suite_settings {
    struct base_option_list groups, workloads, servers, without;
    const char *larderd, *memcached, *redis;
    uint32_t rounds, tries, warmup_ms, window_ms;
    const char *server_cpus, *load_cpus; /* NULL: those that are there, from the first on */
    bool is_quick, is_list;
    const char *output, *results_folder;
};

struct bench_suite {
    struct bench_suite_settings settings;
    size_t server_count, row_count;
    struct bench_suite_server servers[BENCH_SUITE_SERVERS_MAX];
    struct bench_suite_row rows[BENCH_WORKLOADS_MAX];
    json_t *results;
    bool is_cut; /* by SIGINT or SIGTERM */
    uint32_t failure_count;
    uint32_t done_count, expected_count; /* measurements */
    uint32_t repeated_count, void_count;
};

/* ---- suite_plan.c ---- */

/*
 * CPUs for so many server threads and lanes: of those given, or of the usable ones from the first on, the server's first. given_*:
 * count 0 when none was. False: there are not enough.
 */
bool bench_suite_choose_cpus(const struct bench_suite_cpus *given, size_t usable_count,
                             const int *usable, uint32_t server_count, uint32_t load_count,
                             struct bench_suite_cpus *ret_cpus);
/* Which of count servers has its turn at this place of a round: every one once, and another one first each time. */
size_t bench_suite_turn(uint32_t round, size_t row, size_t place, size_t count);
/* Does the server take part in the workload? */
bool bench_suite_fits(const struct bench_suite_server *server,
                      const struct bench_workload *workload);
/* "2026-11-21-amd-epyc-9575f-2cpu": a file's name by the day and the processor as the system calls it. */
void bench_suite_file_name(const char *day, const char *processor, long cpu_count,
                           char out[static BENCH_NAME_MAX]);
/* The line without the folders of its program. */
void bench_suite_show_line(const char *line, char out[static BENCH_COMMAND_MAX]);

/* ---- suite_servers.c ---- */

/* The list: larderd, memcached twice, redis, those of --server, the empty one; less those of --without. False: said on standard error. */
bool bench_suite_list_servers(struct bench_suite *suite);
/* Starts one for a stage, and fills it. False: it has failed, which was said. */
bool bench_suite_start(struct bench_suite *suite, struct bench_suite_server *server,
                       const struct bench_suite_row *row);
void bench_suite_stop_all(struct bench_suite *suite);
/* Marks it and says why. */
void bench_suite_fail(struct bench_suite *suite, struct bench_suite_server *server,
                      const char *workload, const char *why);

/* ---- suite_stage.c ---- */

enum bench_suite_outcome { BENCH_SUITE_FINE, BENCH_SUITE_FAILED, BENCH_SUITE_CUT };

/* One bench_run() on a server that runs. FINE: the result is the caller's. FAILED: it was said. */
enum bench_suite_outcome bench_suite_run(struct bench_suite *suite,
                                         struct bench_suite_server *server, const char *workload,
                                         struct bench_plan *plan, struct bench_result *ret_result);
/* All rounds of all rows that share servers with this one. */
void bench_suite_run_stage(struct bench_suite *suite, size_t first_row);
bool bench_suite_is_interrupted(struct bench_suite *suite);

/* ---- suite_table.c ---- */

void bench_suite_print(FILE *file, const struct bench_suite *suite);
void bench_suite_print_list(FILE *file);

#endif
