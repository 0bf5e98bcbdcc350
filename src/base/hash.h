/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one hash of a key: XXH3, 64 bits, seed 0 (https://xxhash.com/).
 *
 * The host computes it once per request and hands it to the engine; the bits must not change, for
 * engines may keep them on disk. Pure; any thread.
 */
#ifndef LARDER_BASE_HASH_H
#define LARDER_BASE_HASH_H

#include <stdint.h>

#include "base/slice.h"

uint64_t base_hash_key(struct base_slice key);

#endif
