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
    BENCH_KEY_FILLING_BYTE = '.',
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

typedef uint8_t bench_key_bytes __attribute__((vector_size(16)));
typedef uint64_t bench_key_pair __attribute__((vector_size(16)));

static inline uint64_t bench_key_word(const char *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof word);
    return word;
}

/* The 8 letters of a number, as they lie in memory. */
static inline uint64_t bench_key_letters(uint32_t number)
{
    const bench_key_bytes word = (bench_key_bytes)(bench_key_pair){htobe32(number), 0};
    const bench_key_bytes high = word >> 4;
    const bench_key_bytes low = word & 15;
    /* The high half bytes and the low ones in turn. */
    const bench_key_bytes halves =
        __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);

    return ((bench_key_pair)(halves + 'a'))[0];
}

/* The first 32 bytes of a key; what is behind its end is anything. */
static BASE_ALWAYS_INLINE void bench_key_put_plain(enum bench_space space, uint64_t number,
                                                   char *out)
{
    const uint64_t letters = bench_key_letters((uint32_t)number);

    memcpy(out, BENCH_KEY_NAMES[space], BENCH_KEY_NAME_SIZE);
    memcpy(out + BENCH_KEY_NAME_SIZE, &letters, sizeof letters);
    memcpy(out + BENCH_KEY_SIZE_MIN, BENCH_KEY_FILLING, BENCH_KEY_SLACK);
}

/* Returns the end. Room for the key and BENCH_KEY_SLACK bytes. */
static inline char *bench_key_put(const struct bench_work *work, enum bench_space space,
                                  uint64_t number, char *out)
{
    const uint32_t size = bench_key_size(work, number);

    bench_key_put_plain(space, number, out);
    if (BASE_UNLIKELY(size > BENCH_KEY_SIZE_MIN + BENCH_KEY_SLACK)) {
        memcpy(out + BENCH_KEY_SIZE_MIN, BENCH_KEY_FILLING, size - BENCH_KEY_SIZE_MIN);
    }
    return out + size;
}

/* Is it that key's text? `size` is bench_key_size(), and so many bytes are there. */
static inline bool bench_key_is(enum bench_space space, uint64_t number, const char *text,
                                uint32_t size)
{
    return bench_key_word(text) == bench_key_word(BENCH_KEY_NAMES[space]) &&
           bench_key_word(text + BENCH_KEY_NAME_SIZE) == bench_key_letters((uint32_t)number) &&
           memcmp(text + BENCH_KEY_SIZE_MIN, BENCH_KEY_FILLING, size - BENCH_KEY_SIZE_MIN) == 0;
}

#endif
