/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which key is next, how it is spelled, and how long its value is.
 *
 * Pure functions of the workload and of a lane's random numbers. A key is a number below key_count; its text and its sizes follow
 * from it, so nobody remembers them. Zipf numbers come from rejection inversion (Hörmann and Derflinger, ACM TOMACS 6(3), 1996): no
 * table, any number of keys. One lane, one struct bench_keys; any thread.
 */
#ifndef LARDER_MCBENCH_KEYS_H
#define LARDER_MCBENCH_KEYS_H

#include "base/rand.h"
#include "cli/mcbench/work.h"

enum { BENCH_KEY_SIZE_MIN = 16, BENCH_KEY_SIZE_MAX = 250 }; /* bytes */

/* Key spaces that never meet: what is deleted or counted is not what is read and checked. */
enum bench_space {
    BENCH_SPACE_VALUES,
    BENCH_SPACE_DELETED,
    BENCH_SPACE_COUNTERS,
    BENCH_SPACE_PROBES, /* the measuring lane's */
};

struct bench_keys {
    const struct bench_work *work; /* borrowed as long as this lives */
    struct base_rand rand;
    uint64_t first, count, next; /* SEQUENTIAL: this lane's part */
    uint32_t half;               /* UNIFORM: what is left of the last random number, if */
    bool has_half;
    uint64_t scatter; /* ZIPF, HOT: from a key's rank to its number; the same in every run */
    struct {
        double exponent;   /* 1 - skew */
        double at_first;   /* integral of the density up to the first rank, less its weight */
        double at_last;    /* the same up to the last rank */
        double sure_below; /* so near to a rank no second look is needed */
    } zipf;
};

/* lane is below work->lanes. */
void bench_keys_init(struct bench_keys *keys, const struct bench_work *work, uint32_t lane);

/* The number of the next key, below work->key_count. */
uint64_t bench_keys_next(struct bench_keys *keys);

/* The numbers of the next `count` keys: the same that as many calls of bench_keys_next() give, for less. */
void bench_keys_draw(struct bench_keys *keys, uint32_t count, uint64_t *numbers);

/* Writes the key's text, without a NUL; returns its size. `out` has room for BENCH_KEY_SIZE_MAX bytes. */
uint32_t bench_keys_write(const struct bench_work *work, enum bench_space space, uint64_t number,
                          char *out);

/* Bytes of the key's value, at most 2^30. */
uint32_t bench_keys_value_size(const struct bench_work *work, uint64_t number);

/* The largest size that bench_keys_value_size() can give for this workload. */
uint32_t bench_keys_value_size_max(const struct bench_work *work);

/* A time to live for a set, seconds; 0 when the workload has none. */
uint32_t bench_keys_ttl_s(struct bench_keys *keys);

#endif
