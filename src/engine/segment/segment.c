/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segment engine: its table of functions, reading, flushing, and the upkeep's turn.
 *
 * get() is the path that counts: one line of the index, one or two of the item, the segment's
 * number. It takes no lock, allocates nothing, and for a hot item writes nothing shared: the
 * frequency saturates at 3, the mark is set once, the date once in a minute.
 */
#include "engine/segment/segment.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "engine/segment/segment_priv.h"

enum {
    TICK_STRIPES = 8,  /* stripes grown between two looks at the clock */
    PREFETCH_MAX = 64, /* keys at once: the processor tracks fewer misses than that anyway */
};

struct segment_hit segment_find(const struct larder_engine *engine, const struct larder_key *key,
                                uint64_t *ret_ghost)
{
    const struct segment_index *index = &engine->index;
    const struct segment_table *table =
        segment_index_table(index, segment_index_stripe(index, key->hash));
    struct segment_probe probe = segment_probe_begin(index, table, key->hash);
    struct segment_hit hit;

    while (segment_probe_next(&probe, key->hash, &hit)) {
        const struct segment_item *item;

        if ((hit.value & SLOT_GHOST) != 0) {
            if (ret_ghost != NULL) {
                *ret_ghost = hit.value;
            }
            continue;
        }
        item = segment_item_at(engine, hit.value);
        if (segment_item_key_size(item) == key->size &&
            memcmp(segment_item_key(item, segment_item_state(item)), key->data, key->size) == 0) {
            return hit;
        }
    }
    return (struct segment_hit){NULL, 0, 0};
}

void segment_fill_ref(const struct larder_engine *engine, uint64_t value,
                      const struct segment_item *item, uint32_t now_s, struct larder_ref *ret_ref)
{
    uint32_t state = segment_item_state(item);

    ret_ref->key = segment_item_key(item, state);
    ret_ref->key_size = segment_item_key_size(item);
    ret_ref->value = ret_ref->key + ret_ref->key_size;
    ret_ref->value_size = segment_item_value_size(item, state);
    ret_ref->cas = segment_cas_at(engine, value, item, state);
    ret_ref->pin = 0;
    ret_ref->client_flags = segment_item_client_flags(item, state);
    ret_ref->expires_at_s = segment_item_expiry(item, state);
    ret_ref->last_access_s = segment_item_last_access(state, now_s);
    ret_ref->marks = state & ITEM_MARKS;
}

void segment_event(struct larder_engine *engine, enum larder_event what, uint64_t value,
                   const struct segment_item *item, uint32_t now_s)
{
    struct larder_ref ref;

    if (engine->host->event != NULL) {
        segment_fill_ref(engine, value, item, now_s, &ref);
        engine->host->event(engine->host->context, what, &ref);
    }
}

uint64_t segment_item_hash(const struct segment_item *item, uint32_t state)
{
    return base_hash_key(
        (struct base_slice){segment_item_key(item, state), segment_item_key_size(item)});
}

/* The reader's traces: frequency, mark, date. Lost races are lost hits, nothing more. */
static void leave_traces(const struct segment_hit *hit, struct segment_item *item, uint32_t now_s)
{
    uint32_t state = segment_item_state(item);
    uint64_t value = hit->value;

    if ((value & SLOT_FREQ_MASK) != SLOT_FREQ_MASK) {
        (void)atomic_compare_exchange_strong_explicit(&hit->bucket->slots[hit->slot], &value,
                                                      value + SLOT_FREQ_ONE, memory_order_acq_rel,
                                                      memory_order_relaxed);
    }
    if (BASE_UNLIKELY((state & LARDER_MARK_FETCHED) == 0 ||
                      ((now_s - (state >> 8)) & ITEM_ACCESS_MASK) >= ITEM_ACCESS_GRAIN_S)) {
        (void)atomic_compare_exchange_strong_explicit(
            &item->state, &state, (now_s << 8) | (state & 0xff) | LARDER_MARK_FETCHED,
            memory_order_relaxed, memory_order_relaxed);
    }
}

/*
 * Sets the shown bit, once per item. Under the stripe's lock, so neither relocation nor growth can
 * miss it. False: the entry changed meanwhile, look again.
 */
static bool show_cas(struct larder_engine *engine, const struct larder_key *key, uint64_t value)
{
    struct segment_index *index = &engine->index;
    struct segment_stripe *stripe = &index->stripes[segment_index_stripe(index, key->hash)];
    struct segment_hit hit;
    bool found;

    if ((value & SLOT_CAS_SHOWN) != 0) {
        return true;
    }
    segment_index_lock(stripe);
    found = segment_index_find_place(index, key->hash, value & SLOT_WHERE_MASK, &hit);
    if (found) {
        (void)atomic_fetch_or_explicit(&hit.bucket->slots[hit.slot], SLOT_CAS_SHOWN,
                                       memory_order_acq_rel);
    }
    segment_index_unlock(stripe);
    return found;
}

static enum larder_result get_one(struct larder_thread *thread, const struct larder_key *key,
                                  uint32_t flags, struct larder_ref *ref)
{
    struct larder_engine *engine = thread->engine;

    for (;;) {
        struct segment_hit hit = segment_find(engine, key, NULL);
        struct segment_item *item;

        if (hit.bucket == NULL) {
            return LARDER_MISS;
        }
        if (BASE_UNLIKELY(segment_flushed_at(engine, hit.value))) {
            SEGMENT_COUNT(thread, get_flushed);
            return LARDER_MISS;
        }
        item = segment_item_at(engine, hit.value);
        segment_fill_ref(engine, hit.value, item, thread->now_s, ref);
        if (BASE_UNLIKELY(segment_item_expired(ref->expires_at_s, thread->now_s))) {
            SEGMENT_COUNT(thread, get_expired);
            return LARDER_MISS;
        }
        if ((flags & LARDER_GET_CAS) != 0 && !show_cas(engine, key, hit.value)) {
            continue; /* a writer was first */
        }
        hit.value |= (flags & LARDER_GET_CAS) != 0 ? SLOT_CAS_SHOWN : 0;
        if ((flags & LARDER_GET_PEEK) == 0) {
            leave_traces(&hit, item, thread->now_s);
        }
        ref->pin = 1;
        thread->lent_count++;
        return LARDER_OK;
    }
}

static void segment_get(struct larder_thread *thread, const struct larder_key *keys, uint32_t count,
                        uint32_t flags, uint64_t token, struct larder_ref *refs,
                        enum larder_result *results)
{
    (void)token; /* for engines that answer later */
    CHECK(thread->entered);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = get_one(thread, &keys[i], flags, &refs[i]);
    }
}

static void segment_release(struct larder_thread *thread, struct larder_ref *ref)
{
    if (ref->pin != 0) {
        ref->pin = 0;
        CHECK(thread->lent_count > 0);
        thread->lent_count--;
    }
}

static void segment_prefetch(struct larder_thread *thread, const struct larder_key *keys,
                             uint32_t count)
{
    const struct larder_engine *engine = thread->engine;
    const struct segment_index *index = &engine->index;
    const struct segment_bucket *buckets[PREFETCH_MAX];

    CHECK(thread->entered);
    count = count < PREFETCH_MAX ? count : PREFETCH_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t stripe = segment_index_stripe(index, keys[i].hash);
        const struct segment_table *table = segment_index_table(index, stripe);

        buckets[i] = table->buckets + (uint64_t)stripe * table->per +
                     segment_index_home(index, keys[i].hash, table->per);
        BASE_PREFETCH(buckets[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t info = atomic_load_explicit(&buckets[i]->info, memory_order_acquire);
        uint64_t matches = segment_index_match(info, segment_index_tag(keys[i].hash));

        /* Only the home bucket's: nine of ten items lie there, and the rest are only slower. */
        for (; matches != 0; matches &= matches - 1) {
            uint32_t slot = (uint32_t)__builtin_ctzll(matches) >> 3;
            uint64_t value = atomic_load_explicit(&buckets[i]->slots[slot], memory_order_acquire);

            if (value != 0 && (value & SLOT_GHOST) == 0) {
                const char *item = (const char *)segment_item_at(engine, value);
                BASE_PREFETCH(item);
                BASE_PREFETCH(item + 64);
            }
        }
    }
}

/* ---- turns and flushing ---- */

static void flush_now(struct larder_engine *engine)
{
    segment_log_lock(engine);
    /* Under the lock, see open_taken() in log.c. Release: pairs with segment_flushed_at(). */
    atomic_store_explicit(&engine->flush_sequence, segment_sequence_next(engine),
                          memory_order_release);
    segment_log_unlock(engine);
    if (engine->host->wake != NULL) {
        engine->host->wake(engine->host->context);
    }
}

static void flush_if_due(struct larder_engine *engine, uint32_t now_s)
{
    uint32_t at_s = atomic_load_explicit(&engine->flush_at_s, memory_order_relaxed);

    /* Whoever takes the date away does it. */
    if (BASE_UNLIKELY(at_s != 0 && at_s <= now_s) &&
        atomic_compare_exchange_strong(&engine->flush_at_s, &at_s, 0)) {
        flush_now(engine);
    }
}

static void segment_flush(struct larder_engine *engine, uint32_t at_s)
{
    CHECK_OBJ(engine, SEGMENT_ENGINE_MAGIC);
    atomic_store(&engine->flush_at_s, at_s);
    if (at_s == 0) {
        flush_now(engine);
    }
}

static void segment_thread_begin(struct larder_thread *thread, uint32_t now_s)
{
    CHECK_OBJ(thread, SEGMENT_THREAD_MAGIC);
    CHECK(!thread->entered);
    thread->entered = true;
    thread->now_s = now_s;
    engine_epoch_enter(&thread->reader);
    flush_if_due(thread->engine, now_s);
}

static void segment_thread_end(struct larder_thread *thread)
{
    CHECK_OBJ(thread, SEGMENT_THREAD_MAGIC);
    CHECK(thread->entered);
    thread->entered = false;
    thread->lent_count = 0;
    engine_epoch_leave(&thread->reader);
}

void segment_turn(struct larder_thread *thread)
{
    if (thread->lent_count > 0) {
        segment_log_poll(thread->engine);
        return;
    }
    thread->turns++;
    engine_epoch_leave(&thread->reader);
    segment_log_poll(thread->engine);
    engine_epoch_enter(&thread->reader);
}

/* Is memory short, or too much in use since resize()? */
static bool upkeep_reclaim(struct larder_thread *thread)
{
    struct larder_engine *engine = thread->engine;
    uint32_t low = SEGMENT_FREE_MIN + 1 + engine->worker_count;

    if (!segment_budget_exceeded(engine) && segment_log_available(engine) >= low) {
        return false;
    }
    if (segment_log_release(engine, 0) && segment_log_available(engine) >= low) {
        return false;
    }
    /* What waits for its readers will do; if they take long, the workers find out by themselves. */
    if (atomic_load(&engine->log.limbo_count) >= low ||
        segment_large_release(engine, (uint64_t)low << engine->segment_shift)) {
        return false;
    }
    return segment_reclaim(thread, false) == SEGMENT_RECLAIM_DONE;
}

/* One slice of tick()'s work, inside an epoch. Returns true when there is more. */
static bool upkeep_slice(struct larder_thread *thread)
{
    return segment_grow_step(thread, TICK_STRIPES) || segment_reclaim_expired(thread) ||
           upkeep_reclaim(thread) || segment_log_prepare(thread->engine);
}

static bool segment_tick(struct larder_engine *engine, uint32_t now_s, uint64_t budget_ns)
{
    struct larder_thread *thread = segment_upkeep(engine);
    uint64_t end_ns = base_clock_monotonic_ns() + budget_ns;
    bool more;

    CHECK_OBJ(engine, SEGMENT_ENGINE_MAGIC);
    flush_if_due(engine, now_s);
    thread->now_s = now_s;
    do {
        engine_epoch_enter(&thread->reader);
        more = upkeep_slice(thread);
        engine_epoch_leave(&thread->reader);
        segment_log_poll(engine);
    } while (more && base_clock_monotonic_ns() < end_ns);
    return more;
}

static const struct larder_engine_ops segment_ops = {
    .size = sizeof(struct larder_engine_ops),
    .abi_major = LARDER_ENGINE_ABI_MAJOR,
    .abi_minor = LARDER_ENGINE_ABI_MINOR,
    .capabilities = LARDER_CAP_CAS | LARDER_CAP_EXPIRY_EXACT | LARDER_CAP_TOUCH | LARDER_CAP_MARKS |
                    LARDER_CAP_LAST_ACCESS | LARDER_CAP_RESERVE | LARDER_CAP_SCAN |
                    LARDER_CAP_PINS | LARDER_CAP_RESIZE | LARDER_CAP_EVICTS,
    .name = "segment",
    .version = "1",
    .open = segment_open,
    .close = segment_close,
    .thread_attach = segment_thread_attach,
    .thread_detach = segment_thread_detach,
    .thread_begin = segment_thread_begin,
    .thread_end = segment_thread_end,
    .prefetch = segment_prefetch,
    .get = segment_get,
    .collect = NULL,
    .release = segment_release,
    .put = segment_put,
    .reserve = segment_reserve,
    .commit = segment_commit,
    .abandon = segment_abandon,
    .remove = segment_remove,
    .touch = segment_touch,
    .mark = segment_mark,
    .flush = segment_flush,
    .tick = segment_tick,
    .scan = segment_scan,
    .stats = segment_stats,
    .stats_reset = segment_stats_reset,
    .pins = segment_pins,
    .resize = segment_resize,
};

const struct larder_engine_ops *segment_engine_entry(uint32_t host_abi_major,
                                                     uint32_t host_abi_minor)
{
    (void)host_abi_minor; /* every minor version of this major one is understood */
    return host_abi_major == LARDER_ENGINE_ABI_MAJOR ? &segment_ops : NULL;
}
