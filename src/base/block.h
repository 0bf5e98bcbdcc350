/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pooled buffers of one size (BASE_BLOCK_SIZE), linked into lists instead of grown as arrays.
 *
 * A pool belongs to one thread. It hands out blocks and takes them back; what is idle beyond
 * `idle_max` goes back to the system. Counters say how many are out, so a leak is visible.
 */
#ifndef LARDER_BASE_BLOCK_H
#define LARDER_BASE_BLOCK_H

#include <stdint.h>

#include "base/limits.h"

struct base_block {
    struct base_block *next; /* in the owner's list, or in the pool */
    uint32_t begin;          /* first byte not yet consumed */
    uint32_t end;            /* one past the last byte filled */
    char data[BASE_BLOCK_SIZE - 16];
};

enum { BASE_BLOCK_ROOM = BASE_BLOCK_SIZE - 16 }; /* bytes of data[] */

struct base_block_pool {
    struct base_block *idle;
    uint32_t idle_count;
    uint32_t idle_max;   /* blocks kept for reuse */
    uint32_t used_count; /* blocks given and not back yet */
    uint64_t oom_count;  /* times the system had none */
};

void base_block_pool_init(struct base_block_pool *pool, uint32_t idle_max);
/* Every block must be back. */
void base_block_pool_fini(struct base_block_pool *pool);
/* Given, empty (begin = end = 0, next = NULL); NULL when the system has no memory. */
struct base_block *base_block_take(struct base_block_pool *pool);
/* Takes the block back and sets *block to NULL; accepts NULL. */
void base_block_give(struct base_block_pool *pool, struct base_block **block);
/* The same for a whole list. */
void base_block_give_list(struct base_block_pool *pool, struct base_block **head);

#endif
