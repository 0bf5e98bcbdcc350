/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A key's text, written and compared eight bytes at a time: it is done twice for every request,
 * and is most of what the generator does outside the kernel. Private to keys.c and the wires.
 *
 *     bench:v:aaaaaack................
 *     |       |       filled up to the key's size
 *     |       its number, in half bytes: a is 0, p is 15
 *     its space
 */
#ifndef LARDER_MCBENCH_KEY_TEXT_H
#define LARDER_MCBENCH_KEY_TEXT_H

#include <endian.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/mcbench/keys.h"

enum {
    BENCH_KEY_NAME_SIZE = 8,   /* bytes of the space's name */
    BENCH_KEY_NUMBER_SIZE = 8, /* bytes of the number */
    BENCH_KEY_SLACK = 16,      /* bytes behind the key that writing may touch */
};

extern const char BENCH_KEY_NAMES[][BENCH_KEY_NAME_SIZE]; /* by space */
extern const char BENCH_KEY_FILLING[BENCH_KEY_SIZE_MAX - BENCH_KEY_SIZE_MIN];

/* The size of keys whose size is not fixed. */
uint32_t bench_key_text_size(const struct bench_work *work, uint64_t number);

static inline uint32_t bench_key_size(const struct bench_work *work, uint64_t number)
{
    return BASE_LIKELY(work->key_sizes.kind == BENCH_SIZE_FIXED)
               ? work->key_sizes.min
               : bench_key_text_size(work, number);
}

static inline uint64_t bench_key_word(const char *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof word);
    return word;
}

/* The 8 letters of a number, as they lie in memory. */
static inline uint64_t bench_key_letters(uint32_t number)
{
    uint64_t letters = __builtin_bswap32(number);

    /* One byte in every second one, then one half byte in each, the highest in the lowest byte. */
    letters = (letters << 16 | letters) & 0x0000ffff0000ffffull;
    letters = (letters << 8 | letters) & 0x00ff00ff00ff00ffull;
    letters = (letters >> 4 & 0x000f000f000f000full) | (letters << 8 & 0x0f000f000f000f00ull);
    return htole64(letters + 0x6161616161616161ull);
}

/* Returns the end. Room for the key and BENCH_KEY_SLACK bytes. */
static BASE_ALWAYS_INLINE char *bench_key_put(const struct bench_work *work, enum bench_space space,
                                              uint64_t number, char *out)
{
    const uint32_t size = bench_key_size(work, number);
    const uint64_t letters = bench_key_letters((uint32_t)number);

    memcpy(out, BENCH_KEY_NAMES[space], BENCH_KEY_NAME_SIZE);
    memcpy(out + BENCH_KEY_NAME_SIZE, &letters, sizeof letters);
    memcpy(out + BENCH_KEY_SIZE_MIN, BENCH_KEY_FILLING, BENCH_KEY_SLACK);
    if (BASE_UNLIKELY(size > BENCH_KEY_SIZE_MIN + BENCH_KEY_SLACK)) {
        memcpy(out + BENCH_KEY_SIZE_MIN, BENCH_KEY_FILLING, size - BENCH_KEY_SIZE_MIN);
    }
    return out + size;
}

/* Is it that key's text? `size` is bench_key_size(), and so many bytes are there. */
static BASE_ALWAYS_INLINE bool bench_key_is(enum bench_space space, uint64_t number,
                                            const char *text, uint32_t size)
{
    uint64_t wrong = bench_key_word(text) ^ bench_key_word(BENCH_KEY_NAMES[space]);

    wrong |= bench_key_word(text + BENCH_KEY_NAME_SIZE) ^ bench_key_letters((uint32_t)number);
    if (BASE_LIKELY(size == BENCH_KEY_SIZE_MIN + 2 * sizeof wrong)) {
        wrong |= bench_key_word(text + 16) ^ bench_key_word(BENCH_KEY_FILLING);
        wrong |= bench_key_word(text + 24) ^ bench_key_word(BENCH_KEY_FILLING);
        return wrong == 0;
    }
    return wrong == 0 &&
           memcmp(text + BENCH_KEY_SIZE_MIN, BENCH_KEY_FILLING, size - BENCH_KEY_SIZE_MIN) == 0;
}

#endif
