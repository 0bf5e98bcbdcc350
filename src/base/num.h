/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decimal numbers in requests and replies.
 *
 * Strict where strtoull() is not: digits only, no blanks, no '+', nothing behind the number, and
 * no NUL needed. Pure functions; any thread.
 */
#ifndef LARDER_BASE_NUM_H
#define LARDER_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/slice.h"

enum {
    BASE_NUM_TEXT_MAX = 21,   /* bytes: the longest is 18446744073709551615, or its like with '-' */
    BASE_NUM_DIGITS_SAFE = 19 /* so many decimal digits always fit into 64 bits */
};

/* The general case of base_num_parse_u64(): empty, or long enough to overflow. */
BASE_MUST_USE bool base_num_parse_u64_long(struct base_slice text, uint64_t *ret);

/*
 * 0..UINT64_MAX; leading zeros are fine. False when the text is empty, has another byte than
 * '0'..'9' or overflows; *ret is then untouched. Inline because every request line has a few.
 */
BASE_MUST_USE static inline bool base_num_parse_u64(struct base_slice text, uint64_t *ret)
{
    uint64_t value = 0;

    if (BASE_UNLIKELY(text.size == 0 || text.size > BASE_NUM_DIGITS_SAFE)) {
        return base_num_parse_u64_long(text, ret);
    }
    for (size_t i = 0; i < text.size; i++) {
        const uint32_t digit = (uint32_t)(unsigned char)text.data[i] - '0';

        if (digit > 9) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

/* The same for 0..UINT32_MAX. */
BASE_MUST_USE static inline bool base_num_parse_u32(struct base_slice text, uint32_t *ret)
{
    uint64_t value;

    if (!base_num_parse_u64(text, &value) || value > UINT32_MAX) {
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

/* The same with an optional leading '-', for the range of the type; "-0" is 0. */
BASE_MUST_USE bool base_num_parse_i64(struct base_slice text, int64_t *ret);
BASE_MUST_USE bool base_num_parse_i32(struct base_slice text, int32_t *ret);

/*
 * A number of bytes as options name it: digits, then optionally one of k m g t (either case) for
 * the powers of 1024. False as above, or when the product overflows.
 */
BASE_MUST_USE bool base_num_parse_size(struct base_slice text, uint64_t *ret_bytes);

/*
 * Writes the number in decimal, without a NUL; returns the bytes written.
 * out  room for BASE_NUM_TEXT_MAX bytes
 */
size_t base_num_write_u64(char *out, uint64_t value);
size_t base_num_write_i64(char *out, int64_t value);

/* "00" "01" ... "99": two digits per division. */
extern const char BASE_NUM_PAIRS[200];

/* As base_num_write_u64(); inline for what replies are full of: flags of 0, and sizes below 1000. */
static inline size_t base_num_write_short(char *out, uint64_t value)
{
    if (BASE_LIKELY(value >= 100 && value < 1000)) {
        const uint32_t low = (uint32_t)value % 100;

        *out = (char)('0' + (uint32_t)value / 100);
        memcpy(out + 1, &BASE_NUM_PAIRS[low * 2], 2);
        return 3;
    }
    if (value < 10) {
        *out = (char)('0' + value);
        return 1;
    }
    return base_num_write_u64(out, value);
}

#endif
