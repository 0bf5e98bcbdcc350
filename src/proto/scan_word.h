/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scan.h, eight bytes at a time: for processors without SSE2. The arithmetic is "Bit Twiddling
 * Hacks", Sean Eron Anderson: is there a byte below n.
 */
#ifndef LARDER_PROTO_SCAN_WORD_H
#define LARDER_PROTO_SCAN_WORD_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");

static inline const char *proto_scan_blank(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t bytes;

        memcpy(&bytes, at, sizeof(bytes));
        /* The lowest bit is right; a borrow may set others above it. */
        const uint64_t found =
            (bytes - UINT64_C(0x2121212121212121)) & ~bytes & UINT64_C(0x8080808080808080);
        if (found != 0) {
            return at + (__builtin_ctzll(found) >> 3);
        }
    }
    while (at < end && (unsigned char)*at > ' ') {
        at++;
    }
    return at;
}

#endif
