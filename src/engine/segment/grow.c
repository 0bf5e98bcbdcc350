/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Growth of the index, a stripe at a time.
 *
 * One thread at a time (grow_lock) copies the entries of a stripe into the next table, under that
 * stripe's lock, and marks it as moved. tick() does most of it; a worker that makes new entries
 * does one stripe per `per` / 4 of them, so growth is over well before the old table is full,
 * however seldom tick() is called. A stripe that is full out of turn is moved at once: that takes
 * some 100 us, where finishing the growth was seen to take half a second. If it has been moved
 * already, and is full again while the thread that should move the others has no processor, it
 * moves on into the table after the next: tables form a list, and each stripe says for itself how
 * far along it lives.
 *
 * Ghosts are left behind: where a ghost belongs in a longer stripe only its key could tell, and
 * that is gone.
 *
 * Memory: a stripe of the new table is charged when it is filled; the old table's pages go back
 * in slices, each after a grace period. So what growth adds is the difference, not a second table.
 * Where nothing may be evicted for it, growth waits until there is memory.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "engine/segment/segment_priv.h"
#include "engine/segment/store.h"

enum {
    LOAD_PERCENT = 80,       /* of the slots: growth begins */
    LOAD_PERCENT_SMALL = 75, /* while stripes are short, and luck varies more */
    PER_SMALL = 2 * INDEX_PER_START,
    RELEASE_SLICES = 64,    /* an old table goes back to the system in so many pieces */
    INSERTS_PER_STRIPE = 4, /* a stripe is moved per `per` / this many new entries */
    INSERTS_PER_LOOK = 64,  /* new entries between two looks at the load */
    PREFETCH_BUCKETS = 2,   /* buckets ahead whose items are fetched while a stripe moves */
};

static uint64_t stripe_size(const struct segment_table *table)
{
    return (uint64_t)table->per * sizeof(struct segment_bucket);
}

uint64_t segment_index_size(const struct larder_engine *engine)
{
    const struct segment_table *table = segment_index_last(&engine->index);

    return engine->index.stripe_count * stripe_size(table);
}

static bool growth_due(const struct larder_engine *engine, const struct segment_table *table)
{
    uint64_t slots = (uint64_t)engine->index.stripe_count * table->per * INDEX_SLOTS;
    uint64_t percent = table->per < PER_SMALL ? LOAD_PERCENT_SMALL : LOAD_PERCENT;

    return segment_sum(engine, SEGMENT_COUNT_items) * 100 > slots * percent;
}

/* ---- the old table's pages ---- */

static void release_slice(struct engine_epoch_entry *entry);

/* Under log.lock. */
static void release_later(struct segment_table *table, uint32_t to)
{
    table->release_to = to;
    table->releasing = true;
    engine_epoch_defer(&table->engine->log.epoch, &table->entry, release_slice);
}

/* Called by the epoch's poll, under log.lock: nobody reads stripes below release_to any more. */
static void release_slice(struct engine_epoch_entry *entry)
{
    struct segment_table *table =
        (struct segment_table *)(void *)((char *)entry - offsetof(struct segment_table, entry));
    struct larder_engine *engine = table->engine;
    uint64_t page_mask = 4095;
    uint64_t begin = (table->released * stripe_size(table) + page_mask) & ~page_mask;
    uint64_t end = table->release_to * stripe_size(table) & ~page_mask;

    if (end > begin) {
        CHECK(madvise((char *)table->buckets + begin, end - begin, MADV_DONTNEED) == 0);
    }
    segment_budget_return(engine, (table->release_to - table->released) * stripe_size(table));
    table->released = table->release_to;
    table->releasing = false;
    if (!table->finished) {
        return;
    }
    if (table->released < engine->index.stripe_count) {
        release_later(table, engine->index.stripe_count);
        return;
    }
    segment_table_destroy(&table);
}

/* ---- moving ---- */

/*
 * The budget's side of a stripe of the new table. It is little, and something will be evicted for
 * it. False: nothing may be evicted, and memory is used up.
 */
static bool charge_stripe(struct larder_thread *thread, const struct segment_table *next)
{
    struct larder_engine *engine = thread->engine;
    uint64_t size = stripe_size(next);

    if (segment_budget_charge(engine, size)) {
        return true;
    }
    if (!segment_log_release(engine, size) && !segment_large_release(engine, size) &&
        atomic_load(&engine->log.limbo_count) == 0) {
        (void)segment_reclaim(thread, false);
    }
    if (!engine->evict) {
        return segment_budget_charge(engine, size);
    }
    segment_budget_force(engine, size);
    return true;
}

static void prefetch_items(const struct larder_engine *engine, struct segment_bucket *bucket)
{
    for (uint32_t i = 0; i < INDEX_SLOTS; i++) {
        uint64_t value = atomic_load_explicit(&bucket->slots[i], memory_order_relaxed);

        if (value != 0 && (value & SLOT_GHOST) == 0) {
            BASE_PREFETCH(segment_item_at(engine, value));
        }
    }
}

static bool is_moved(const struct segment_table *table, uint32_t number)
{
    return atomic_load_explicit(&table->moved[number], memory_order_relaxed) != 0;
}

/*
 * Under the grow lock. Its entries into `next`, unless it has been moved out of turn. False: there
 * is no memory.
 */
static bool move_stripe(struct larder_thread *thread, struct segment_table *table,
                        struct segment_table *next, uint32_t number)
{
    struct larder_engine *engine = thread->engine;
    struct segment_index *index = &engine->index;
    struct segment_stripe *stripe = &index->stripes[number];
    struct segment_bucket *buckets = table->buckets + (uint64_t)number * table->per;
    uint32_t live;

    if (is_moved(table, number)) {
        return true;
    }
    if (!charge_stripe(thread, next)) {
        return false;
    }
    /* A first touch can take milliseconds where pages are huge: not under the lock. */
    segment_populate(next->buckets + (uint64_t)number * next->per, stripe_size(next));
    segment_index_lock(stripe);
    live = stripe->live;
    stripe->live = 0;
    stripe->ghosts = 0;
    for (uint32_t b = 0; b < table->per; b++) {
        if (b + PREFETCH_BUCKETS < table->per) {
            prefetch_items(engine, &buckets[b + PREFETCH_BUCKETS]);
        }
        for (uint32_t i = 0; i < INDEX_SLOTS; i++) {
            uint64_t value = atomic_load_explicit(&buckets[b].slots[i], memory_order_relaxed);
            const struct segment_item *item;

            if (value == 0 || (value & SLOT_GHOST) != 0) {
                continue;
            }
            item = segment_item_at(engine, value);
            if (segment_index_insert(index, next, segment_item_hash(item, segment_item_state(item)),
                                     value) != SEGMENT_INSERTED) {
                /* Only keys that were chosen to collide have no slot here: they cost each other.
                 * Out of the old stripe first: its readers may still come. */
                atomic_store_explicit(&buckets[b].slots[i], 0, memory_order_release);
                segment_count_no_slot(thread, value, item);
                segment_item_gone(thread, value, item);
                live--;
            }
        }
    }
    CHECK(stripe->live == live);
    /* Release: whoever sees the mark sees the new stripe. */
    atomic_store_explicit(&table->moved[number], 1, memory_order_release);
    segment_index_unlock(stripe);
    return true;
}

/* Under the grow lock. */
static bool growth_start(struct larder_engine *engine, struct segment_table *table)
{
    uint32_t per = table->per < PER_SMALL ? 2 * table->per + 1 : (table->per + table->per / 4) | 1;
    uint64_t size = (uint64_t)engine->index.stripe_count * per * sizeof(struct segment_bucket);
    struct segment_table *next;

    if (per > INDEX_PER_MAX || size > atomic_load(&engine->log.memory_max) / 2) {
        return false;
    }
    next = segment_table_create(engine, per);
    if (next == NULL) {
        return false;
    }
    next->generation = table->generation + 1;
    atomic_store_explicit(&table->next, next, memory_order_release);
    return true;
}

/* Under the grow lock: the slices of the old table that can go, and its end. */
static void growth_account(struct larder_engine *engine, struct segment_table *table)
{
    uint32_t cursor = table->cursor;
    uint32_t count = engine->index.stripe_count;
    uint32_t slice = count / RELEASE_SLICES > 0 ? count / RELEASE_SLICES : 1;

    segment_log_lock(engine);
    if (cursor == count) {
        table->finished = true;
    }
    if (!table->releasing && (cursor - table->released >= slice || cursor == count)) {
        release_later(table, cursor);
    }
    segment_log_unlock(engine);
}

/* Under the grow lock. Returns true when there is more to do. */
static bool growth_step(struct larder_thread *thread, uint32_t stripes)
{
    struct larder_engine *engine = thread->engine;
    struct segment_index *index = &engine->index;
    struct segment_table *table = atomic_load_explicit(&index->table, memory_order_acquire);
    struct segment_table *next = atomic_load_explicit(&table->next, memory_order_acquire);
    bool stuck = false;

    if (next == NULL) {
        return growth_due(engine, table) && growth_start(engine, table);
    }
    while (stripes-- > 0 && table->cursor < index->stripe_count && !stuck) {
        stuck = !move_stripe(thread, table, next, table->cursor);
        table->cursor += stuck ? 0 : 1;
    }
    if (table->cursor == index->stripe_count) {
        atomic_store_explicit(&index->table, next, memory_order_release);
    }
    growth_account(engine, table);
    return table->cursor < index->stripe_count && !stuck;
}

bool segment_grow_step(struct larder_thread *thread, uint32_t stripes)
{
    struct larder_engine *engine = thread->engine;
    bool more;

    if (pthread_mutex_trylock(&engine->grow_lock) != 0) {
        return false; /* somebody else is at it */
    }
    more = growth_step(thread, stripes);
    CHECK(pthread_mutex_unlock(&engine->grow_lock) == 0);
    return more;
}

void segment_grow_account(struct larder_thread *thread)
{
    struct larder_engine *engine = thread->engine;
    struct segment_table *table = atomic_load_explicit(&engine->index.table, memory_order_acquire);

    thread->inserts++;
    if (atomic_load_explicit(&table->next, memory_order_relaxed) != NULL) {
        if (thread->inserts >= table->per / INSERTS_PER_STRIPE) {
            thread->inserts = 0;
            (void)segment_grow_step(thread, 1);
        }
    } else if (thread->inserts >= INSERTS_PER_LOOK) {
        thread->inserts = 0;
        if (growth_due(engine, table)) {
            (void)segment_grow_step(thread, 1);
            if (engine->host->wake != NULL) {
                engine->host->wake(engine->host->context);
            }
        }
    }
}

/*
 * The table behind one whose stripe is full, if need be a new one. A stripe that is full while the
 * rest is half empty would not be helped by a longer one.
 */
static struct segment_table *further_table(struct larder_engine *engine,
                                           struct segment_table *table)
{
    if (atomic_load(&table->next) == NULL &&
        segment_sum(engine, SEGMENT_COUNT_items) * 2 >
            (uint64_t)engine->index.stripe_count * table->per * INDEX_SLOTS) {
        (void)growth_start(engine, table);
    }
    return atomic_load(&table->next);
}

bool segment_grow_now(struct larder_thread *thread, uint32_t stripe,
                      const struct segment_table *full)
{
    struct larder_engine *engine = thread->engine;
    struct segment_table *table;
    bool moved;

    CHECK(pthread_mutex_lock(&engine->grow_lock) == 0);
    table = segment_index_table(&engine->index, stripe);
    moved = table != full; /* by another thread, while this one waited for it */
    if (!moved) {
        struct segment_table *next = further_table(engine, table);
        moved = next != NULL && move_stripe(thread, table, next, stripe);
    }
    CHECK(pthread_mutex_unlock(&engine->grow_lock) == 0);
    return moved;
}
