/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The numbers that several folders share, each with its unit and its source.
 */
#ifndef LARDER_BASE_LIMITS_H
#define LARDER_BASE_LIMITS_H

enum {
    BASE_KEY_SIZE_MAX = 250, /* bytes; memcached's KEY_MAX_LENGTH */
    BASE_REQUEST_LINE_MAX =
        2048,                  /* bytes without a newline before a client is cut off; memcached */
    BASE_OPAQUE_SIZE_MAX = 31, /* bytes of a meta opaque, without its letter; memcached */
    BASE_BLOCK_SIZE = 16384,   /* bytes of one pooled buffer; memcached's read buffer */
    BASE_BATCH_MAX = 32,       /* requests parsed, hashed and prefetched together */
    BASE_EXPTIME_RELATIVE_MAX = 2592000, /* seconds (30 days); larger expiry times are absolute */
};

#define BASE_ITEM_SIZE_MAX (1024ull * 1024 * 1024) /* bytes; memcached's upper bound of -I */

#endif
