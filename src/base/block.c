/* SPDX-License-Identifier: BSD-3-Clause */
/* Pooled buffers: see block.h. The pool is a stack, so the block taken is the warmest. */
#include "base/block.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/fault.h"

enum { ALIGNMENT = 64 }; /* bytes: a block shares no cache line with its neighbours */

static_assert(sizeof(struct base_block) == BASE_BLOCK_SIZE, "the room is the rest of the block");
static_assert(offsetof(struct base_block, data) == BASE_BLOCK_SIZE - BASE_BLOCK_ROOM,
              "no padding before the room");

void base_block_pool_init(struct base_block_pool *pool, uint32_t idle_max)
{
    *pool = (struct base_block_pool){.idle_max = idle_max};
}

void base_block_pool_fini(struct base_block_pool *pool)
{
    CHECK(pool->used_count == 0);
    while (pool->idle != NULL) {
        struct base_block *block = pool->idle;

        pool->idle = block->next;
        free(block);
    }
    pool->idle_count = 0;
}

struct base_block *base_block_take(struct base_block_pool *pool)
{
    struct base_block *block = pool->idle;

    if (block != NULL) {
        pool->idle = block->next;
        pool->idle_count--;
    } else {
        block = BASE_FAULT("block-take") ? NULL : aligned_alloc(ALIGNMENT, sizeof(*block));
        if (block == NULL) {
            pool->oom_count++;
            return NULL;
        }
    }
    block->next = NULL;
    block->begin = 0;
    block->end = 0;
    pool->used_count++;
    return block;
}

void base_block_give(struct base_block_pool *pool, struct base_block **block)
{
    struct base_block *given = *block;

    if (given == NULL) {
        return;
    }
    *block = NULL;
    CHECK(pool->used_count > 0);
    pool->used_count--;
    if (pool->idle_count >= pool->idle_max) {
        free(given);
        return;
    }
    given->next = pool->idle;
    pool->idle = given;
    pool->idle_count++;
}

void base_block_give_list(struct base_block_pool *pool, struct base_block **head)
{
    while (*head != NULL) {
        struct base_block *block = *head;

        *head = block->next;
        base_block_give(pool, &block);
    }
}
