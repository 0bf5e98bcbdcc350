/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A run of bytes that somebody else owns: pointer and length, never NUL-terminated.
 *
 * Slices are passed by value and are always borrowed; the owner's comment says until when.
 */
#ifndef LARDER_BASE_SLICE_H
#define LARDER_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct base_slice {
    const char *data;
    size_t size; /* bytes */
};

/* The slice of a string literal, without its NUL. */
#define BASE_SLICE(literal) ((struct base_slice){"" literal, sizeof(literal) - 1})

static inline bool base_slice_equal(struct base_slice a, struct base_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
