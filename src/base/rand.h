/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seedable random numbers, for sampling and for tests; not for secrets.
 *
 * xoshiro256**, seeded through splitmix64, after the public domain code of David Blackman and
 * Sebastiano Vigna (https://prng.di.unimi.it/). A generator belongs to one thread.
 */
#ifndef LARDER_BASE_RAND_H
#define LARDER_BASE_RAND_H

#include <stdint.h>

struct base_rand {
    uint64_t state[4]; /* never all zero */
};

/* The same seed gives the same numbers, on every machine. */
void base_rand_init(struct base_rand *rand, uint64_t seed);
uint64_t base_rand_u64(struct base_rand *rand);
/* 0..bound - 1, every number as likely; bound > 0. */
uint64_t base_rand_below(struct base_rand *rand, uint64_t bound);

#endif
