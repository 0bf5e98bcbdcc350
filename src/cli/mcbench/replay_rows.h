/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a replay says: a table row and an entry of a result file for each bout. One thread.
 */
#ifndef LARDER_MCBENCH_REPLAY_ROWS_H
#define LARDER_MCBENCH_REPLAY_ROWS_H

#include <jansson.h>
#include <stdio.h>

#include "cli/mcbench/bout.h"

/* All pointers are borrowed. */
struct bench_replay_row {
    const char *trace;
    const char *server;
    const char *line;       /* the server's command; NULL: it runs already */
    double share;           /* of the working set; 0: a size was named */
    const char *value_size; /* as it was asked for, where the trace has none */
    uint64_t memory_bytes;
    uint64_t base_misses; /* the first server's; 0: this is the first */
    uint32_t tenant_count;
    const struct bench_source_survey *survey; /* of all tenants */
    const struct bench_bout *bout;
};

/* What is replayed, and the names of the columns. */
void bench_replay_rows_head(FILE *file, const char *trace, uint32_t tenant_count,
                            const struct bench_source_survey *survey);
void bench_replay_rows_print(FILE *file, const struct bench_replay_row *row);

/* Into "replay", and the server into "servers" when it is not there. False: no memory. */
bool bench_replay_rows_add(json_t *results, const struct bench_replay_row *row);

#endif
