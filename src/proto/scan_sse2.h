/* SPDX-License-Identifier: BSD-3-Clause */
/* scan.h, sixteen bytes at a time: every x86-64 has SSE2. */
#ifndef LARDER_PROTO_SCAN_SSE2_H
#define LARDER_PROTO_SCAN_SSE2_H

#include <emmintrin.h>
#include <stddef.h>

static inline const char *proto_scan_blank(const char *at, const char *end)
{
    const __m128i blank = _mm_set1_epi8(' ');

    if (end - at >= 16) {
        const char *const last = end - 16;
        do {
            const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
            /* A subtraction that stops at 0. */
            const __m128i is_low = _mm_cmpeq_epi8(_mm_subs_epu8(bytes, blank), _mm_setzero_si128());
            const unsigned int found = (unsigned int)_mm_movemask_epi8(is_low);

            if (found != 0) {
                return at + (unsigned int)__builtin_ctz(found);
            }
            at += 16;
        } while (at <= last);
    }
    while (at < end && (unsigned char)*at > ' ') {
        at++;
    }
    return at;
}

#endif
