/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segment engine's inside. doc/design/0006-segment-engine.md is the way in.
 *
 *   larder_engine ── index ── table(s) of buckets            index.h, grow.c
 *                 ├─ log: segments, S and M lists, budget    log.h, log.c
 *                 ├─ large objects                           large.h, large.c
 *                 └─ contexts: one per worker, one for upkeep (tick), one guest (scan)
 *
 * Locks, in the order they may be taken: grow lock, stripe, log lock. The guest lock comes before
 * all of them. A thread holds at most one stripe. No lock is held while the host is called, but
 * for events under the stripe's lock.
 */
#ifndef LARDER_ENGINE_SEGMENT_SEGMENT_PRIV_H
#define LARDER_ENGINE_SEGMENT_SEGMENT_PRIV_H

#include <larder/engine.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/epoch.h"
#include "engine/segment/context.h"
#include "engine/segment/index.h"
#include "engine/segment/item.h"
#include "engine/segment/large.h"
#include "engine/segment/log.h"

enum {
    SEGMENT_ENGINE_MAGIC = 0x5e94e47e,
    SEGMENT_THREAD_MAGIC = 0x5e97c0de,
    SEGMENT_GROW_FACTOR_MAX = 4, /* resize() goes up to this many times the first memory_max */
    SEGMENT_CANDIDATES = 32,     /* segments remembered for compaction */
};

#define SEGMENT_HUGE_PAGES_MIN (256ull << 20) /* caches of this size ask for huge pages */

/* Where the search for segments that nobody misses stands. reclaim.c's, under log.lock. */
struct segment_search {
    uint32_t next_id;         /* the segment to be looked at next */
    uint32_t barren;          /* segments looked at since the last that was worth it */
    uint32_t bound;           /* bytes: who has as much is no candidate */
    uint32_t candidate_count; /* seen to have little to keep; they may have changed since */
    struct segment_candidate {
        uint32_t id;
        uint32_t estimate; /* bytes that could be read when it was seen */
    } candidates[SEGMENT_CANDIDATES];
};

/* The look at everything that a second may have expired, in steps. tick()'s alone. */
struct segment_purge {
    uint32_t next_id;     /* segment */
    uint32_t next_number; /* large object */
    uint32_t began_s;     /* what was over by then is what is looked for */
    uint64_t began_flush; /* the flush_sequence of that moment */
    uint32_t done_s;      /* the same of the last look that was finished */
    uint64_t done_flush;
};

struct larder_engine {
    /* Constant after open(), and what every get() reads. */
    uint32_t magic;
    uint32_t segment_shift;
    uint32_t segment_size;       /* bytes */
    uint32_t item_small_max;     /* bytes: larger ones are large objects */
    char *base;                  /* segment id starts at base + (id << segment_shift); ids from 1 */
    _Atomic uint64_t *sequences; /* by segment id: which use of the segment this is */
    struct segment *segments;    /* by id */
    struct segment_index index;
    _Atomic uint64_t flush_sequence BASE_ALIGNED(64); /* items of older sequences are gone */
    _Atomic uint32_t flush_at_s;                      /* a flush that is to come; 0: none */

    bool evict;
    bool huge_pages;
    uint32_t context_count; /* workers, upkeep, guest */
    uint32_t worker_count;
    uint64_t item_size_max;
    uint64_t memory_limit; /* bytes resize() may go up to */
    uint64_t base_size;
    uint64_t fixed_size; /* bytes of metadata but the index, charged at open */
    const struct larder_host *host;
    struct larder_thread *contexts;

    struct segment_log log BASE_ALIGNED(64);
    struct segment_large_table large;

    pthread_mutex_t grow_lock BASE_ALIGNED(64); /* one thread moves stripes at a time */
    pthread_mutex_t guest_lock; /* scan() and pins() take turns in the guest context */
    struct segment_search search;
    struct segment_purge purge;
    uint64_t counters_base[SEGMENT_COUNTER_COUNT]; /* at stats_reset(); under guest_lock */
};

/* ---- context ---- */

static inline struct larder_thread *segment_upkeep(struct larder_engine *engine)
{
    return &engine->contexts[engine->worker_count];
}

static inline struct larder_thread *segment_guest(struct larder_engine *engine)
{
    return &engine->contexts[engine->worker_count + 1];
}

static inline void segment_pause(void)
{
    __builtin_ia32_pause();
}

/* ---- slots and items ---- */

static inline uint32_t segment_place_id(uint64_t value)
{
    return (uint32_t)((value & SLOT_PLACE_MASK) >> SEGMENT_OFFSET_BITS);
}

static inline uint32_t segment_place_offset(uint64_t value)
{
    return (uint32_t)(value & SEGMENT_OFFSET_MASK) << 3;
}

static inline uint64_t segment_place(uint32_t id, uint32_t offset)
{
    return ((uint64_t)id << SEGMENT_OFFSET_BITS) | (offset >> 3);
}

/* The item an entry points to; inside an epoch. */
static inline struct segment_item *segment_item_at(const struct larder_engine *engine,
                                                   uint64_t value)
{
    if (BASE_UNLIKELY((value & SLOT_LARGE) != 0)) {
        return segment_large_item(engine, value);
    }
    return (struct segment_item *)(void *)(engine->base +
                                           ((uint64_t)segment_place_id(value)
                                            << engine->segment_shift) +
                                           segment_place_offset(value));
}

/* Which use of its storage an entry's item belongs to. */
static inline uint64_t segment_sequence_at(const struct larder_engine *engine, uint64_t value)
{
    if (BASE_UNLIKELY((value & SLOT_LARGE) != 0)) {
        return segment_large_sequence(engine, value);
    }
    return atomic_load_explicit(&engine->sequences[segment_place_id(value)], memory_order_relaxed);
}

/* The item's cas: explicit, or where it lies in which use of the segment. */
static inline uint64_t segment_cas_at(const struct larder_engine *engine, uint64_t value,
                                      const struct segment_item *item, uint32_t state)
{
    if ((state & ITEM_HAS_CAS) != 0) {
        return segment_item_cas_field(item);
    }
    return (segment_sequence_at(engine, value) << SEGMENT_OFFSET_BITS) |
           (value & SEGMENT_OFFSET_MASK);
}

static inline bool segment_flushed_at(const struct larder_engine *engine, uint64_t value)
{
    /* Acquire: pairs with flush(). */
    return segment_sequence_at(engine, value) <
           atomic_load_explicit(&engine->flush_sequence, memory_order_acquire);
}

/* Can the entry's item be read at this time? */
static inline bool segment_entry_live(const struct larder_engine *engine, uint64_t value,
                                      const struct segment_item *item, uint32_t now_s)
{
    return !segment_flushed_at(engine, value) &&
           !segment_item_expired(segment_item_expiry(item, segment_item_state(item)), now_s);
}

/* The item's expiry time changed in place. */
static inline void segment_note_expiry(struct larder_engine *engine, uint64_t value,
                                       uint32_t expires_at_s)
{
    if ((value & SLOT_LARGE) == 0) {
        segment_log_note_expiry(&engine->segments[segment_place_id(value)], expires_at_s);
    }
}

/* A number for the next use of a segment, or for an explicit cas. Never given twice. */
static inline uint64_t segment_sequence_next(struct larder_engine *engine)
{
    return atomic_fetch_add_explicit(&engine->log.sequence, 1, memory_order_relaxed) + 1;
}

/* ---- get.c ---- */

void segment_get(struct larder_thread *thread, const struct larder_key *keys, uint32_t count,
                 uint32_t flags, uint64_t token, struct larder_ref *refs,
                 enum larder_result *results);
void segment_prefetch(struct larder_thread *thread, const struct larder_key *keys, uint32_t count);
void segment_release(struct larder_thread *thread, struct larder_ref *refs, uint32_t count);
/* The key's entry, live or not, or bucket NULL. Inside an epoch, or under the stripe's lock. */
struct segment_hit segment_find(const struct larder_engine *engine, const struct larder_key *key,
                                uint64_t *ret_ghost);
/* Fill a reference from an entry. */
void segment_fill_ref(const struct larder_engine *engine, uint64_t value,
                      const struct segment_item *item, uint32_t now_s, struct larder_ref *ret_ref);

/* ---- segment.c ---- */

/* An item left its entry: its segment has less to keep. Not under the log lock. */
void segment_item_gone(struct larder_thread *thread, uint64_t value, struct segment_item *item);
/* Begin a new turn in the middle of one: only with nothing lent. All looked up before is void. */
void segment_turn(struct larder_thread *thread);
/* The hash the host would compute. */
uint64_t segment_item_hash(const struct segment_item *item, uint32_t state);
/* Tell whoever watches. */
void segment_event(struct larder_engine *engine, enum larder_event what, uint64_t value,
                   const struct segment_item *item, uint32_t now_s);

/* ---- change.c ---- */

enum larder_result segment_remove(struct larder_thread *thread, const struct larder_key *key,
                                  uint64_t cas_expected);
enum larder_result segment_touch(struct larder_thread *thread, const struct larder_key *key,
                                 uint32_t expires_at_s);
enum larder_result segment_mark(struct larder_thread *thread, const struct larder_key *key,
                                uint64_t cas, uint32_t set, uint32_t clear, uint32_t *ret_before);

/* ---- grow.c ---- */

/* A new entry was made: start or push on the index's growth if it is due. */
void segment_grow_account(struct larder_thread *thread);
/* tick(): a slice of growth. Returns true when there is more to do. */
bool segment_grow_step(struct larder_thread *thread);
/* There was no slot in a stripe of table `full`: make it longer now. False: that cannot be. */
bool segment_grow_now(struct larder_thread *thread, uint32_t stripe,
                      const struct segment_table *full);
/* Bytes of the index, when growth is over. Under the grow lock. */
uint64_t segment_index_size(const struct larder_engine *engine);

/* ---- reclaim.c ---- */

enum segment_reclaim_result {
    SEGMENT_RECLAIM_DONE,    /* something will be free when its readers have left */
    SEGMENT_RECLAIM_NOTHING, /* nothing may go */
};

/* Reclaim one segment or large object. */
enum segment_reclaim_result segment_reclaim(struct larder_thread *thread, bool direct);
/* tick(): a step of reclaiming what is expired or flushed as a whole. True: there is more to do. */
bool segment_reclaim_expired(struct larder_thread *thread);

/* ---- reserve.c ---- */

enum larder_result segment_reserve(struct larder_thread *thread, const struct larder_key *key,
                                   uint64_t value_size, struct larder_room *ret_room);
enum larder_result segment_commit(struct larder_thread *thread, struct larder_room *room,
                                  struct larder_put *put);
void segment_abandon(struct larder_thread *thread, struct larder_room *room);
void segment_pins(struct larder_engine *engine, uint32_t now_s, larder_pin_fn fn, void *arg);

/* ---- scan.c, stats.c ---- */

void segment_scan(struct larder_engine *engine, uint32_t now_s, uint64_t *cursor,
                  uint32_t items_max, larder_scan_fn fn, void *arg);
void segment_stats(struct larder_engine *engine, int group, uint32_t now_s, larder_stat_fn fn,
                   void *arg);
void segment_stats_reset(struct larder_engine *engine);

/* ---- life.c ---- */

enum larder_result segment_open(const struct larder_host *host, const struct larder_config *config,
                                struct larder_engine **ret_engine);
void segment_close(struct larder_engine **engine);
enum larder_result segment_thread_attach(struct larder_engine *engine, uint32_t index,
                                         struct larder_thread **ret_thread);
void segment_thread_detach(struct larder_thread **thread);
enum larder_result segment_resize(struct larder_engine *engine, uint64_t memory_max);
/* Address space that costs nothing until it is touched, or NULL. */
void *segment_map(uint64_t size, bool huge_pages);
/* Have the system give pages to memory, at multiples of 8. What it holds stays, whoever writes there. */
void segment_populate(void *memory, uint64_t size);

#endif
