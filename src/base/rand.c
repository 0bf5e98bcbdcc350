/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers: see rand.h for the source. */
#include "base/rand.h"

#include "base/check.h"

static uint64_t rotate_left(uint64_t word, unsigned int bits)
{
    return word << bits | word >> (64 - bits);
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

void base_rand_init(struct base_rand *rand, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) {
        rand->state[i] = splitmix64(&seed);
    }
}

uint64_t base_rand_u64(struct base_rand *rand)
{
    uint64_t *s = rand->state;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t base_rand_below(struct base_rand *rand, uint64_t bound)
{
    uint64_t mask;
    uint64_t number;

    CHECK(bound > 0);
    /* Draw as few bits as the bound has and reject: two draws at most on average, no bias. */
    mask = UINT64_MAX >> __builtin_clzll((bound - 1) | 1);
    do {
        number = base_rand_u64(rand) & mask;
    } while (number >= bound);
    return number;
}
