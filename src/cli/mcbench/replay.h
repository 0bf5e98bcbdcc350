/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A trace against one server: every read that misses is followed by a set, as an application would do.
 *
 * The requests go through one connection, a window of them at a time: first the sets that the last window's misses brought, then
 * the new requests. Hit ratios come out as if they were sent one by one: a key that misses twice in a window is filled once, and
 * its second read is asked again behind the fill; that answer is the one that counts. What is read is verified (value.h).
 */
#ifndef LARDER_MCBENCH_REPLAY_H
#define LARDER_MCBENCH_REPLAY_H

#include "cli/mcbench/hist.h"
#include "cli/mcbench/source.h"
#include "cli/mcbench/work.h"

enum {
    BENCH_REPLAY_WINDOW_MAX = 1024,
    BENCH_REPLAY_ERROR_MAX = 4096 + BENCH_TRACE_ERROR_MAX,
    BENCH_REPLAY_REFUSAL_MAX = 200, /* bytes, the NUL included */
};

struct bench_replay_plan {
    const char *address; /* as in bench_plan; borrowed */
    enum bench_protocol protocol;
    uint32_t window;       /* requests that go out together, 1..BENCH_REPLAY_WINDOW_MAX */
    uint64_t requests_max; /* end after so many; 0: none */
    uint64_t filled_max;   /* end when so many bytes of keys and values were stored; 0: none */
    bool progress;         /* a line on standard error, once a second */
};

struct bench_replay_result {
    uint64_t requests;
    uint64_t reads, hits, misses; /* hits + misses == reads */
    uint64_t read_bytes;          /* sizes of the values that were asked for */
    uint64_t hit_bytes;
    uint64_t fills, writes, deletes;
    uint64_t stored_bytes; /* keys and values of fills and writes */
    uint64_t again;        /* reads that were asked again behind a fill; counted once above */
    uint64_t refused;      /* error lines as answer to a store */
    char refusal[BENCH_REPLAY_REFUSAL_MAX]; /* the first of them */
    uint64_t wall_ns;
    struct bench_hist *latency; /* from the sending of a window to each of its answers; owned */
};

/*
 * Sends the source from where it stands. 0; or a negative errno, and what went wrong in `complaint`: -EBADMSG is a wrong answer or
 * a wrong trace.
 */
int bench_replay_run(const struct bench_replay_plan *plan, struct bench_source *source,
                     struct bench_replay_result *ret_result,
                     char complaint[static BENCH_REPLAY_ERROR_MAX]);
void bench_replay_result_fini(struct bench_replay_result *result);

#endif
