/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A trace against a server of a given size: started, replayed, asked, stopped. And which size has a given resident memory.
 *
 * What a server is told (-m) and what it takes are two things: memcached has a page per size class, its hash table and its threads on
 * top. Servers that are told the same are not equal, so bouts can be fitted to the memory that is measured. One thread.
 */
#ifndef LARDER_MCBENCH_BOUT_H
#define LARDER_MCBENCH_BOUT_H

#include "cli/mcbench/process.h"
#include "cli/mcbench/replay.h"

struct bench_bout_plan {
    const char *name; /* of the server */
    const char *line; /* its command; NULL: a server that runs already, at replay.address */
    struct bench_replay_plan replay; /* address is filled in when the server was started */
    bool unix_socket;
    int cpu; /* -1: not pinned */
    struct bench_source *source;
};

struct bench_bout {
    uint64_t memory_mb;               /* what it was told; 0: it runs already */
    uint64_t rss_kib, peak_rss_kib;   /* 0: not known */
    uint64_t items, bytes, evictions; /* as it says */
    char version[BENCH_NAME_MAX];
    struct bench_replay_result result; /* owned: bench_replay_result_fini() */
};

/* 0 or a negative errno, with the words in `complaint`. */
int bench_bout_run(const struct bench_bout_plan *plan, uint64_t memory_mb,
                   struct bench_bout *ret_bout, char complaint[static BENCH_REPLAY_ERROR_MAX]);

enum bench_bout_fit {
    BENCH_BOUT_NEAREST, /* as near to the target as whole MiB allow */
    BENCH_BOUT_BELOW,   /* the most that does not go beyond it */
};

/*
 * The same at the size whose peak of resident memory is target_kib. It is looked for with replays that end when a few times the
 * target was stored, and the whole replay is repeated smaller when it went beyond. -ERANGE: even the smallest takes more.
 */
int bench_bout_fit(const struct bench_bout_plan *plan, enum bench_bout_fit fit, uint64_t target_kib,
                   struct bench_bout *ret_bout, char complaint[static BENCH_REPLAY_ERROR_MAX]);

#endif
