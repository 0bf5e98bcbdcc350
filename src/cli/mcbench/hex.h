/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hexadecimal digits, all eight at once: they stand in every key that is written and read back.
 */
#ifndef LARDER_MCBENCH_HEX_H
#define LARDER_MCBENCH_HEX_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum { BENCH_HEX_SIZE = 8 }; /* bytes */

/* Writes 8 digits, the highest first. Inline: called for every key. */
static inline void bench_hex_write(uint32_t number, char *out)
{
    /* One half byte in each byte, the highest in the lowest byte. */
    uint64_t digits = __builtin_bswap32(number);
    uint64_t letters;

    digits = (digits << 16 | digits) & 0x0000ffff0000ffffull;
    digits = (digits << 8 | digits) & 0x00ff00ff00ff00ffull;
    digits = (digits >> 4 & 0x000f000f000f000full) | (digits << 8 & 0x0f000f000f000f00ull);
    /* 1 where it is above 9: its letter is 39 further than the sign that far behind '0'. */
    letters = (digits + 0x0606060606060606ull) >> 4 & 0x0101010101010101ull;
    digits = htole64(digits + 0x3030303030303030ull + letters * ('a' - '0' - 10));
    memcpy(out, &digits, sizeof digits);
}

#endif
