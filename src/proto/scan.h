/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a word ends, eight bytes at a time. Private to proto. Pure.
 *
 * memchr() looks at more bytes at once, but for one byte value only, and a key is too short to make
 * up for the call. The arithmetic is "Bit Twiddling Hacks", Sean Eron Anderson: a byte below n.
 */
#ifndef LARDER_PROTO_SCAN_H
#define LARDER_PROTO_SCAN_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");

/* The first blank or control character (0..32) at or behind `at`; `end` when there is none. */
static inline const char *proto_scan_blank(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t bytes;

        memcpy(&bytes, at, sizeof(bytes));
        /* The lowest bit is right; a borrow may set others above it. */
        const uint64_t found =
            (bytes - 0x2121212121212121u) & ~bytes & UINT64_C(0x8080808080808080);
        if (found != 0) {
            return at + (__builtin_ctzll(found) >> 3);
        }
        at += 8;
    }
    while (at < end && (unsigned char)*at > ' ') {
        at++;
    }
    return at;
}

#endif
