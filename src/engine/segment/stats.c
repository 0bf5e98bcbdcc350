/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine says about itself, in memcached's names where there is one for it.
 *
 * Counters are per context and summed here. A reset remembers the sums of the moment and takes
 * them off later; what counts things that exist now is never reset.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "engine/segment/segment_priv.h"

enum { VALUE_SIZE = 32, SIZE_CLASS = 32, SIZE_CLASSES = 32768 };
enum {
    SCAN_STEP = 4096,     /* items walked in one epoch: no memory comes back meanwhile */
    GHOST_STRIPES = 4096, /* stripes that are asked for their ghosts; of more every nth */
};

struct out {
    larder_stat_fn fn;
    void *arg;
};

uint64_t segment_sum(const struct larder_engine *engine, enum segment_counter counter)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < engine->context_count; i++) {
        sum += atomic_load_explicit(&engine->contexts[i].counters[counter], memory_order_relaxed);
    }
    return sum;
}

static void put(const struct out *out, const char *name, uint64_t value)
{
    char text[VALUE_SIZE];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    out->fn(out->arg, name, text);
}

static void sums(struct larder_engine *engine, uint64_t *ret_sums)
{
    CHECK(pthread_mutex_lock(&engine->guest_lock) == 0);
    for (int i = 0; i < SEGMENT_COUNTER_COUNT; i++) {
        ret_sums[i] = segment_sum(engine, (enum segment_counter)i) - engine->counters_base[i];
    }
    CHECK(pthread_mutex_unlock(&engine->guest_lock) == 0);
}

void segment_stats_reset(struct larder_engine *engine)
{
    CHECK_OBJ(engine, SEGMENT_ENGINE_MAGIC);
    CHECK(pthread_mutex_lock(&engine->guest_lock) == 0);
    for (int i = 0; i < SEGMENT_COUNTER_COUNT; i++) {
        if (i != SEGMENT_COUNT_items && i != SEGMENT_COUNT_bytes) {
            engine->counters_base[i] = segment_sum(engine, (enum segment_counter)i);
        }
    }
    CHECK(pthread_mutex_unlock(&engine->guest_lock) == 0);
}

/* Index slots and whether the index is growing. Inside an epoch. */
static uint64_t index_slots(const struct larder_engine *engine, bool *ret_growing)
{
    const struct segment_table *table = segment_index_last(&engine->index);

    *ret_growing = table != atomic_load_explicit(&engine->index.table, memory_order_acquire);
    return (uint64_t)engine->index.stripe_count * table->per * INDEX_SLOTS;
}

static uint32_t log2_rounded(uint64_t value)
{
    uint32_t power = 0;

    while ((value >> power) > 1) {
        power++;
    }
    /* Above the geometric middle the next one is nearer. */
    return value * 2 > 3ull << power ? power + 1 : power;
}

static void stats_general(struct larder_engine *engine, const uint64_t *sum, uint64_t slots,
                          bool growing, const struct out *out)
{
    put(out, "hash_power_level", log2_rounded(slots));
    put(out, "hash_bytes", slots / INDEX_SLOTS * sizeof(struct segment_bucket));
    put(out, "hash_is_expanding", growing ? 1 : 0);
    put(out, "slab_global_page_pool", atomic_load(&engine->log.free_count));
    put(out, "bytes", sum[SEGMENT_COUNT_bytes]);
    put(out, "curr_items", sum[SEGMENT_COUNT_items]);
    put(out, "total_items", sum[SEGMENT_COUNT_total_items]);
    put(out, "get_expired", sum[SEGMENT_COUNT_get_expired]);
    put(out, "get_flushed", sum[SEGMENT_COUNT_get_flushed]);
    put(out, "expired_unfetched", sum[SEGMENT_COUNT_expired_unfetched]);
    put(out, "evicted_unfetched", sum[SEGMENT_COUNT_evicted_unfetched]);
    put(out, "evictions", sum[SEGMENT_COUNT_evictions]);
    put(out, "reclaimed", sum[SEGMENT_COUNT_reclaimed]);
    put(out, "crawler_reclaimed", sum[SEGMENT_COUNT_upkeep_reclaimed]);
    put(out, "crawler_items_checked", sum[SEGMENT_COUNT_upkeep_checked]);
    put(out, "lrutail_reflocked", sum[SEGMENT_COUNT_pinned_skips]);
    put(out, "direct_reclaims", sum[SEGMENT_COUNT_reclaims_direct]);
}

/* Seconds since the oldest sealed segment was opened. */
static uint32_t oldest_age(struct larder_engine *engine, uint32_t now_s)
{
    uint32_t age = 0;

    segment_log_lock(engine);
    for (uint32_t log = 0; log < SEGMENT_LOGS; log++) {
        uint32_t id = engine->log.tail[log];
        uint32_t opened_s = id == 0 ? now_s : atomic_load(&engine->segments[id].opened_s);

        age = opened_s < now_s && now_s - opened_s > age ? now_s - opened_s : age;
    }
    segment_log_unlock(engine);
    return age;
}

/* All items are of one class: number 1. */
static void stats_items(struct larder_engine *engine, const uint64_t *sum, uint32_t now_s,
                        const struct out *out)
{
    if (sum[SEGMENT_COUNT_items] == 0) {
        return;
    }
    put(out, "items:1:number", sum[SEGMENT_COUNT_items]);
    put(out, "items:1:age", oldest_age(engine, now_s));
    put(out, "items:1:mem_requested", sum[SEGMENT_COUNT_bytes]);
    put(out, "items:1:evicted", sum[SEGMENT_COUNT_evictions]);
    put(out, "items:1:evicted_nonzero", sum[SEGMENT_COUNT_evicted_expiring]);
    put(out, "items:1:outofmemory", sum[SEGMENT_COUNT_no_space]);
    put(out, "items:1:reclaimed", sum[SEGMENT_COUNT_reclaimed]);
    put(out, "items:1:expired_unfetched", sum[SEGMENT_COUNT_expired_unfetched]);
    put(out, "items:1:evicted_unfetched", sum[SEGMENT_COUNT_evicted_unfetched]);
    put(out, "items:1:crawler_reclaimed", sum[SEGMENT_COUNT_upkeep_reclaimed]);
    put(out, "items:1:crawler_items_checked", sum[SEGMENT_COUNT_upkeep_checked]);
    put(out, "items:1:lrutail_reflocked", sum[SEGMENT_COUNT_pinned_skips]);
    put(out, "items:1:direct_reclaims", sum[SEGMENT_COUNT_reclaims_direct]);
}

static uint64_t segments_used(const struct larder_engine *engine)
{
    return atomic_load(&engine->log.count[SEGMENT_S]) + atomic_load(&engine->log.count[SEGMENT_M]) +
           atomic_load(&engine->log.open_count) + atomic_load(&engine->log.free_count);
}

/* Segments take the place of pages; chunks are the 8 bytes that items are rounded up to. */
static void stats_slabs(struct larder_engine *engine, const uint64_t *sum, const struct out *out)
{
    put(out, "1:chunk_size", 8);
    put(out, "1:chunks_per_page", engine->segment_size / 8);
    put(out, "1:total_pages", segments_used(engine));
    put(out, "1:total_chunks", segments_used(engine) * (engine->segment_size / 8));
    put(out, "1:used_chunks", sum[SEGMENT_COUNT_bytes] / 8);
    put(out, "active_slabs", 1);
    put(out, "total_malloced", atomic_load(&engine->log.memory_used));
}

/* All ghosts; where stripes are many, as many as some of them let expect. */
static uint64_t count_ghosts(struct larder_engine *engine)
{
    uint32_t count = engine->index.stripe_count; /* a power of two, as GHOST_STRIPES */
    uint32_t step = count > GHOST_STRIPES ? count / GHOST_STRIPES : 1;
    uint64_t ghosts = 0;

    for (uint32_t i = 0; i < count; i += step) {
        struct segment_stripe *stripe = &engine->index.stripes[i];
        segment_index_lock(stripe);
        ghosts += stripe->ghosts;
        segment_index_unlock(stripe);
    }
    return ghosts * step;
}

/* Bytes appended to segments that are in use. */
static uint64_t count_appended(struct larder_engine *engine)
{
    uint64_t appended = 0;
    uint32_t end;

    segment_log_lock(engine);
    end = engine->log.fresh_next; /* what is above was never used: not even its bookkeeping */
    segment_log_unlock(engine);
    for (uint32_t id = 1; id < end; id++) {
        uint32_t state = atomic_load_explicit(&engine->segments[id].state, memory_order_relaxed);
        if (state == SEGMENT_OPEN || state == SEGMENT_SEALED) {
            appended += atomic_load_explicit(&engine->segments[id].used, memory_order_relaxed);
        }
    }
    return appended;
}

static void stats_detail(struct larder_engine *engine, const uint64_t *sum, uint64_t slots,
                         const struct out *out)
{
    uint64_t items = sum[SEGMENT_COUNT_items];
    uint64_t appended = count_appended(engine) + atomic_load(&engine->large.bytes);

    put(out, "memory_max", atomic_load(&engine->log.memory_max));
    put(out, "memory_used", atomic_load(&engine->log.memory_used));
    put(out, "segment_size", engine->segment_size);
    put(out, "segments_s", atomic_load(&engine->log.count[SEGMENT_S]));
    put(out, "segments_m", atomic_load(&engine->log.count[SEGMENT_M]));
    put(out, "segments_open", atomic_load(&engine->log.open_count));
    put(out, "segments_free", atomic_load(&engine->log.free_count));
    put(out, "segments_limbo", atomic_load(&engine->log.limbo_count));
    put(out, "segments_pinned", atomic_load(&engine->log.pinned_count));
    put(out, "garbage_bytes",
        appended > sum[SEGMENT_COUNT_bytes] ? appended - sum[SEGMENT_COUNT_bytes] : 0);
    put(out, "large_objects", atomic_load(&engine->large.count));
    put(out, "large_bytes", atomic_load(&engine->large.bytes));
    put(out, "large_kept_bytes", atomic_load(&engine->large.kept_bytes));
    put(out, "index_stripes", engine->index.stripe_count);
    put(out, "index_slots", slots);
    put(out, "index_load_percent", items * 100 / slots);
    put(out, "ghosts", count_ghosts(engine));
    put(out, "ghost_window", atomic_load(&engine->index.ghost_window));
#define X(name) put(out, #name, sum[SEGMENT_COUNT_##name]);
    SEGMENT_COUNTERS(X)
#undef X
}

/* ---- sizes: a walk over all items ---- */

struct size_counts {
    uint64_t counts[SIZE_CLASSES]; /* items by size in steps of SIZE_CLASS; the last: larger ones */
};

static bool count_size(void *arg, const struct larder_ref *item)
{
    struct size_counts *sizes = arg;
    uint64_t class =
        (ITEM_HEADER_SIZE + item->key_size + item->value_size + SIZE_CLASS - 1) / SIZE_CLASS;

    sizes->counts[class < SIZE_CLASSES ? class : SIZE_CLASSES - 1]++;
    return true;
}

static void stats_sizes(struct larder_engine *engine, uint32_t now_s, const struct out *out)
{
    struct size_counts *sizes = calloc(1, sizeof(*sizes));
    uint64_t cursor = 0;
    char name[VALUE_SIZE];

    if (sizes == NULL) {
        return;
    }
    do {
        segment_scan(engine, now_s, &cursor, SCAN_STEP, count_size, sizes);
    } while (cursor != 0);
    for (uint32_t i = 0; i < SIZE_CLASSES; i++) {
        if (sizes->counts[i] != 0) {
            (void)snprintf(name, sizeof(name), "%u", i * SIZE_CLASS);
            put(out, name, sizes->counts[i]);
        }
    }
    free(sizes);
}

void segment_stats(struct larder_engine *engine, int group, uint32_t now_s, larder_stat_fn fn,
                   void *arg)
{
    const struct out out = {fn, arg};
    uint64_t sum[SEGMENT_COUNTER_COUNT];
    uint64_t slots;
    bool growing;

    CHECK_OBJ(engine, SEGMENT_ENGINE_MAGIC);
    sums(engine, sum);
    CHECK(pthread_mutex_lock(&engine->guest_lock) == 0);
    engine_epoch_enter(&segment_guest(engine)->reader);
    slots = index_slots(engine, &growing);
    engine_epoch_leave(&segment_guest(engine)->reader);
    CHECK(pthread_mutex_unlock(&engine->guest_lock) == 0);
    switch ((enum larder_stat_group)group) {
    case LARDER_STATS_GENERAL:
        stats_general(engine, sum, slots, growing, &out);
        break;
    case LARDER_STATS_ITEMS:
        stats_items(engine, sum, now_s, &out);
        break;
    case LARDER_STATS_SLABS:
        stats_slabs(engine, sum, &out);
        break;
    case LARDER_STATS_SIZES:
        stats_sizes(engine, now_s, &out);
        break;
    case LARDER_STATS_DETAIL:
        stats_detail(engine, sum, slots, &out);
        break;
    }
}
