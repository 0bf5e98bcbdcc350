/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A replay's requests to bytes, and bytes to answers. Private to the replay; pure.
 *
 * wire.h does the same for workloads, whose keys and sizes follow from a number; a trace's do not.
 */
#ifndef LARDER_MCBENCH_REPLAY_WIRE_H
#define LARDER_MCBENCH_REPLAY_WIRE_H

#include "cli/mcbench/source.h"
#include "cli/mcbench/work.h"

enum {
    BENCH_REPLAY_LINE_MAX = 400,         /* bytes that a request takes beside its value */
    BENCH_REPLAY_ANSWER_ERROR_MAX = 200, /* bytes, the NUL included */
};

enum bench_replay_answer {
    BENCH_REPLAY_MORE,    /* not all there yet; nothing consumed */
    BENCH_REPLAY_HIT,     /* a read's value is there and right */
    BENCH_REPLAY_MISS,    /* a read, or a delete of what is not there */
    BENCH_REPLAY_DONE,    /* stored or deleted */
    BENCH_REPLAY_NOT,     /* an add or replace whose condition failed */
    BENCH_REPLAY_REFUSED, /* an error line as answer to a store */
    BENCH_REPLAY_WRONG,
};

/* Returns the bytes written: at most BENCH_REPLAY_LINE_MAX and, but for reads and deletes, the value. */
size_t bench_replay_write(enum bench_protocol protocol, const struct bench_source_request *request,
                          char *out);

/*
 * The answer to `request` at the start of input. ret_consumed, ret_size (of a HIT's value) are written but for MORE and WRONG;
 * `complaint` for WRONG and REFUSED.
 */
enum bench_replay_answer bench_replay_read(enum bench_protocol protocol,
                                           const struct bench_source_request *request,
                                           struct base_slice input, size_t *ret_consumed,
                                           uint64_t *ret_size,
                                           char complaint[static BENCH_REPLAY_ANSWER_ERROR_MAX]);

#endif
