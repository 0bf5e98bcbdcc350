/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to bytes and bytes to checked answers, for each protocol: one table of functions each.
 *
 * Sans I/O: stands on src/proto. Everything an answer says is checked against the request that it answers (key, flags, size, value,
 * opaque), and nothing is skipped unread. Any thread.
 *
 * What belongs to a key follows from its number: its client flags are the digit 1 + number % 8; its counter begins at
 * (1 + number % 999) * 10^12, so that a number that comes back says whose it is. A set in BENCH_SPACE_COUNTERS stores that beginning:
 * a lane sends one when an incr has missed.
 *
 *     REFUSED  a line that begins with "SERVER_ERROR "; it ends a text request, and is one key's answer of a meta get of many
 *              (binary: a packet of status 0082, the same way)
 *     WRONG    everything else that is not the answer: ERROR and CLIENT_ERROR, keys in another order, a blank too many
 *
 * Quiet requests: read() says DONE at once and takes nothing. Under work->noreply the meta wire makes every set quiet, and the one
 * whose request is not quiet brings an mn: whatever comes before MN is about the sets before it. So does the binary one with a NOOP.
 */
#ifndef LARDER_MCBENCH_WIRE_H
#define LARDER_MCBENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "cli/mcbench/keys.h"
#include "cli/mcbench/work.h"

enum {
    BENCH_GET_KEYS_MAX = 500,
    BENCH_WIRE_ERROR_MAX = 160, /* bytes of bench_outcome.complaint, its NUL included */
};

/* One request that is under way. Written by the lane, read by the wire. */
struct bench_request {
    enum bench_verb verb;
    enum bench_space space;
    uint32_t ttl_s;
    uint16_t key_count;
    uint16_t answered_count; /* GET: keys whose place in the answer has passed */
    uint64_t version;        /* SET */
    const uint64_t *
        more_numbers; /* key_count of them; lent until the answer is there. NULL when key_count is 1 */
    uint64_t numbers[1]; /* first key; a multi-get's are in more_numbers */
    /* Of a get that plain.h has written and nothing has read of: its key's letters. Otherwise 0. */
    uint64_t letters;
    uint64_t due_ns, sent_ns; /* the lane's own */
    bool quiet;               /* no answer on success */
};

enum bench_answer {
    BENCH_ANSWER_MORE, /* not all there yet; what was consumed is done with */
    BENCH_ANSWER_DONE, /* this request is answered */
    BENCH_ANSWER_REFUSED, /* a server's error line that may come under load (out of memory, busy): counted, goes on */
    BENCH_ANSWER_WRONG, /* no answer to this request: the run fails */
};

struct bench_outcome {
    uint32_t hits, misses; /* the keys of a get; the key of an incr. Deletes count as neither */
    uint64_t value_bytes;
    uint64_t missed[BENCH_GET_KEYS_MAX];  /* key numbers, the first `misses` of them are set */
    char complaint[BENCH_WIRE_ERROR_MAX]; /* REFUSED, WRONG: what was expected and what came */
};

enum { BENCH_FORM_MAX = 320 }; /* bytes, a multiple of 16 */

/*
 * How a get of one key is asked, and how a hit of it is answered, when all keys and all values have the same size: bytes, in which
 * only the letters of the key, its flags and the opaque are yet to be written.
 */
struct bench_form {
    char get[BENCH_FORM_MAX];
    char hit[BENCH_FORM_MAX]; /* the line before the value */
    char end[8];              /* what comes behind the value */
    uint32_t get_size, hit_size, end_size;
    uint32_t get_key, hit_key;       /* where the 8 letters of the number stand */
    uint32_t get_opaque, hit_opaque; /* where the opaque's stand; 0: there is none */
    uint32_t hit_flags;              /* where the digit stands */
};

struct bench_wire {
    const char *name;
    /* Room that one request takes at most, its value included; bytes. */
    size_t (*request_size_max)(const struct bench_work *work);
    /* Returns the bytes written. */
    size_t (*write)(const struct bench_work *work, const struct bench_request *request, char *out);
    /*
     * Reads on in the answer to `request`. *ret_consumed bytes are done with, also for MORE (a large value need not be in one
     * piece for the caller's sake: input may be asked to hold up to request_size_max() + 512 bytes).
     * outcome adds up over the calls for one request; the caller zeroes hits, misses, value_bytes before the first.
     */
    enum bench_answer (*read)(const struct bench_work *work, struct bench_request *request,
                              struct base_slice input, size_t *ret_consumed,
                              struct bench_outcome *outcome);
    /* NULL: answers do not say enough for it. work: keys and values of a fixed size. */
    void (*form)(const struct bench_work *work, enum bench_space space,
                 struct bench_form *ret_form);
};

/* Never NULL. */
const struct bench_wire *bench_wire_of(enum bench_protocol protocol);

#endif
