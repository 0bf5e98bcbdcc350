/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * copy.h with SSE2, which every x86-64 has. Wider registers were no faster: a line is what memory
 * takes.
 */
#include "base/copy.h"

#include <emmintrin.h>
#include <stdint.h>

enum { LINE_SIZE = 64 }; /* bytes; whole lines need no reading */

void base_copy_past_caches(char *to, const char *from, size_t size)
{
    const size_t head = (size_t)(-(uintptr_t)to % LINE_SIZE);

    if (size < head + LINE_SIZE) {
        memcpy(to, from, size);
        return;
    }
    memcpy(to, from, head);
    to += head;
    from += head;
    size -= head;
    for (; size >= LINE_SIZE; size -= LINE_SIZE, to += LINE_SIZE, from += LINE_SIZE) {
        const __m128i *source = (const __m128i *)(const void *)from;
        __m128i *line = (__m128i *)(void *)to;
        const __m128i first = _mm_loadu_si128(source);
        const __m128i second = _mm_loadu_si128(source + 1);
        const __m128i third = _mm_loadu_si128(source + 2);
        const __m128i fourth = _mm_loadu_si128(source + 3);

        _mm_stream_si128(line, first);
        _mm_stream_si128(line + 1, second);
        _mm_stream_si128(line + 2, third);
        _mm_stream_si128(line + 3, fourth);
    }
    memcpy(to, from, size);
    _mm_sfence(); /* such stores are seen in any order; a release alone does not wait for them */
}
