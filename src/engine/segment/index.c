/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The index's writers' side; the model is in index.h. Everything here but the table's making runs
 * under the lock of the hash's stripe.
 */
#include "engine/segment/index.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "engine/segment/segment_priv.h"

enum { LOCK_SPINS = 64 }; /* tries before the processor is given up: the holder may need it */

void segment_index_lock_slow(struct segment_stripe *stripe)
{
    uint32_t spins = 0;

    do {
        while (atomic_load_explicit(&stripe->lock, memory_order_relaxed) != 0) {
            if (++spins >= LOCK_SPINS) {
                spins = 0;
                (void)sched_yield();
            } else {
                segment_pause();
            }
        }
    } while (atomic_exchange_explicit(&stripe->lock, 1, memory_order_acquire) != 0);
}

struct segment_table *segment_index_last(const struct segment_index *index)
{
    struct segment_table *table = atomic_load_explicit(&index->table, memory_order_acquire);
    struct segment_table *next = atomic_load_explicit(&table->next, memory_order_acquire);

    while (next != NULL) {
        table = next;
        next = atomic_load_explicit(&table->next, memory_order_acquire);
    }
    return table;
}

static uint64_t bucket_info(const struct segment_bucket *bucket)
{
    return atomic_load_explicit(&bucket->info, memory_order_relaxed);
}

static void bucket_set_tag(struct segment_bucket *bucket, uint32_t slot, uint8_t tag)
{
    uint64_t info = bucket_info(bucket);

    info &= ~(0xffull << (8 * slot));
    info |= (uint64_t)tag << (8 * slot);
    /* Release: whoever sees the tag sees the slot. */
    atomic_store_explicit(&bucket->info, info, memory_order_release);
}

static void bucket_add_overflow(struct segment_bucket *bucket, int change)
{
    uint64_t info = bucket_info(bucket);
    uint64_t count = info >> 56;

    if (count == 255) {
        return; /* it has lost count, so it may never get to 0 again */
    }
    CHECK(change > 0 || count > 0);
    info = change > 0 ? info + (1ull << 56) : info - (1ull << 56);
    atomic_store_explicit(&bucket->info, info, memory_order_release);
}

/* The buckets an entry was sent on from, counted up or down. */
static void path_add_overflow(struct segment_bucket *buckets, uint32_t per, uint32_t at,
                              uint8_t tag, uint32_t steps, int change)
{
    while (steps > 0) {
        at = segment_index_retreat(at, tag, per);
        bucket_add_overflow(&buckets[at], change);
        steps--;
    }
}

static uint32_t slot_probe(uint64_t value)
{
    return (uint32_t)((value & SLOT_PROBE_MASK) >> SLOT_PROBE_SHIFT);
}

static uint8_t slot_tag(const struct segment_bucket *bucket, uint32_t slot)
{
    return (uint8_t)(bucket_info(bucket) >> (8 * slot));
}

/* Take whatever is in the slot out, and its traces on the way to it. */
static void slot_clear(struct segment_bucket *buckets, uint32_t per, struct segment_bucket *bucket,
                       uint32_t slot)
{
    uint64_t value = atomic_load_explicit(&bucket->slots[slot], memory_order_relaxed);
    uint8_t tag = slot_tag(bucket, slot);

    bucket_set_tag(bucket, slot, 0);
    atomic_store_explicit(&bucket->slots[slot], 0, memory_order_release);
    path_add_overflow(buckets, per, (uint32_t)(bucket - buckets), tag, slot_probe(value), -1);
}

static struct segment_bucket *stripe_buckets(const struct segment_index *index,
                                             const struct segment_table *table, uint64_t hash)
{
    return table->buckets + (uint64_t)segment_index_stripe(index, hash) * table->per;
}

/* A ghost of a bucket, and how long ago it was evicted. */
struct old_ghost {
    struct segment_hit hit; /* bucket NULL: none yet */
    uint32_t step;
    uint64_t age; /* in evictions */
};

/* The bucket's oldest ghost, if it is older than what there is. */
static void find_older(struct segment_bucket *bucket, uint32_t step, uint64_t now,
                       struct old_ghost *oldest)
{
    for (uint32_t i = 0; i < INDEX_SLOTS; i++) {
        uint64_t value = atomic_load_explicit(&bucket->slots[i], memory_order_relaxed);
        uint64_t age = (now - value) & SLOT_PLACE_MASK;

        if ((value & SLOT_GHOST) != 0 && (oldest->hit.bucket == NULL || age > oldest->age)) {
            *oldest = (struct old_ghost){{bucket, i, value}, step, age};
        }
    }
}

/*
 * A slot for a new entry: a free one, or behind the first two buckets rather the oldest ghost's. There are fewer slots than
 * ghosts worth keeping, so it matters which one goes: the first that was found cost 0.7 % more misses.
 */
static bool find_room(const struct segment_index *index, const struct segment_probe *start,
                      struct segment_hit *ret_hit, uint32_t *ret_step)
{
    const uint64_t now = atomic_load_explicit(&index->ghost_number, memory_order_relaxed);
    struct old_ghost oldest = {{NULL, 0, 0}, 0, 0};
    uint32_t at = start->at;

    for (uint32_t step = 0; step < INDEX_PROBES; step++) {
        struct segment_bucket *bucket = &start->buckets[at];
        uint64_t free_slots = segment_index_match(bucket_info(bucket), 0);

        if (free_slots != 0) {
            *ret_hit = (struct segment_hit){bucket, (uint32_t)__builtin_ctzll(free_slots) >> 3, 0};
            *ret_step = step;
            return true;
        }
        find_older(bucket, step, now, &oldest);
        if (oldest.hit.bucket != NULL && step > 0) {
            break;
        }
        at = segment_index_advance(at, start->tag, start->per);
    }
    *ret_hit = oldest.hit;
    *ret_step = oldest.step;
    return oldest.hit.bucket != NULL;
}

enum segment_insert_result segment_index_insert(struct segment_index *index,
                                                const struct segment_table *table, uint64_t hash,
                                                uint64_t value)
{
    struct segment_stripe *stripe = &index->stripes[segment_index_stripe(index, hash)];
    struct segment_probe probe = segment_probe_begin(index, table, hash);
    const struct segment_probe start = probe;
    struct segment_hit hit;
    uint32_t step;

    value = (value & ~(SLOT_EXTRA_MASK | SLOT_PROBE_MASK)) | segment_index_extra(hash);
    while (segment_probe_next(&probe, hash, &hit)) {
        /* The comparison of tags lets some through that are not equal: this one is written to. */
        if ((hit.value & SLOT_GHOST) != 0 && slot_tag(hit.bucket, hit.slot) == start.tag) {
            stripe->ghosts--;
            stripe->live++;
            atomic_store_explicit(&hit.bucket->slots[hit.slot],
                                  value | (hit.value & SLOT_PROBE_MASK), memory_order_release);
            return SEGMENT_INSERTED;
        }
    }
    if (!find_room(index, &start, &hit, &step)) {
        return SEGMENT_INSERT_FULL;
    }
    if (hit.value != 0) {
        slot_clear(start.buckets, start.per, hit.bucket, hit.slot);
        stripe->ghosts--;
    }
    value |= (uint64_t)step << SLOT_PROBE_SHIFT;
    path_add_overflow(start.buckets, start.per, (uint32_t)(hit.bucket - start.buckets), start.tag,
                      step, +1);
    atomic_store_explicit(&hit.bucket->slots[hit.slot], value, memory_order_release);
    bucket_set_tag(hit.bucket, hit.slot, start.tag);
    stripe->live++;
    return SEGMENT_INSERTED;
}

void segment_index_erase(struct segment_index *index, uint64_t hash, const struct segment_hit *hit)
{
    uint32_t number = segment_index_stripe(index, hash);
    const struct segment_table *table = segment_index_table_of(index, hash);

    slot_clear(stripe_buckets(index, table, hash), table->per, hit->bucket, hit->slot);
    CHECK(index->stripes[number].live > 0);
    index->stripes[number].live--;
}

void segment_index_bury(struct segment_index *index, uint64_t hash, const struct segment_hit *hit)
{
    struct segment_stripe *stripe = &index->stripes[segment_index_stripe(index, hash)];
    uint64_t number =
        atomic_fetch_add_explicit(&index->ghost_number, 1, memory_order_relaxed) & SLOT_PLACE_MASK;
    uint64_t keep = hit->value & (SLOT_EXTRA_MASK | SLOT_PROBE_MASK);

    CHECK(stripe->live > 0);
    stripe->live--;
    stripe->ghosts++;
    atomic_store_explicit(&hit->bucket->slots[hit->slot], keep | SLOT_GHOST | number,
                          memory_order_release);
}

bool segment_index_coldest(struct segment_index *index, uint64_t hash, struct segment_hit *ret_hit)
{
    struct segment_table *table = segment_index_table_of(index, hash);
    struct segment_probe start = segment_probe_begin(index, table, hash);
    uint64_t best = UINT64_MAX;

    for (uint32_t step = 0; step < INDEX_PROBES; step++) {
        struct segment_bucket *bucket = &start.buckets[start.at];
        for (uint32_t i = 0; i < INDEX_SLOTS; i++) {
            uint64_t value = atomic_load_explicit(&bucket->slots[i], memory_order_relaxed);
            uint64_t freq = value & SLOT_FREQ_MASK;

            if (value != 0 && (value & SLOT_GHOST) == 0 && freq < best) {
                best = freq;
                *ret_hit = (struct segment_hit){bucket, i, value};
            }
        }
        start.at = segment_index_advance(start.at, start.tag, start.per);
    }
    return best != UINT64_MAX;
}

bool segment_index_find_place(struct segment_index *index, uint64_t hash, uint64_t where,
                              struct segment_hit *ret_hit)
{
    struct segment_table *table = segment_index_table_of(index, hash);
    struct segment_probe probe = segment_probe_begin(index, table, hash);

    while (segment_probe_next(&probe, hash, ret_hit)) {
        if ((ret_hit->value & SLOT_WHERE_MASK) == where) {
            return true;
        }
    }
    return false;
}

struct segment_table *segment_table_create(struct larder_engine *engine, uint32_t per)
{
    uint64_t size = (uint64_t)engine->index.stripe_count * per * sizeof(struct segment_bucket);
    struct segment_table *table = calloc(1, sizeof(*table));

    if (table == NULL) {
        return NULL;
    }
    table->buckets_size = size;
    table->per = per;
    table->engine = engine;
    table->moved = calloc(engine->index.stripe_count, sizeof(*table->moved));
    table->buckets = segment_map(size, engine->huge_pages);
    if (table->moved == NULL || table->buckets == NULL) {
        segment_table_destroy(&table);
    }
    return table;
}

void segment_table_destroy(struct segment_table **table)
{
    if (*table == NULL) {
        return;
    }
    if ((*table)->buckets != NULL) {
        CHECK(munmap((*table)->buckets, (*table)->buckets_size) == 0);
    }
    free((void *)(uintptr_t)(*table)->moved);
    free(*table);
    *table = NULL;
}
