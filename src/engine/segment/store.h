/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How items get into segments and into the index: the plan of a store, its steps, and what every
 * store does of log.h, inline. Store.c has the order of things; on the context's thread.
 */
#ifndef LARDER_ENGINE_SEGMENT_STORE_H
#define LARDER_ENGINE_SEGMENT_STORE_H

#include "engine/segment/segment_priv.h"

/* What a store writes and where; see store.c. */
struct segment_plan {
    struct segment_hit hit;      /* the key's entry as first seen */
    struct segment_item *old;    /* its item */
    struct segment_table *table; /* where it was; it may have moved since */
    bool live;                   /* it held an item that could be read */
    bool keep;                   /* the expiry time is that item's */
    bool same_value;             /* only the form changes: marks and dates stay */
    bool ghost_hit;              /* it was evicted not long ago */
    uint32_t layout;             /* ITEM_HAS_... */
    uint32_t log;                /* which log it goes to */
    uint64_t value_size;
    uint64_t size; /* bytes of the item */
    uint64_t cas;  /* explicit, or 0 */
    uint64_t bits; /* SLOT_FREQ and SLOT_CAS_SHOWN bits it starts with */
    uint32_t client_flags;
    uint32_t expires_at_s;
};

enum larder_result segment_put(struct larder_thread *thread, const struct larder_key *key,
                               struct larder_put *put);
/*
 * put() of a value whose copying takes long, with nothing lent: outside of the epoch, in reserve.c.
 * LARDER_BUSY: there is no room for it apart.
 */
enum larder_result segment_put_apart(struct larder_thread *thread, const struct larder_key *key,
                                     struct larder_put *put, uint64_t value_size);
/*
 * put() under no condition of one piece, in over.c: if the key's entry was found by prefetch(), and
 * all is as it mostly is. False: nothing has changed.
 */
bool segment_over(struct larder_thread *thread, const struct larder_key *key,
                  struct larder_put *put);
/*
 * Look the key up and decide what to write. LARDER_OK: store; anything else is the answer, and
 * *ret_plan is anything.
 */
enum larder_result segment_plan(struct larder_thread *thread, const struct larder_key *key,
                                const struct larder_put *put, uint64_t value_size,
                                struct segment_plan *ret_plan);
/* Everything of an item but its key and value. */
void segment_item_write(struct segment_item *item, const struct larder_thread *thread,
                        const struct segment_plan *plan, uint32_t key_size, uint32_t marks);
/* The item at `where` takes the key's entry if nothing changed since the plan. False: plan again. */
bool segment_publish(struct larder_thread *thread, const struct larder_key *key,
                     const struct segment_plan *plan, uint64_t where, struct segment_item *item,
                     enum larder_result *ret_result);

/*
 * touch() of an item that has no field for an expiry time: the same item, cas and all, with one.
 * *ret_again: look again, it has changed or has one now.
 */
enum larder_result segment_store_expiry(struct larder_thread *thread, const struct larder_key *key,
                                        uint32_t expires_at_s, bool *ret_again);

/* The index's side of an entry that is replaced or erased although its time was over. */
void segment_count_dead(struct larder_thread *thread, uint64_t value,
                        const struct segment_item *item);
/* Count an item that has to go for want of a slot. Under the stripe's lock. */
void segment_count_no_slot(struct larder_thread *thread, uint64_t value,
                           const struct segment_item *item);

/* ---- what every store does of log.h ---- */

/* Is there room in the open segment, and was it opened after the last flush? */
static inline bool segment_log_fits(const struct larder_thread *thread, uint32_t log, uint32_t size)
{
    const struct segment_writer *writer = &thread->writers[log];

    return writer->id != 0 && size <= thread->engine->segment_size - writer->offset &&
           writer->sequence >=
               atomic_load_explicit(&thread->engine->flush_sequence, memory_order_acquire);
}

/*
 * Lines that the item after some more will be written to. The lock that publishes an item waits for
 * all that was written before, so writes that miss the cache cost their whole latency.
 */
static inline void segment_log_fetch_ahead(const struct larder_engine *engine,
                                           const struct segment_writer *writer, uint32_t size)
{
    char *segment = engine->base + ((uint64_t)writer->id << engine->segment_shift);
    const uint32_t begin = writer->offset + SEGMENT_FETCH_AHEAD;

    /* It may be behind the end, or fetched already: a prefetch does no harm anywhere. */
    BASE_PREFETCH_WRITE(segment + begin);
    BASE_PREFETCH_WRITE(segment + begin + 64);
    BASE_PREFETCH_WRITE(segment + begin + 128);
    for (uint32_t at = 192; BASE_UNLIKELY(at < size); at += 64) {
        BASE_PREFETCH_WRITE(segment + begin + at);
    }
}

/*
 * The lines in which the next item begins, behind one of `size` bytes that is about to be written: its
 * head is written line by line, whatever way its value is.
 */
static inline void segment_log_fetch_next(const struct larder_engine *engine,
                                          const struct segment_writer *writer, uint32_t size)
{
    char *next =
        engine->base + ((uint64_t)writer->id << engine->segment_shift) + writer->offset + size;

    BASE_PREFETCH_WRITE(next);
    BASE_PREFETCH_WRITE(next + 64);
}

/* Room that fits; returns its place. */
static inline uint64_t segment_log_append(struct larder_thread *thread, uint32_t log, uint32_t size)
{
    struct segment_writer *writer = &thread->writers[log];
    uint64_t place = segment_place(writer->id, writer->offset);

    if (BASE_LIKELY(size <= SEGMENT_FETCH_MAX)) {
        segment_log_fetch_ahead(thread->engine, writer, size);
    } else {
        segment_log_fetch_next(thread->engine, writer, size);
    }
    writer->offset += size;
    atomic_store_explicit(&thread->engine->segments[writer->id].used, writer->offset,
                          memory_order_relaxed);
    return place;
}

/* An entry is about to point into the segment, which this context has opened, and maybe sealed. */
static inline void segment_log_add_live(struct larder_thread *thread, uint32_t id, uint32_t size,
                                        uint32_t expires_at_s)
{
    struct segment *segment = &thread->engine->segments[id];
    struct segment_writer *writer = &thread->writers[SEGMENT_S];

    if (writer->id != id) {
        writer = &thread->writers[SEGMENT_M];
    }
    if (BASE_LIKELY(writer->id == id)) {
        writer->live += SEGMENT_LIVE_ONE + size;
    } else {
        /* Relaxed: a reservation pins the segment, so nobody looks. */
        (void)atomic_fetch_add_explicit(&segment->live, SEGMENT_LIVE_ONE + size,
                                        memory_order_relaxed);
    }
    segment_log_note_expiry(segment, expires_at_s);
    if (expires_at_s != 0) {
        segment_log_note_class(segment, size, expires_at_s, thread->now_s);
    }
}

/* An entry no longer does. Frees a sealed segment that has nothing left. Not under log.lock. */
static inline void segment_log_drop_live(struct larder_thread *thread, uint32_t id, uint32_t size)
{
    struct segment *segment = &thread->engine->segments[id];
    uint64_t before = atomic_fetch_sub(&segment->live, SEGMENT_LIVE_ONE + size);

    if (BASE_UNLIKELY(before >> 32 == 1 && atomic_load(&segment->state) == SEGMENT_SEALED)) {
        segment_log_free_if_empty(thread, id);
    }
}

#endif
