/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams of compressed bytes: xz, zstd, gzip, or none at all, known by their first bytes.
 *
 * Sans I/O: bytes in, bytes out. Streams that follow one another in a file are one stream. One thread.
 */
#ifndef LARDER_MCBENCH_UNPACK_H
#define LARDER_MCBENCH_UNPACK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

enum {
    BENCH_UNPACK_MAGIC_SIZE = 6
}; /* bytes that tell the compression, or all of a shorter file */

struct bench_unpack;

enum bench_unpack_result {
    BENCH_UNPACK_GOES_ON, /* more input, or room for more output, is wanted */
    BENCH_UNPACK_END,     /* the whole stream is out */
    BENCH_UNPACK_CORRUPT, /* and bench_unpack_complaint() says how */
};

/* head: how the stream begins; it is not consumed. NULL: no memory. */
struct bench_unpack *bench_unpack_create(struct base_slice head);
void bench_unpack_destroy(struct bench_unpack **unpack);

/* "xz", "zstd", "gzip", "none" */
const char *bench_unpack_name(const struct bench_unpack *unpack);

/*
 * Moves *input past what was read, writes at most `room` bytes to `out`. at_end: nothing comes behind *input, so a stream that has
 * not ended by then is corrupt. END only then.
 */
enum bench_unpack_result bench_unpack_run(struct bench_unpack *unpack, struct base_slice *input,
                                          bool at_end, size_t room, char *out, size_t *ret_written);
const char *bench_unpack_complaint(const struct bench_unpack *unpack);

#endif
