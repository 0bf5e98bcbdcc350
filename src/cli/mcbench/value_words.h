/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of a value: the checking of value.h where it is done for every answer, without a call.
 * Private to value.c and the wires. Pure; any thread.
 */
#ifndef LARDER_MCBENCH_VALUE_WORDS_H
#define LARDER_MCBENCH_VALUE_WORDS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "cli/mcbench/value.h"

/* Odd, so that multiplying by them loses nothing: the golden ratio, and three primes of xxHash. */
#define BENCH_VALUE_KEY_FACTOR     0x9e3779b97f4a7c15ull
#define BENCH_VALUE_VERSION_FACTOR 0xc2b2ae3d27d4eb4full
#define BENCH_VALUE_SIZE_FACTOR    0x165667b19e3779f9ull
#define BENCH_VALUE_STEP           0x9fb21c651e98df25ull

/* Two words at once: what every x86-64 and every arm64 can do. */
typedef uint64_t bench_value_pair __attribute__((vector_size(16)));

static inline uint64_t bench_value_word(const char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof word);
    return word;
}

enum { BENCH_VALUE_SPACE_SHIFT = 56 };

/* Key number and space, mixed: one to one. */
static inline uint64_t bench_value_mark_of(uint64_t number_and_space)
{
    const uint64_t mark = number_and_space * BENCH_VALUE_KEY_FACTOR;

    return mark ^ mark >> 32;
}

static inline uint64_t bench_value_mark(enum bench_space space, uint64_t number)
{
    return bench_value_mark_of(number ^ (uint64_t)space << BENCH_VALUE_SPACE_SHIFT);
}

/* One to one in the version, for a given key and size. */
static inline uint64_t bench_value_checksum(uint64_t mark, uint64_t version, uint64_t size)
{
    return mark ^ version * BENCH_VALUE_VERSION_FACTOR ^ size * BENCH_VALUE_SIZE_FACTOR;
}

/* The differences between two words of a value and what they have to be, which goes up. */
static BASE_ALWAYS_INLINE bench_value_pair bench_value_compare(const char *data,
                                                               bench_value_pair *expected)
{
    bench_value_pair wrong;

    memcpy(&wrong, data, sizeof wrong);
    wrong ^= *expected;
    *expected += (bench_value_pair){2 * BENCH_VALUE_STEP, 2 * BENCH_VALUE_STEP};
    return wrong;
}

/*
 * Are these the words that count up from the checksum? 16 bytes lie before them, and there is one.
 * The differences are gathered and looked at once: a branch per word costs more than the whole.
 */
static BASE_ALWAYS_INLINE bool bench_value_is_filled(uint64_t word, const char *data,
                                                     const char *end)
{
    bench_value_pair expected = {word, word + BENCH_VALUE_STEP};
    bench_value_pair wrong = {0};
    uint64_t wrong_rest = 0;

    for (; end - data >= 64; data += 64) {
        wrong |= bench_value_compare(data, &expected);
        wrong |= bench_value_compare(data + 16, &expected);
        wrong |= bench_value_compare(data + 32, &expected);
        wrong |= bench_value_compare(data + 48, &expected);
    }
    for (; end - data >= 16; data += 16) {
        wrong |= bench_value_compare(data, &expected);
    }
    word = expected[0];
    if (end - data >= 8) {
        wrong_rest = bench_value_word(data) ^ word;
        data += sizeof word;
        word += BENCH_VALUE_STEP;
    }
    if (data < end) {
        /* The last bytes lie at the end of a whole word: push what is before them out. */
        const size_t bits = 8 * (sizeof word - (size_t)(end - data));

        wrong_rest |= (bench_value_word(end - sizeof word) ^ word << bits) >> bits;
    }
    return (wrong[0] | wrong[1] | wrong_rest) == 0;
}

/* bench_value_check() of a value that has a head, and its size is right. */
static BASE_ALWAYS_INLINE bool bench_value_is_right(enum bench_space space, uint64_t number,
                                                    const char *data, uint32_t size)
{
    const uint64_t mark = bench_value_mark(space, number);

    return bench_value_word(data) == mark &&
           bench_value_is_filled(bench_value_checksum(mark, bench_value_word(data + 8), size),
                                 data + 16, data + size);
}

#endif
