/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the generator sends: cases, keys, values, and the replies that are right.
 *
 * Every key and every value of a run has the same size and both follow from the key's number, so a
 * batch of requests has one right answer and all batches of a run have answers of one size. That
 * is why the timed loop need only count bytes. One thread.
 */
#ifndef LARDER_BENCH_LOAD_WORK_H
#define LARDER_BENCH_LOAD_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rand.h"
#include "base/slice.h"

enum {
    LOAD_KEY_SIZE_MIN = 11,                   /* bytes: a number, in as many digits */
    LOAD_VALUE_SIZE_MAX = 1024 * 1024 - 1024, /* bytes; fits an item at the usual -I */
};

#define LOAD_KEY_COUNT_MAX 10000000000ull /* numbers of 10 digits */

enum load_verb {
    LOAD_GET,         /* get, of one key or several */
    LOAD_SET,         /* set, every request answered */
    LOAD_SET_NOREPLY, /* set noreply, but for the last of a batch: its answer ends the batch */
    LOAD_META_GET,    /* mg key v */
};

/* What goes out at once on a connection, before its answers are awaited. */
struct load_case {
    const char *name;
    enum load_verb verb;
    uint32_t request_count; /* per batch */
    uint32_t key_count;     /* per request */
};

/* The numbers of the keys that are asked for, one after the other. */
struct load_order {
    struct base_rand rand;
    uint64_t first;
    uint64_t count;
    uint64_t next; /* sequential only */
    bool sequential;
};

struct load_work {
    const struct load_case *load_case;
    uint32_t key_size;   /* bytes */
    uint32_t value_size; /* bytes */
    char key_prefix[256];
    char *values;                 /* owned; every value begins somewhere in it */
    struct base_slice set_tail;   /* " 0 0 100\r\n", in tails */
    struct base_slice quiet_tail; /* " 0 0 100 noreply\r\n", in tails */
    struct base_slice hit_tail;   /* " 0 100\r\n", in tails */
    char tails[128];
};

/* The case of that name; NULL when there is none. */
const struct load_case *load_work_find_case(const char *name);
/* The case of that index; NULL past the last. */
const struct load_case *load_work_case_at(size_t index);

/* The sizes are within the limits above. False when there is no memory. */
bool load_work_init(struct load_work *work, const struct load_case *load_case, uint32_t key_size,
                    uint32_t value_size);
void load_work_fini(struct load_work *work);

/* Room that a batch of requests, or its replies, never exceed; bytes. */
size_t load_work_batch_size_max(const struct load_work *work);

/* Writes one batch of requests for the order's next keys; returns its size in bytes. */
size_t load_work_write_batch(const struct load_work *work, struct load_order *order, char *out);

/* Writes the right answer to the batch that the order would give next. */
size_t load_work_write_replies(const struct load_work *work, struct load_order *order, char *out);

#endif
