/* SPDX-License-Identifier: BSD-3-Clause */
/* The segment engine: its table of functions, flushing, and the upkeep's turn. */
#include "engine/segment/segment.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "engine/segment/segment_priv.h"
#include "engine/segment/store.h"

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
    thread->turns++;
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

/*
 * One slice of tick()'s work, inside an epoch. Returns true when there is more. All of it has its
 * turn: growth goes on for a second, and who needs memory meanwhile would have to make it himself.
 */
static bool upkeep_slice(struct larder_thread *thread)
{
    bool grown = segment_grow_step(thread);
    bool reclaimed = segment_reclaim_expired(thread);

    reclaimed |= upkeep_reclaim(thread);
    /* What was reclaimed will be free, so nothing has to be fetched from the system. */
    return (!reclaimed && segment_log_prepare(thread->engine)) || grown || reclaimed;
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
        segment_large_sweep(engine);
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
