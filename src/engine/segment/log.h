/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments, the two logs they form, and the budget.
 *
 * A segment is `segment_size` bytes at base + id * segment_size. Its life:
 *
 *   cold ──> free ──> open ──> sealed ──> reclaiming ──> limbo ──> free (or cold)
 *              ^                  └── its last item went ──> limbo
 *
 *   cold        never touched, or given back to the system; costs nothing
 *   free        touched, nobody's; a stack, so the one still in the processor's cache goes first
 *   open        one context appends to it
 *   sealed      in its log, S or M, a list from newest (head) to oldest (tail)
 *   reclaiming  one context walks it
 *   limbo       nothing points to it any more, but readers may still look
 *
 * `live` counts what entries of the index point to; it can be read without the lock. What a writer
 * stores in his own open segment he adds when he seals it: one atomic addition less per put. Lists
 * and states change under log.lock. The budget is one atomic number, charged before memory is
 * used: segments that are not cold, the index, large objects, and the metadata.
 */
#ifndef LARDER_ENGINE_SEGMENT_LOG_H
#define LARDER_ENGINE_SEGMENT_LOG_H

#include <larder/engine.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/epoch.h"

enum {
    SEGMENT_S, /* new items */
    SEGMENT_M, /* items that came back */
    SEGMENT_LOGS,
};

enum {
    SEGMENT_OFFSET_BITS = 17,    /* of offset/8: segments of 1 MiB */
    SEGMENT_SHIFT_MIN = 16,      /* 64 KiB */
    SEGMENT_SHIFT_LEAST = 14,    /* 16 KiB: where many workers share little memory */
    SEGMENT_SHIFT_MAX = 20,      /* 1 MiB */
    SEGMENT_COUNT_WANTED = 128,  /* with fewer the order of eviction gets coarse */
    SEGMENT_LARGE_FRACTION = 4,  /* items above segment_size / 4 are large objects */
    SEGMENT_S_PERCENT = 15,      /* S-log's share; S3-FIFO: 10 */
    SEGMENT_EXPIRY_CLASSES = 8,  /* of the histogram of expiry times */
    SEGMENT_READY = 2,           /* kept free while there is memory nobody has touched */
    SEGMENT_FREE_MIN = 2,        /* kept for relocation while memory is short */
    SEGMENT_PINNED_FRACTION = 8, /* reservations pin at most 1/8 of the segments */
    SEGMENT_FETCH_AHEAD = 2048,  /* bytes behind an append whose lines are fetched to be written */
    SEGMENT_FETCH_MAX = 512, /* bytes of an item: behind longer ones the processor fetches itself */
};

#define SEGMENT_OFFSET_MASK ((1ull << SEGMENT_OFFSET_BITS) - 1)
#define SEGMENT_LIVE_ONE    (1ull << 32) /* in segment.live: count in the upper half, bytes below */

enum segment_state {
    SEGMENT_COLD,
    SEGMENT_FREE,
    SEGMENT_OPEN,
    SEGMENT_SEALED,
    SEGMENT_RECLAIMING,
    SEGMENT_LIMBO,
};

struct segment {
    /* Items that entries point to: count << 32 | bytes. While the segment is open, what its writer
     * has yet to add is missing: it may be below 0. */
    _Atomic uint64_t live;
    _Atomic uint32_t state; /* changes under log.lock */
    _Atomic uint32_t pins;  /* open reservations in it */
    _Atomic uint32_t used;  /* bytes appended; final when sealed */
    _Atomic uint32_t log;
    _Atomic uint32_t opened_s;
    _Atomic uint32_t expiry_max; /* latest expiry of its items; UINT32_MAX: some never expire */
    _Atomic uint32_t expiring[SEGMENT_EXPIRY_CLASSES]; /* bytes, by time to live; its writer's */
    uint64_t sealed_sequence; /* the engine's when it was sealed: its last item's age. log.lock */
    uint32_t newer, older;    /* ids in the log, 0: none; or `older` in a stack. log.lock */
    struct larder_engine *engine;
    struct engine_epoch_entry entry;
} BASE_ALIGNED(128);

/* A context's open segment of one log. */
struct segment_writer {
    uint32_t id; /* 0: none */
    uint32_t offset;
    uint64_t sequence;
    uint64_t live; /* of what the context published there; the segment gets it when it is sealed */
};

struct segment_log {
    pthread_mutex_t lock;
    uint32_t head[SEGMENT_LOGS], tail[SEGMENT_LOGS]; /* lock */
    _Atomic uint32_t count[SEGMENT_LOGS];            /* sealed; changes under lock */
    uint32_t free_top, cold_top;                     /* lock */
    uint32_t fresh_next;                             /* lock: ids from here were never used */
    uint32_t id_end;                                 /* constant: one past the last id */
    _Atomic uint32_t free_count;                     /* changes under lock */
    _Atomic uint32_t limbo_count;                    /* changes under lock; large objects too */
    _Atomic uint32_t open_count;                     /* changes under lock */
    _Atomic uint32_t pinned_count;                   /* segments with reservations */
    _Atomic uint64_t sequence;                       /* the last number given */
    _Atomic uint64_t memory_max;                     /* the budget, bytes */
    _Atomic uint64_t memory_used;                    /* charged */
    struct engine_epoch epoch;                       /* defer and poll under lock */
};

/* ---- budget; any thread ---- */

BASE_MUST_USE bool segment_budget_charge(struct larder_engine *engine, uint64_t size);
/* Without asking: what must not fail, and is small. */
void segment_budget_force(struct larder_engine *engine, uint64_t size);
void segment_budget_return(struct larder_engine *engine, uint64_t size);
/* More in use than allowed: after resize(). */
bool segment_budget_exceeded(const struct larder_engine *engine);
/*
 * tick(): in a cache that is being filled, keep a few segments ready whose pages are there. Workers
 * that had to take them from the system waited for milliseconds each time, with huge pages.
 * Returns true when it made one ready.
 */
bool segment_log_prepare(struct larder_engine *engine);
/* Segments that could be opened now. */
uint32_t segment_log_available(const struct larder_engine *engine);
/* Give free segments' memory back until `size` bytes are left uncharged. False: not enough. */
bool segment_log_release(struct larder_engine *engine, uint64_t size);

/* ---- appending; the context's owner; more in store.h ---- */

/*
 * Make the context's open segment of `log` a new one, evicting if need be.
 *
 * LARDER_OK, LARDER_NO_SPACE or LARDER_BUSY. May begin a new turn (segment_turn()), so what was
 * looked up before is void even when it is LARDER_OK.
 */
enum larder_result segment_log_open(struct larder_thread *thread, uint32_t log);
/* The same for relocation: from the reserve, evicts nothing, keeps the turn. False: none. */
bool segment_log_open_reserve(struct larder_thread *thread, uint32_t log);
/* Take the last append of this context and log back. */
void segment_log_retract(struct larder_thread *thread, uint64_t place, uint32_t size);
/* Close the context's open segments. */
void segment_log_seal_all(struct larder_thread *thread);

/* ---- accounting; any thread; more in store.h ---- */

/* An item in it has this expiry time, or has it now. */
static inline void segment_log_note_expiry(struct segment *segment, uint32_t expires_at_s);
/* The histogram's side of a new item; its writer only. */
void segment_log_note_class(struct segment *segment, uint32_t size, uint32_t expires_at_s,
                            uint32_t now_s);
void segment_log_free_if_empty(struct larder_thread *thread, uint32_t id);
/* A reservation ended. The same freeing. */
void segment_log_unpin(struct larder_thread *thread, uint32_t id);
/* Bytes that are probably still readable. */
uint32_t segment_log_estimate(const struct segment *segment, uint32_t now_s);

/* ---- reclaim; under log.lock ---- */

void segment_log_unlink(struct larder_engine *engine, uint32_t id);
void segment_log_link_head(struct larder_engine *engine, uint32_t id, uint32_t log);
/* To limbo; free after the grace period. Already unlinked. */
void segment_log_retire(struct larder_engine *engine, uint32_t id);

void segment_log_lock(struct larder_engine *engine);
void segment_log_unlock(struct larder_engine *engine);
/* Let what is due leave limbo. Takes the lock. */
void segment_log_poll(struct larder_engine *engine);

static inline void segment_log_note_expiry(struct segment *segment, uint32_t expires_at_s)
{
    uint32_t expiry = expires_at_s == 0 ? UINT32_MAX : expires_at_s;
    uint32_t max = atomic_load_explicit(&segment->expiry_max, memory_order_relaxed);

    while (BASE_UNLIKELY(expiry > max) &&
           !atomic_compare_exchange_weak_explicit(&segment->expiry_max, &max, expiry,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

#endif
