/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A context: what one thread needs to use the engine, and what it has counted.
 *
 * There is one per worker, one for upkeep (tick) and one guest (scan, stats), all made at open().
 */
#ifndef LARDER_ENGINE_SEGMENT_CONTEXT_H
#define LARDER_ENGINE_SEGMENT_CONTEXT_H

#include <larder/engine.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/epoch.h"
#include "engine/segment/log.h"

struct segment_item;
struct segment_table;

enum { SEGMENT_NOTES_MAX = 64 }; /* keys */

/*
 * X-macro: what each context counts, monotonic but for the first two. Every context is written by
 * one thread and read by any; an item may be counted in by one and out by another.
 */
#define SEGMENT_COUNTERS(X)                                                                        \
    X(items)             /* live now; sums over contexts */                                        \
    X(bytes)             /* of live items now */                                                   \
    X(total_items)       /* stored since the start */                                              \
    X(evictions)         /* dropped while they could be read */                                    \
    X(evicted_unfetched) /* of them, never read */                                                 \
    X(evicted_expiring)  /* of them, with an expiry time */                                        \
    X(index_evictions)   /* of them, for want of a slot */                                         \
    X(expired_unfetched) /* expired without having been read */                                    \
    X(reclaimed)         /* expired or flushed items whose memory came back */                     \
    X(upkeep_reclaimed)  /* of them, by tick() */                                                  \
    X(upkeep_checked)    /* items looked at by tick() */                                           \
    X(get_expired)       /* misses of an item whose time was over */                               \
    X(get_flushed)       /* misses of an item that was flushed */                                  \
    X(ghost_hits)        /* stores that went to M at once */                                       \
    X(relocations)       /* items moved to another segment */                                      \
    X(relocated_bytes)                                                                             \
    X(promotions)       /* of them, from S to M */                                                 \
    X(reclaims)         /* segments reclaimed */                                                   \
    X(reclaims_direct)  /* of them, by a worker that needed one */                                 \
    X(reclaims_compact) /* of them, because they were mostly garbage */                            \
    X(reclaim_ns)       /* time of the above */                                                    \
    X(segments_emptied) /* segments whose last item went, freed without a scan */                  \
    X(pinned_skips)     /* reclaims that passed a pinned segment by */                             \
    X(busy)             /* LARDER_BUSY answers */                                                  \
    X(no_space)         /* LARDER_NO_SPACE answers */                                              \
    X(put_retries)      /* stores begun again: another thread was first */                         \
    X(large_sets)       /* stores of large objects */                                              \
    X(large_evictions)  /* large objects dropped */

#define X(name) SEGMENT_COUNT_##name,
enum segment_counter { SEGMENT_COUNTERS(X) SEGMENT_COUNTER_COUNT };
#undef X

/* An open reservation; see reserve.c. */
struct segment_room {
    struct segment_room *next;
    struct segment_room *previous;
    struct segment_item *item;
    struct larder_key key; /* in the item */
    uint64_t where;        /* place and SLOT_LARGE */
    uint64_t size;         /* bytes of the item */
    uint32_t since_s;
};

/* What prefetch() has found, for the stores of the same turn. */
struct segment_notes {
    const struct larder_key *keys; /* only their addresses are known to be right */
    const struct segment_table *table;
    uint32_t count;
    uint64_t turns; /* the context's then; another number: all is void */
    _Atomic uint64_t *slots[SEGMENT_NOTES_MAX]; /* in the table, by key; NULL: none was found */
};

/* A context. Written by its owner; `counters` are read by others. */
struct larder_thread {
    uint32_t magic;
    uint32_t index;
    uint32_t now_s;
    uint32_t lent_count; /* references out that pin the epoch */
    uint32_t inserts;    /* new entries since the index was last asked to grow */
    bool entered;        /* between begin and end */
    _Atomic bool attached;
    uint64_t turns; /* begun, by segment_turn() too: what was looked up before is void */
    struct larder_engine *engine;
    struct segment_writer writers[SEGMENT_LOGS];
    struct engine_epoch_reader reader;
    pthread_mutex_t rooms_lock; /* pins() looks on */
    struct segment_room *rooms; /* under rooms_lock */
    struct segment_notes notes;
    _Atomic uint64_t counters[SEGMENT_COUNTER_COUNT] BASE_ALIGNED(64);
} BASE_ALIGNED(64);

static inline void segment_count_by(struct larder_thread *thread, enum segment_counter counter,
                                    uint64_t by)
{
    /* One writer, so no read-modify-write is needed. */
    uint64_t old = atomic_load_explicit(&thread->counters[counter], memory_order_relaxed);

    atomic_store_explicit(&thread->counters[counter], old + by, memory_order_relaxed);
}

#define SEGMENT_COUNT(thread, name) segment_count_by(thread, SEGMENT_COUNT_##name, 1)

/* A counter's sum over all contexts. Any thread. */
uint64_t segment_sum(const struct larder_engine *engine, enum segment_counter counter);

#endif
