/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xxHash compiled into this file alone: keys are short, and its short cases are fast only where
 * the compiler sees them, while its header is too large for everybody to include.
 */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t base_hash_key(struct base_slice key)
{
    return XXH3_64bits(key.data, key.size);
}
