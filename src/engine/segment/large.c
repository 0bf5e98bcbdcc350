/* SPDX-License-Identifier: BSD-3-Clause */
/* Large objects; the model is in large.h. */
#include "engine/segment/large.h"

#include <sched.h>
#include <sys/mman.h>

#include "base/check.h"
#include "engine/segment/segment_priv.h"

enum {
    RECLAIMS_FACTOR = 16, /* reclaims per segment's worth of an object, at most */
    ROUNDS_MAX = 64,      /* a worker's tries to make room before it answers LARDER_BUSY */
    SIZE_STEPS = 8,     /* mappings come in so many sizes per power of two, so they can be reused */
    KEPT_FRACTION = 16, /* kept mappings take at most 1/16 of memory_max */
    KEPT_LOOKS = 8,     /* kept mappings tried before a new one is made */
    TOO_LARGE_DIVISOR = 2, /* one object takes at most half of memory_max */
};

struct segment_item *segment_large_item(const struct larder_engine *engine, uint64_t value)
{
    return engine->large.objects[value & SLOT_PLACE_MASK].item;
}

uint64_t segment_large_sequence(const struct larder_engine *engine, uint64_t value)
{
    return atomic_load_explicit(&engine->large.objects[value & SLOT_PLACE_MASK].sequence,
                                memory_order_relaxed);
}

static void set_state(struct segment_large *object, enum segment_large_state state)
{
    atomic_store_explicit(&object->state, (uint32_t)state, memory_order_relaxed);
}

static enum segment_large_state get_state(const struct segment_large *object)
{
    return (enum segment_large_state)atomic_load_explicit(&object->state, memory_order_relaxed);
}

/* Whole pages, in steps of an eighth of a power of two: at most 12.5 % more than asked for. */
static uint64_t mapping_size(uint64_t size)
{
    uint64_t step = (1ull << (63 - __builtin_clzll(size))) / SIZE_STEPS;

    step = step < 4096 ? 4096 : step;
    return (size + step - 1) / step * step;
}

/* ---- under log.lock ---- */

static void link_head(struct segment_large_table *table, uint32_t number)
{
    struct segment_large *object = &table->objects[number];

    object->newer = 0;
    object->older = table->head;
    if (table->head != 0) {
        table->objects[table->head].newer = number;
    } else {
        table->tail = number;
    }
    table->head = number;
    set_state(object, LARGE_LISTED);
}

void segment_large_unlink(struct larder_engine *engine, uint32_t number)
{
    struct segment_large_table *table = &engine->large;
    struct segment_large *object = &table->objects[number];

    CHECK(get_state(object) == LARGE_LISTED);
    if (object->newer != 0) {
        table->objects[object->newer].older = object->older;
    } else {
        table->head = object->older;
    }
    if (object->older != 0) {
        table->objects[object->older].newer = object->newer;
    } else {
        table->tail = object->newer;
    }
    set_state(object, LARGE_TAKEN);
}

void segment_large_relist(struct larder_engine *engine, uint32_t number)
{
    struct segment_large *object = &engine->large.objects[number];
    uint64_t flushed = atomic_load(&engine->flush_sequence);

    if (get_state(object) != LARGE_TAKEN) {
        return; /* its entry has gone meanwhile */
    }
    if (atomic_load_explicit(&object->sequence, memory_order_relaxed) >= flushed) {
        atomic_store_explicit(&object->sequence, segment_sequence_next(engine),
                              memory_order_relaxed);
    }
    link_head(&engine->large, number);
}

bool segment_large_dead(const struct larder_engine *engine, uint32_t number, uint32_t now_s)
{
    const struct segment_large *object = &engine->large.objects[number];
    uint32_t expiry;

    if (get_state(object) != LARGE_LISTED) {
        return false;
    }
    expiry = segment_item_expiry(object->item, segment_item_state(object->item));
    return segment_flushed_at(engine, SLOT_LARGE | number) || segment_item_expired(expiry, now_s);
}

/* Its mapping has gone. */
static void recycle(struct larder_engine *engine, uint32_t number)
{
    struct segment_large *object = &engine->large.objects[number];

    segment_budget_return(engine, object->size);
    object->item = NULL;
    object->size = 0;
    set_state(object, LARGE_UNUSED);
    object->older = engine->large.unused_top;
    engine->large.unused_top = number;
}

static void kept_bytes_add(struct larder_engine *engine, uint64_t size)
{
    (void)atomic_fetch_add_explicit(&engine->large.kept_bytes, size, memory_order_relaxed);
}

/* It waits for segment_large_sweep(). */
static void doom(struct larder_engine *engine, uint32_t number)
{
    struct segment_large *object = &engine->large.objects[number];

    set_state(object, LARGE_DOOMED);
    object->older = engine->large.doomed_head;
    engine->large.doomed_head = number;
    (void)atomic_fetch_add(&engine->large.doomed_count, 1);
    (void)atomic_fetch_add(&engine->log.limbo_count, 1);
}

/* A mapping nobody reads: kept if it is within bounds. */
static void keep_or_doom(struct larder_engine *engine, uint32_t number)
{
    struct segment_large *object = &engine->large.objects[number];
    uint64_t max = atomic_load_explicit(&engine->log.memory_max, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&engine->log.memory_used, memory_order_relaxed);
    uint64_t kept = atomic_load_explicit(&engine->large.kept_bytes, memory_order_relaxed);

    if (used > max || kept + object->size > max / KEPT_FRACTION) {
        doom(engine, number);
        return;
    }
    set_state(object, LARGE_KEPT);
    object->older = engine->large.kept_head;
    engine->large.kept_head = number;
    kept_bytes_add(engine, object->size);
}

/* Called by the epoch's poll. */
static void leave_limbo(struct engine_epoch_entry *entry)
{
    struct segment_large *object =
        (struct segment_large *)(void *)((char *)entry - offsetof(struct segment_large, entry));
    struct larder_engine *engine = object->engine;

    CHECK(get_state(object) == LARGE_LIMBO);
    keep_or_doom(engine, (uint32_t)(object - engine->large.objects));
    (void)atomic_fetch_sub(&engine->log.limbo_count, 1);
}

static void now_private(struct larder_engine *engine, uint32_t number)
{
    struct segment_large *object = &engine->large.objects[number];

    set_state(object, LARGE_PRIVATE);
    object->engine = engine;
    atomic_store_explicit(&object->sequence, segment_sequence_next(engine), memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&engine->large.count, 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&engine->large.bytes, object->size, memory_order_relaxed);
}

static void no_longer_private(struct larder_engine *engine, const struct segment_large *object)
{
    (void)atomic_fetch_sub_explicit(&engine->large.count, 1, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&engine->large.bytes, object->size, memory_order_relaxed);
}

/* A kept mapping that is large enough and not a quarter too large, or 0. */
static uint32_t take_kept(struct larder_engine *engine, uint64_t size)
{
    uint32_t *link = &engine->large.kept_head;

    for (uint32_t looks = 0; *link != 0 && looks < KEPT_LOOKS; looks++) {
        struct segment_large *object = &engine->large.objects[*link];
        if (object->size >= size && object->size - size <= size / 4) {
            uint32_t number = *link;
            *link = object->older;
            kept_bytes_add(engine, 0 - object->size);
            return number;
        }
        link = &object->older;
    }
    return 0;
}

static uint32_t take_number(struct larder_engine *engine)
{
    struct segment_large_table *table = &engine->large;
    uint32_t number = table->unused_top;

    if (number != 0) {
        table->unused_top = table->objects[number].older;
        return number;
    }
    return table->fresh_next < table->number_end ? table->fresh_next++ : 0;
}

void segment_large_sweep(struct larder_engine *engine)
{
    struct segment_large_table *table = &engine->large;

    while (atomic_load(&table->doomed_count) > 0) {
        uint32_t number;

        segment_log_lock(engine);
        number = table->doomed_head;
        if (number != 0) {
            table->doomed_head = table->objects[number].older;
            (void)atomic_fetch_sub(&table->doomed_count, 1);
        }
        segment_log_unlock(engine);
        if (number == 0) {
            return;
        }
        CHECK(munmap(table->objects[number].item, table->objects[number].size) == 0);
        segment_log_lock(engine);
        recycle(engine, number);
        (void)atomic_fetch_sub(&engine->log.limbo_count, 1);
        segment_log_unlock(engine);
    }
}

/* Is it uncharged? */
static bool has_room(const struct larder_engine *engine, uint64_t size)
{
    uint64_t max = atomic_load(&engine->log.memory_max);
    uint64_t used = atomic_load(&engine->log.memory_used);

    return used <= max && max - used >= size;
}

bool segment_large_release(struct larder_engine *engine, uint64_t size)
{
    bool swept = atomic_load(&engine->large.doomed_count) > 0;

    segment_large_sweep(engine);
    if (swept && has_room(engine, size)) {
        return true;
    }
    while (atomic_load_explicit(&engine->large.kept_bytes, memory_order_relaxed) > 0) {
        uint32_t number;

        segment_log_lock(engine);
        number = engine->large.kept_head;
        if (number != 0) {
            engine->large.kept_head = engine->large.objects[number].older;
            kept_bytes_add(engine, 0 - engine->large.objects[number].size);
            doom(engine, number);
        }
        segment_log_unlock(engine);
        segment_large_sweep(engine);
        if (has_room(engine, size)) {
            return true;
        }
    }
    return false;
}

/* ---- making ---- */

/* From what is kept, or a new mapping of charged memory. 0: no memory. */
static uint32_t create_once(struct larder_engine *engine, uint64_t size)
{
    struct segment_large *object;
    uint32_t number;
    void *memory;

    segment_log_lock(engine);
    engine_epoch_poll(&engine->log.epoch); /* what was replaced is the best to reuse */
    number = take_kept(engine, size);
    if (number != 0) {
        now_private(engine, number);
        segment_log_unlock(engine);
        return number;
    }
    segment_log_unlock(engine);
    if (!segment_budget_charge(engine, size)) {
        segment_large_sweep(engine);
        if (!segment_budget_charge(engine, size)) {
            return 0;
        }
    }
    memory = segment_map(size, engine->huge_pages);
    segment_log_lock(engine);
    number = memory == NULL ? 0 : take_number(engine);
    if (number == 0) {
        segment_log_unlock(engine);
        segment_budget_return(engine, size);
        if (memory != NULL) {
            CHECK(munmap(memory, size) == 0);
        }
        return 0;
    }
    object = &engine->large.objects[number];
    object->item = memory;
    object->size = size;
    now_private(engine, number);
    segment_log_unlock(engine);
    return number;
}

/* Bytes that will be uncharged, or could be, without evicting anything more. */
static uint64_t bytes_coming(const struct larder_engine *engine)
{
    return (uint64_t)(atomic_load(&engine->log.limbo_count) + atomic_load(&engine->log.free_count))
           << engine->segment_shift;
}

enum larder_result segment_large_create(struct larder_thread *thread, uint64_t size,
                                        uint32_t *ret_number)
{
    struct larder_engine *engine = thread->engine;
    uint64_t wanted = mapping_size(size);
    /* Reclaims that may be needed: others take of what this one frees. */
    uint64_t reclaims_left = ROUNDS_MAX + (wanted >> engine->segment_shift) * RECLAIMS_FACTOR;
    uint32_t stuck = 0;

    if (wanted > atomic_load(&engine->log.memory_max) / TOO_LARGE_DIVISOR) {
        return LARDER_TOO_LARGE;
    }
    while (stuck < ROUNDS_MAX) {
        uint32_t number = create_once(engine, wanted);

        if (number != 0) {
            *ret_number = number;
            return LARDER_OK;
        }
        if (segment_log_release(engine, wanted) || segment_large_release(engine, wanted)) {
            stuck++;
            continue;
        }
        if (reclaims_left > 0 &&
            bytes_coming(engine) < wanted + ((uint64_t)SEGMENT_FREE_MIN << engine->segment_shift) &&
            segment_reclaim(thread, true) == SEGMENT_RECLAIM_DONE) {
            reclaims_left--;
            segment_turn(thread);
            continue;
        }
        if (reclaims_left > 0 && atomic_load(&engine->log.limbo_count) == 0) {
            SEGMENT_COUNT(thread, no_space);
            return LARDER_NO_SPACE;
        }
        stuck++;
        segment_turn(thread);
        (void)sched_yield();
    }
    SEGMENT_COUNT(thread, busy);
    return LARDER_BUSY;
}

void segment_large_list(struct larder_engine *engine, uint32_t number)
{
    segment_log_lock(engine);
    /* It may have been replaced and retired already. */
    if (get_state(&engine->large.objects[number]) == LARGE_PRIVATE) {
        link_head(&engine->large, number);
    }
    segment_log_unlock(engine);
}

void segment_large_retire(struct larder_engine *engine, uint32_t number)
{
    struct segment_large *object = &engine->large.objects[number];

    segment_log_lock(engine);
    if (get_state(object) == LARGE_LISTED) {
        segment_large_unlink(engine, number);
    }
    no_longer_private(engine, object);
    set_state(object, LARGE_LIMBO);
    (void)atomic_fetch_add(&engine->log.limbo_count, 1);
    engine_epoch_defer(&engine->log.epoch, &object->entry, leave_limbo);
    segment_log_unlock(engine);
}

void segment_large_discard(struct larder_engine *engine, uint32_t number)
{
    segment_log_lock(engine);
    CHECK(get_state(&engine->large.objects[number]) == LARGE_PRIVATE);
    no_longer_private(engine, &engine->large.objects[number]);
    keep_or_doom(engine, number);
    segment_log_unlock(engine);
}

void segment_large_fini(struct larder_engine *engine)
{
    for (uint32_t i = 1; i < engine->large.fresh_next; i++) {
        struct segment_large *object = &engine->large.objects[i];

        if (object->item != NULL) {
            CHECK(munmap(object->item, object->size) == 0);
        }
    }
}
