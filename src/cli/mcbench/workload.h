/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The standard workloads: those of workloads.def, by name and in groups, and which of them can share servers.
 *
 * Pure; any thread.
 */
#ifndef LARDER_MCBENCH_WORKLOAD_H
#define LARDER_MCBENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/mcbench/work.h"

enum {
    BENCH_WORKLOAD_NAME_MAX = 64,   /* bytes, the NUL included */
    BENCH_WORKLOAD_TITLE_MAX = 160, /* likewise */
    BENCH_WORKLOADS_MAX = 100,      /* rows of the table, and what is made of them */
};

struct bench_workload {
    char name[BENCH_WORKLOAD_NAME_MAX];
    char title[BENCH_WORKLOAD_TITLE_MAX];
    const char *group;
    bool is_quick;           /* one of those that `suite --quick` takes */
    bool unix_socket;        /* TCP otherwise */
    uint32_t server_threads; /* 1 and more */
    /* Of an open loop: the rate is so many percent of what a closed loop of the same requests reaches in the same suite; 0: the rate
     * stands in the work. */
    uint32_t rate_percent;
    struct bench_work work;
};

/* How many rows the table has. */
size_t bench_workload_count(void);
/* A row, complete: what it leaves out is as in the plainest workload. */
void bench_workload_get(size_t index, struct bench_workload *ret_workload);
/* Is there such a group? */
bool bench_workload_has_group(const char *group);

/* Do both want the same servers, with the same keys stored? */
bool bench_workload_shares(const struct bench_workload *a, const struct bench_workload *b);

/* Memory for items with which nothing of this workload need be evicted, MiB. */
uint64_t bench_workload_memory_mb(const struct bench_work *work);

/* Can `mcbench empty` answer this? It has one size of values. */
bool bench_workload_fits_empty(const struct bench_workload *workload);

#endif
