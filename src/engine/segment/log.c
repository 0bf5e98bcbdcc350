/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments, logs and the budget; the model is in log.h. */
#include "engine/segment/log.h"

#include <sched.h>
#include <sys/mman.h>

#include "base/check.h"
#include "engine/segment/segment_priv.h"

enum { OPEN_ROUNDS = 8 }; /* a worker's tries to make room before it answers LARDER_BUSY */

/* Upper bounds, seconds, of the histogram's classes; the last has none. */
static const uint32_t expiry_class_s[SEGMENT_EXPIRY_CLASSES - 1] = {
    60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600,
};

void segment_log_lock(struct larder_engine *engine)
{
    CHECK(pthread_mutex_lock(&engine->log.lock) == 0);
}

void segment_log_unlock(struct larder_engine *engine)
{
    CHECK(pthread_mutex_unlock(&engine->log.lock) == 0);
}

/* ---- budget ---- */

bool segment_budget_charge(struct larder_engine *engine, uint64_t size)
{
    uint64_t max = atomic_load_explicit(&engine->log.memory_max, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&engine->log.memory_used, memory_order_relaxed);

    /* Relaxed: the number guards no data. */
    do {
        if (used > max || size > max - used) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&engine->log.memory_used, &used, used + size,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void segment_budget_force(struct larder_engine *engine, uint64_t size)
{
    (void)atomic_fetch_add_explicit(&engine->log.memory_used, size, memory_order_relaxed);
}

void segment_budget_return(struct larder_engine *engine, uint64_t size)
{
    uint64_t before =
        atomic_fetch_sub_explicit(&engine->log.memory_used, size, memory_order_relaxed);

    CHECK(before >= size);
}

bool segment_budget_exceeded(const struct larder_engine *engine)
{
    return atomic_load_explicit(&engine->log.memory_used, memory_order_relaxed) >
           atomic_load_explicit(&engine->log.memory_max, memory_order_relaxed);
}

uint32_t segment_log_available(const struct larder_engine *engine)
{
    uint64_t max = atomic_load_explicit(&engine->log.memory_max, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&engine->log.memory_used, memory_order_relaxed);
    uint64_t unused = used < max ? (max - used) >> engine->segment_shift : 0;

    return atomic_load_explicit(&engine->log.free_count, memory_order_relaxed) + (uint32_t)unused;
}

static void set_state(struct segment *segment, enum segment_state state)
{
    atomic_store(&segment->state, (uint32_t)state);
}

static char *segment_memory(const struct larder_engine *engine, uint32_t id)
{
    return engine->base + ((uint64_t)id << engine->segment_shift);
}

/* Under the lock. A free segment goes cold and its charge back. */
static void make_cold(struct larder_engine *engine, uint32_t id)
{
    struct segment *segment = &engine->segments[id];

    CHECK(madvise(segment_memory(engine, id), engine->segment_size, MADV_DONTNEED) == 0);
    set_state(segment, SEGMENT_COLD);
    segment->older = engine->log.cold_top;
    engine->log.cold_top = id;
    segment_budget_return(engine, engine->segment_size);
}

static uint32_t pop_free(struct larder_engine *engine)
{
    uint32_t id = engine->log.free_top;

    if (id != 0) {
        engine->log.free_top = engine->segments[id].older;
        (void)atomic_fetch_sub(&engine->log.free_count, 1);
    }
    return id;
}

bool segment_log_release(struct larder_engine *engine, uint64_t size)
{
    bool enough;

    segment_log_lock(engine);
    for (;;) {
        uint64_t used = atomic_load_explicit(&engine->log.memory_used, memory_order_relaxed);
        uint64_t max = atomic_load_explicit(&engine->log.memory_max, memory_order_relaxed);
        uint32_t id;

        enough = used <= max && max - used >= size;
        id = enough ? 0 : pop_free(engine);
        if (id == 0) {
            break;
        }
        make_cold(engine, id);
    }
    segment_log_unlock(engine);
    return enough;
}

/* Under the lock. A segment that was not in use, charged, or 0. */
static uint32_t take_cold(struct larder_engine *engine)
{
    struct segment_log *log = &engine->log;
    uint32_t id;

    if (log->cold_top == 0 && log->fresh_next == log->id_end) {
        return 0;
    }
    if (!segment_budget_charge(engine, engine->segment_size)) {
        return 0;
    }
    if (log->cold_top != 0) {
        id = log->cold_top;
        log->cold_top = engine->segments[id].older;
        return id;
    }
    return log->fresh_next++;
}

/* Under the lock. A segment, or 0. `reserve` segments stay available. */
static uint32_t take(struct larder_engine *engine, uint32_t reserve)
{
    uint32_t id;

    if (segment_log_available(engine) <= reserve) {
        return 0;
    }
    id = pop_free(engine);
    return id != 0 ? id : take_cold(engine);
}

/* Under the lock. */
static void push_free(struct larder_engine *engine, uint32_t id)
{
    set_state(&engine->segments[id], SEGMENT_FREE);
    engine->segments[id].older = engine->log.free_top;
    engine->log.free_top = id;
    (void)atomic_fetch_add(&engine->log.free_count, 1);
}

bool segment_log_prepare(struct larder_engine *engine)
{
    uint32_t id = 0;

    segment_log_lock(engine);
    /* An idle cache takes nothing. */
    if (atomic_load(&engine->log.open_count) > 0 &&
        atomic_load(&engine->log.free_count) < SEGMENT_READY) {
        id = take_cold(engine);
    }
    segment_log_unlock(engine);
    if (id == 0) {
        return false;
    }
    segment_populate(segment_memory(engine, id), engine->segment_size);
    segment_log_lock(engine);
    push_free(engine, id);
    segment_log_unlock(engine);
    return true;
}

/* ---- lists ---- */

void segment_log_link_head(struct larder_engine *engine, uint32_t id, uint32_t log)
{
    struct segment *segment = &engine->segments[id];
    uint32_t head = engine->log.head[log];

    segment->newer = 0;
    segment->older = head;
    engine->log.head[log] = id;
    if (head != 0) {
        engine->segments[head].newer = id;
    } else {
        engine->log.tail[log] = id;
    }
    atomic_store_explicit(&segment->log, log, memory_order_relaxed);
    (void)atomic_fetch_add(&engine->log.count[log], 1);
}

void segment_log_unlink(struct larder_engine *engine, uint32_t id)
{
    struct segment *segment = &engine->segments[id];
    uint32_t log = atomic_load_explicit(&segment->log, memory_order_relaxed);

    if (segment->newer != 0) {
        engine->segments[segment->newer].older = segment->older;
    } else {
        CHECK(engine->log.head[log] == id);
        engine->log.head[log] = segment->older;
    }
    if (segment->older != 0) {
        engine->segments[segment->older].newer = segment->newer;
    } else {
        CHECK(engine->log.tail[log] == id);
        engine->log.tail[log] = segment->newer;
    }
    (void)atomic_fetch_sub(&engine->log.count[log], 1);
}

/* Called by the epoch's poll, under the lock. */
static void leave_limbo(struct engine_epoch_entry *entry)
{
    struct segment *segment =
        (struct segment *)(void *)((char *)entry - offsetof(struct segment, entry));
    struct larder_engine *engine = segment->engine;
    uint32_t id = (uint32_t)(segment - engine->segments);

    CHECK(atomic_load(&segment->state) == SEGMENT_LIMBO);
    (void)atomic_fetch_sub(&engine->log.limbo_count, 1);
    if (segment_budget_exceeded(engine)) {
        make_cold(engine, id);
        return;
    }
    push_free(engine, id);
}

void segment_log_retire(struct larder_engine *engine, uint32_t id)
{
    struct segment *segment = &engine->segments[id];

    /* Whoever erased the last entries may not have counted them down yet; he is in his epoch. */
    CHECK(atomic_load(&segment->pins) == 0);
    set_state(segment, SEGMENT_LIMBO);
    (void)atomic_fetch_add(&engine->log.limbo_count, 1);
    engine_epoch_defer(&engine->log.epoch, &segment->entry, leave_limbo);
}

void segment_log_poll(struct larder_engine *engine)
{
    segment_log_lock(engine);
    engine_epoch_poll(&engine->log.epoch);
    segment_log_unlock(engine);
}

/* ---- appending ---- */

/* Under the lock. Free a sealed segment if nothing is left of it. */
static bool free_if_empty(struct larder_engine *engine, uint32_t id)
{
    struct segment *segment = &engine->segments[id];

    if (atomic_load(&segment->state) != SEGMENT_SEALED || atomic_load(&segment->live) >> 32 != 0 ||
        atomic_load(&segment->pins) != 0) {
        return false;
    }
    segment_log_unlink(engine, id);
    segment_log_retire(engine, id);
    return true;
}

/* Under the lock. */
static void seal(struct larder_thread *thread, uint32_t log)
{
    struct larder_engine *engine = thread->engine;
    struct segment_writer *writer = &thread->writers[log];
    uint64_t live;

    if (writer->id == 0) {
        return;
    }
    live = atomic_fetch_add(&engine->segments[writer->id].live, writer->live) + writer->live;
    CHECK((int64_t)live >= 0);
    engine->segments[writer->id].sealed_sequence =
        atomic_load_explicit(&engine->log.sequence, memory_order_relaxed);
    segment_log_link_head(engine, writer->id, log);
    (void)atomic_fetch_sub(&engine->log.open_count, 1);
    /* Sequentially consistent, as in segment_log_drop_live(): one of the two sees the other. */
    set_state(&engine->segments[writer->id], SEGMENT_SEALED);
    if (free_if_empty(engine, writer->id)) {
        SEGMENT_COUNT(thread, segments_emptied);
    }
    *writer = (struct segment_writer){0};
}

static bool open_taken(struct larder_thread *thread, uint32_t log, uint32_t reserve)
{
    struct larder_engine *engine = thread->engine;
    struct segment_writer *writer = &thread->writers[log];
    struct segment *segment;
    uint32_t id;

    segment_log_lock(engine);
    seal(thread, log);
    engine_epoch_poll(
        &engine->log.epoch); /* what was emptied is still in the cache: it goes first */
    id = take(engine, reserve);
    if (id != 0) {
        segment = &engine->segments[id];
        /* The number is drawn under the lock, as flush() does: a segment with a later one was
         * opened after the flush was visible. */
        segment->engine = engine;
        writer->id = id;
        writer->offset = 0;
        writer->sequence = segment_sequence_next(engine);
        atomic_store_explicit(&engine->sequences[id], writer->sequence, memory_order_relaxed);
        atomic_store(&segment->live, 0);
        atomic_store_explicit(&segment->used, 0, memory_order_relaxed);
        atomic_store_explicit(&segment->log, log, memory_order_relaxed);
        atomic_store_explicit(&segment->opened_s, thread->now_s, memory_order_relaxed);
        atomic_store_explicit(&segment->expiry_max, 0, memory_order_relaxed);
        for (uint32_t i = 0; i < SEGMENT_EXPIRY_CLASSES; i++) {
            atomic_store_explicit(&segment->expiring[i], 0, memory_order_relaxed);
        }
        set_state(segment, SEGMENT_OPEN);
        (void)atomic_fetch_add(&engine->log.open_count, 1);
    }
    segment_log_unlock(engine);
    return id != 0;
}

bool segment_log_open_reserve(struct larder_thread *thread, uint32_t log)
{
    return open_taken(thread, log, 0);
}

/* Did this context's reclaim open a segment of the log for what it kept, with room for any item? */
static bool reclaim_left_room(const struct larder_thread *thread, uint32_t log)
{
    const struct segment_writer *writer = &thread->writers[log];
    const struct larder_engine *engine = thread->engine;

    return writer->id != 0 && writer->offset + engine->item_small_max <= engine->segment_size;
}

enum larder_result segment_log_open(struct larder_thread *thread, uint32_t log)
{
    struct larder_engine *engine = thread->engine;
    uint32_t low = SEGMENT_FREE_MIN + 1 + engine->worker_count;

    for (uint32_t round = 0; round < OPEN_ROUNDS; round++) {
        if (open_taken(thread, log, SEGMENT_FREE_MIN)) {
            if (engine->host->wake != NULL && (segment_log_available(engine) < low ||
                                               atomic_load(&engine->log.free_count) == 0)) {
                engine->host->wake(engine->host->context);
            }
            return LARDER_OK;
        }
        if (segment_large_release(engine, (SEGMENT_FREE_MIN + 1ull) << engine->segment_shift)) {
            continue;
        }
        /* What is in limbo already will do, once its readers have left. */
        if (atomic_load(&engine->log.limbo_count) < low &&
            segment_reclaim(thread, true) == SEGMENT_RECLAIM_NOTHING &&
            atomic_load(&engine->log.limbo_count) == 0) {
            SEGMENT_COUNT(thread, no_space);
            return LARDER_NO_SPACE;
        }
        segment_turn(thread);
        if (reclaim_left_room(thread, log)) {
            return LARDER_OK;
        }
        if (round > 1) {
            (void)sched_yield();
        }
    }
    SEGMENT_COUNT(thread, busy);
    return LARDER_BUSY;
}

void segment_log_retract(struct larder_thread *thread, uint64_t place, uint32_t size)
{
    uint32_t id = segment_place_id(place);

    for (uint32_t log = 0; log < SEGMENT_LOGS; log++) {
        struct segment_writer *writer = &thread->writers[log];
        if (writer->id == id && writer->offset == segment_place_offset(place) + size) {
            writer->offset -= size;
            atomic_store_explicit(&thread->engine->segments[id].used, writer->offset,
                                  memory_order_relaxed);
        }
    }
}

void segment_log_seal_all(struct larder_thread *thread)
{
    segment_log_lock(thread->engine);
    for (uint32_t log = 0; log < SEGMENT_LOGS; log++) {
        seal(thread, log);
    }
    segment_log_unlock(thread->engine);
}

/* ---- accounting ---- */

void segment_log_note_class(struct segment *segment, uint32_t size, uint32_t expires_at_s,
                            uint32_t now_s)
{
    uint32_t class = 0;
    uint32_t bytes;

    while (class < SEGMENT_EXPIRY_CLASSES - 1 && expires_at_s > now_s &&
           expires_at_s - now_s > expiry_class_s[class]) {
        class ++;
    }
    bytes = atomic_load_explicit(&segment->expiring[class], memory_order_relaxed);
    atomic_store_explicit(&segment->expiring[class], bytes + size, memory_order_relaxed);
}

void segment_log_free_if_empty(struct larder_thread *thread, uint32_t id)
{
    segment_log_lock(thread->engine);
    if (free_if_empty(thread->engine, id)) {
        SEGMENT_COUNT(thread, segments_emptied);
    }
    segment_log_unlock(thread->engine);
}

void segment_log_unpin(struct larder_thread *thread, uint32_t id)
{
    struct segment *segment = &thread->engine->segments[id];

    if (atomic_fetch_sub(&segment->pins, 1) == 1) {
        (void)atomic_fetch_sub(&thread->engine->log.pinned_count, 1);
        if (atomic_load(&segment->state) == SEGMENT_SEALED) {
            segment_log_free_if_empty(thread, id);
        }
    }
}

uint32_t segment_log_estimate(const struct segment *segment, uint32_t now_s)
{
    uint64_t live = atomic_load_explicit(&segment->live, memory_order_relaxed) & 0xffffffff;
    uint64_t used = atomic_load_explicit(&segment->used, memory_order_relaxed);
    uint32_t opened_s = atomic_load_explicit(&segment->opened_s, memory_order_relaxed);
    uint64_t expired = 0;

    for (uint32_t i = 0; i < SEGMENT_EXPIRY_CLASSES - 1; i++) {
        if ((uint64_t)opened_s + expiry_class_s[i] <= now_s) {
            expired += atomic_load_explicit(&segment->expiring[i], memory_order_relaxed);
        }
    }
    expired = expired < used ? expired : used;
    return used == 0 ? 0 : (uint32_t)(live * (used - expired) / used);
}
