/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers without a cache behind them: every key is there, and every value is the same.
 *
 * What is asked for is told by its first bytes; data blocks are counted and not read. Keys, the client flags that mcbench gives its
 * keys, and opaques are echoed, so that all but the value can be checked. Counters are never there: nobody counts them here.
 * Text and meta. Pure; any thread.
 */
#ifndef LARDER_MCBENCH_CANNED_H
#define LARDER_MCBENCH_CANNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/slice.h"

enum {
    BENCH_CANNED_KEYS_MAX = 500,     /* of one get */
    BENCH_CANNED_LINE_MAX = 1 << 17, /* bytes of a request's line: so many keys of 250 bytes */
    BENCH_CANNED_COPIED_MAX =
        4096, /* bytes of a value that is copied; larger ones are pointed to */
    BENCH_CANNED_PIECES_MAX = 1024, /* what one sendmsg() takes */
};

struct bench_canned {
    const char *value; /* borrowed: value_size bytes, and "\r\n" behind them */
    uint32_t value_size;
};

/* Answers: bytes, and where in them the values stand that are not copied. */
struct bench_canned_out {
    char *bytes; /* borrowed */
    size_t room, used;
    size_t piece_start; /* bytes from here on are in no piece yet */
    size_t piece_count; /* 0: everything is in bytes[0..used) */
    struct iovec pieces[BENCH_CANNED_PIECES_MAX];
};

/* Bytes of answers that are there, those in pieces included. Makes a last piece when there are pieces. */
size_t bench_canned_close(struct bench_canned_out *out);
void bench_canned_reset(struct bench_canned_out *out);

/* Bytes that any answer to one request fits into. */
size_t bench_canned_room(const struct bench_canned *canned);

/*
 * Answers the requests at the start of `input` that are there as a whole, up to their data block, as far as there is room.
 *
 * skip      bytes of a data block that are still to come; 0 at first, then as it was left
 * consumed  how much of the input is done with
 *
 * False: this is no request, or the client wants to go; what was answered so far stands.
 */
bool bench_canned_answer(const struct bench_canned *canned, struct base_slice input, uint64_t *skip,
                         size_t *ret_consumed, struct bench_canned_out *out);

#endif
