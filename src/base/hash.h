/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XXH3, 64 bits (https://xxhash.com/). Pure; any thread.
 */
#ifndef LARDER_BASE_HASH_H
#define LARDER_BASE_HASH_H

#include <stdint.h>

#include "base/slice.h"

/*
 * The one hash of a key: seed 0. The host computes it once per request and hands it to the engine;
 * the bits must not change, for engines may keep them on disk.
 */
uint64_t base_hash_key(struct base_slice key);

/* A checksum of any bytes, none included; another seed is another function. */
uint64_t base_hash_bytes(struct base_slice bytes, uint64_t seed);

#endif
