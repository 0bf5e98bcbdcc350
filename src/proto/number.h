/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers as memcached 1.6.38 accepts them from a client: strtol() on one word. Private to proto.
 *
 * That is base/num.h plus what strtol() lets through: a '+', a '-' before an unsigned zero, tabs
 * and their like on both sides. What it does not take over is the cut to 32 bits: a number that
 * does not fit is refused (doc/protocol/differences.md). Pure; any thread.
 */
#ifndef LARDER_PROTO_NUMBER_H
#define LARDER_PROTO_NUMBER_H

#include "base/num.h"

/* The general case, for words that base_num_parse_u64() refuses. */
BASE_MUST_USE bool proto_number_loose_u64(struct base_slice word, uint64_t *ret);
BASE_MUST_USE bool proto_number_loose_i32(struct base_slice word, int64_t *ret);

/* 0..UINT64_MAX; *ret is untouched when it returns false. */
BASE_MUST_USE static inline bool proto_number_u64(struct base_slice word, uint64_t *ret)
{
    return BASE_LIKELY(base_num_parse_u64(word, ret)) || proto_number_loose_u64(word, ret);
}

/* 0..UINT32_MAX. */
BASE_MUST_USE static inline bool proto_number_u32(struct base_slice word, uint32_t *ret)
{
    uint64_t value;

    if (!proto_number_u64(word, &value) || value > UINT32_MAX) {
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

/* INT32_MIN..INT32_MAX, for expiry times (which the requests hold in 64 bits). */
BASE_MUST_USE static inline bool proto_number_i32(struct base_slice word, int64_t *ret)
{
    uint64_t value;

    if (BASE_LIKELY(base_num_parse_u64(word, &value))) {
        if (value > INT32_MAX) {
            return false;
        }
        *ret = (int64_t)value;
        return true;
    }
    return proto_number_loose_i32(word, ret);
}

#endif
