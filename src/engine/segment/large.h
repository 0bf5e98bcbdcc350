/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large objects: items above a quarter of a segment, each in a mapping of its own.
 *
 * They have the same header as small ones. An entry's place is a number in the table of objects.
 * Their order of eviction is one FIFO with a second chance, by the entry's frequency; between it
 * and the logs the older tail goes first. A mapping that was freed is kept for the next object of
 * about its size as long as the budget has room: faulting 256 pages in costs as much as copying them.
 */
#ifndef LARDER_ENGINE_SEGMENT_LARGE_H
#define LARDER_ENGINE_SEGMENT_LARGE_H

#include <larder/engine.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/epoch.h"

struct segment_item;

enum segment_large_state {
    LARGE_UNUSED,
    LARGE_PRIVATE, /* being filled, or reserved */
    LARGE_LISTED,  /* an entry points to it */
    LARGE_TAKEN,   /* reclaim looks at it; out of the list */
    LARGE_LIMBO,
    LARGE_KEPT,   /* a mapping for the next object */
    LARGE_DOOMED, /* a mapping that goes back to the system */
};

struct segment_large {
    struct segment_item *item; /* start of the mapping */
    uint64_t size;             /* bytes mapped and charged */
    _Atomic uint64_t sequence; /* as segments have */
    _Atomic uint32_t state;    /* changes under log.lock */
    uint32_t newer, older;     /* log.lock; `older` in the stacks too */
    struct larder_engine *engine;
    struct engine_epoch_entry entry;
} BASE_ALIGNED(64);

struct segment_large_table {
    struct segment_large *objects; /* by number, from 1 */
    uint32_t number_end;           /* constant */
    uint32_t fresh_next;           /* log.lock, as all below */
    uint32_t unused_top;
    uint32_t head, tail;
    uint32_t kept_head; /* newest of the kept mappings */
    uint32_t doomed_head;
    _Atomic uint32_t doomed_count; /* counted in log.limbo_count, too */
    _Atomic uint32_t count;
    _Atomic uint64_t bytes;         /* of listed and private objects */
    _Atomic uint64_t private_bytes; /* of open reservations */
    _Atomic uint64_t kept_bytes;    /* of kept mappings */
};

struct segment_item *segment_large_item(const struct larder_engine *engine, uint64_t value);
uint64_t segment_large_sequence(const struct larder_engine *engine, uint64_t value);

/*
 * A private object of `size` bytes. LARDER_OK and its number, LARDER_TOO_LARGE, LARDER_NO_SPACE or
 * LARDER_BUSY. May begin a new turn, as segment_log_open().
 */
enum larder_result segment_large_create(struct larder_thread *thread, uint64_t size,
                                        uint32_t *ret_number);
/* An entry is about to point to it. Any thread. */
void segment_large_list(struct larder_engine *engine, uint32_t number);
/* No entry points to it any more; freed after the grace period. Not under log.lock. */
void segment_large_retire(struct larder_engine *engine, uint32_t number);
/* Nobody has ever seen it. */
void segment_large_discard(struct larder_engine *engine, uint32_t number);
/*
 * tick(): unmap what nobody needs any more, not under log.lock: 128 MiB take milliseconds. Who needs
 * the memory before does the same.
 */
void segment_large_sweep(struct larder_engine *engine);
/* Give kept mappings back until `size` bytes are uncharged. Takes log.lock. */
bool segment_large_release(struct larder_engine *engine, uint64_t size);
/* Under log.lock, for reclaim: out of the list, and back as the newest if nobody retired it. */
void segment_large_unlink(struct larder_engine *engine, uint32_t number);
void segment_large_relist(struct larder_engine *engine, uint32_t number);
/* Under log.lock, for reclaim: is it an object in the list that is flushed or expired? */
bool segment_large_dead(const struct larder_engine *engine, uint32_t number, uint32_t now_s);
/* close() only: unmaps everything. */
void segment_large_fini(struct larder_engine *engine);

#endif
