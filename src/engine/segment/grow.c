/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Growth of the index, a stripe at a time.
 *
 * One thread at a time (grow_lock) copies the entries of a stripe into the next table, under that
 * stripe's lock, and marks it as moved. tick() does it where it has a processor: it pays for some
 * stripes ahead and has the system make their pages, which takes milliseconds where they are huge,
 * without any lock; then it moves stripes that are ready. Workers help when it falls behind: from
 * LATE_PERCENT on with stripes that are ready, from LATER_PERCENT on with any, one per `per` / 4 new
 * entries. So growth is over before the old table is full, however seldom tick() is called.
 *
 * A stripe that is full out of turn is moved at once: that takes some 100 us, where finishing the
 * growth was seen to take half a second. If it has been moved already, and is full again while the
 * thread that should move the others has no processor, it moves on into the table after the next:
 * tables form a list, and each stripe says for itself how far along it lives.
 *
 * Ghosts are left behind: where a ghost belongs in a longer stripe only its key could tell, and
 * that is gone.
 *
 * Memory: a stripe of the new table is charged before it is filled; the old table's pages go back
 * in slices, each after a grace period, from the oldest table on, and without log.lock. So what
 * growth adds is the difference and a few stripes, not a second table.
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
    LATE_PERCENT = 2,       /* above LOAD_PERCENT: workers move what is ready */
    LATER_PERCENT = 4,      /* above LOAD_PERCENT: workers move whatever is next */
    RELEASE_SLICES = 64,    /* grace periods in which an old table goes back to the system */
    RELEASE_SIZE = 2 << 20, /* bytes given back at once: a huge page */
    PAGE_SIZE = 4096,       /* bytes */
    AHEAD_SIZE = 4 << 20,   /* bytes made ready ahead: two huge pages */
    AHEAD_FRACTION = 256,   /* and at most 1/256 of memory_max */
    READY_SIZE = 256 << 10, /* bytes made ready in one slice of tick() */
    MOVE_SIZE = 128 << 10,  /* bytes of the old table moved in one slice */
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

/* Has the table's load passed the one where growth begins by so much? */
static bool load_above(const struct larder_engine *engine, const struct segment_table *table,
                       uint32_t by_percent)
{
    uint64_t slots = (uint64_t)engine->index.stripe_count * table->per * INDEX_SLOTS;
    uint64_t percent = table->per < PER_SMALL ? LOAD_PERCENT_SMALL : LOAD_PERCENT;

    return segment_sum(engine, SEGMENT_COUNT_items) * 100 > slots * (percent + by_percent);
}

/* How many stripes of the table are so many bytes; one at least. */
static uint32_t stripes_of(const struct segment_table *table, uint64_t size)
{
    uint64_t stripes = size / stripe_size(table);

    return stripes > 0 ? (uint32_t)stripes : 1;
}

/* ---- the old table's pages ---- */

/* Called by the epoch's poll, under log.lock. */
static void release_due(struct engine_epoch_entry *entry)
{
    struct segment_table *table =
        (struct segment_table *)(void *)((char *)entry - offsetof(struct segment_table, entry));

    /* Release: pairs with release_step(). */
    atomic_store_explicit(&table->release_state, RELEASE_DUE, memory_order_release);
}

/* Under the grow lock. Returns true when a grace period more has to be waited for. */
static bool release_wait(struct larder_engine *engine, struct segment_table *table)
{
    uint32_t count = engine->index.stripe_count;
    uint32_t slice = count / RELEASE_SLICES > 0 ? count / RELEASE_SLICES : 1;

    if (table->cursor - table->released < slice && table->cursor < count) {
        return false;
    }
    table->release_to = table->cursor;
    atomic_store_explicit(&table->release_state, RELEASE_WAITING, memory_order_relaxed);
    segment_log_lock(engine);
    engine_epoch_defer(&engine->log.epoch, &table->entry, release_due);
    segment_log_unlock(engine);
    return true;
}

/* Where the pages begin that have not gone back. */
static char *release_border(const struct segment_table *table)
{
    char *border = (char *)table->buckets + table->released * stripe_size(table);
    uint64_t page = table->engine->huge_pages ? RELEASE_SIZE : PAGE_SIZE;
    uint64_t over = (uintptr_t)border % page;

    return over < (uint64_t)(border - (char *)table->buckets) ? border - over
                                                              : (char *)table->buckets;
}

/* Under the grow lock: a piece of the oldest table goes back. Returns true when more can go at once. */
static bool release_step(struct larder_engine *engine)
{
    struct segment_table *table = engine->index.oldest;
    uint32_t left;
    char *begin, *end;

    if (atomic_load_explicit(&table->release_state, memory_order_acquire) == RELEASE_IDLE) {
        (void)release_wait(engine, table);
        return false;
    }
    if (atomic_load_explicit(&table->release_state, memory_order_acquire) == RELEASE_WAITING) {
        return false;
    }
    left = table->release_to - table->released;
    left = left < stripes_of(table, RELEASE_SIZE) ? left : stripes_of(table, RELEASE_SIZE);
    begin = release_border(table);
    table->released += left;
    end = release_border(table);
    if (end > begin) {
        CHECK(madvise(begin, (size_t)(end - begin), MADV_DONTNEED) == 0);
    }
    segment_budget_return(engine, left * stripe_size(table));
    if (table->released < table->release_to) {
        return true;
    }
    atomic_store_explicit(&table->release_state, RELEASE_IDLE, memory_order_relaxed);
    if (table->released == engine->index.stripe_count) {
        engine->index.oldest = atomic_load(&table->next);
        segment_table_destroy(&table);
    }
    return true;
}

/* ---- the new table's ---- */

/*
 * Without a lock: room in the budget for some stripes of the new table. It is little, and something
 * will be evicted for it.
 */
static void make_room(struct larder_thread *thread, uint64_t size)
{
    struct larder_engine *engine = thread->engine;
    uint64_t max = atomic_load_explicit(&engine->log.memory_max, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&engine->log.memory_used, memory_order_relaxed);

    if ((used > max || max - used < size) && !segment_log_release(engine, size) &&
        !segment_large_release(engine, size) && atomic_load(&engine->log.limbo_count) == 0) {
        (void)segment_reclaim(thread, false);
    }
}

/* A stripe's charge. False: nothing may be evicted, and memory is used up. */
static bool pay_stripe(struct larder_engine *engine, const struct segment_table *next)
{
    if (segment_budget_charge(engine, stripe_size(next))) {
        return true;
    }
    if (engine->evict) {
        segment_budget_force(engine, stripe_size(next));
    }
    return engine->evict;
}

static bool is_moved(const struct segment_table *table, uint32_t number)
{
    return atomic_load_explicit(&table->moved[number], memory_order_relaxed) != 0;
}

/* Under the grow lock: pay for the next stripes of `next`, in order. Returns how many. */
static uint32_t pay_ahead(struct larder_engine *engine, const struct segment_table *table,
                          struct segment_table *next)
{
    uint64_t size = atomic_load(&engine->log.memory_max) / AHEAD_FRACTION;
    uint32_t ahead = stripes_of(next, size < AHEAD_SIZE ? size : AHEAD_SIZE);
    uint32_t stripes = stripes_of(next, READY_SIZE);
    uint32_t begin = next->paid;

    while (next->paid < engine->index.stripe_count && next->paid - begin < stripes &&
           next->paid < table->cursor + ahead &&
           /* What was moved out of turn was paid then. */
           (is_moved(table, next->paid) || pay_stripe(engine, next))) {
        next->paid++;
    }
    return next->paid - begin;
}

/*
 * tick(): have some pages of the next table made, ahead of whoever moves stripes there. The system
 * may take milliseconds for one, so this is done under no lock; the epoch keeps the table. Returns
 * true when there were some to make.
 */
static bool ready_ahead(struct larder_thread *thread)
{
    struct larder_engine *engine = thread->engine;
    struct segment_table *table, *next;
    uint32_t begin = 0;
    uint32_t count = 0;

    table = atomic_load_explicit(&engine->index.table, memory_order_acquire);
    if (atomic_load_explicit(&table->next, memory_order_acquire) == NULL) {
        return false;
    }
    make_room(thread, READY_SIZE);
    CHECK(pthread_mutex_lock(&engine->grow_lock) == 0);
    table = atomic_load_explicit(&engine->index.table, memory_order_acquire);
    next = atomic_load_explicit(&table->next, memory_order_acquire);
    if (next != NULL) {
        begin = next->paid;
        count = pay_ahead(engine, table, next);
    }
    CHECK(pthread_mutex_unlock(&engine->grow_lock) == 0);
    if (count > 0) {
        segment_populate(next->buckets + (uint64_t)begin * next->per, count * stripe_size(next));
        atomic_store_explicit(&next->ready, begin + count, memory_order_relaxed);
    }
    return count > 0;
}

/* ---- moving ---- */

static void prefetch_items(const struct larder_engine *engine, struct segment_bucket *bucket)
{
    for (uint32_t i = 0; i < INDEX_SLOTS; i++) {
        uint64_t value = atomic_load_explicit(&bucket->slots[i], memory_order_relaxed);

        if (value != 0 && (value & SLOT_GHOST) == 0) {
            BASE_PREFETCH(segment_item_at(engine, value));
        }
    }
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
    if (number >= next->paid && !pay_stripe(engine, next)) {
        return false;
    }
    if (number >= atomic_load_explicit(&next->ready, memory_order_relaxed)) {
        /* A first touch can take milliseconds where pages are huge: not under the lock. */
        segment_populate(next->buckets + (uint64_t)number * next->per, stripe_size(next));
    }
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
            struct segment_item *item;

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

/* Under the grow lock. Up to `stripes` stripes below `end`, in order. Returns true when it moved some. */
static bool move_stripes(struct larder_thread *thread, uint32_t stripes, uint32_t end)
{
    struct segment_index *index = &thread->engine->index;
    struct segment_table *table = atomic_load_explicit(&index->table, memory_order_acquire);
    struct segment_table *next = atomic_load_explicit(&table->next, memory_order_acquire);
    uint32_t begin = table->cursor;

    while (table->cursor < end && table->cursor - begin < stripes &&
           move_stripe(thread, table, next, table->cursor)) {
        table->cursor++;
        /* Paid or not, it is not paid again. */
        next->paid = next->paid < table->cursor ? table->cursor : next->paid;
    }
    if (table->cursor == index->stripe_count) {
        atomic_store_explicit(&index->table, next, memory_order_release);
    }
    return table->cursor > begin;
}

bool segment_grow_step(struct larder_thread *thread)
{
    struct larder_engine *engine = thread->engine;
    struct segment_table *table, *next;
    bool more = ready_ahead(thread);

    CHECK(pthread_mutex_lock(&engine->grow_lock) == 0);
    table = atomic_load_explicit(&engine->index.table, memory_order_acquire);
    next = atomic_load_explicit(&table->next, memory_order_acquire);
    if (next != NULL) {
        more |= move_stripes(thread, stripes_of(table, MOVE_SIZE),
                             atomic_load_explicit(&next->ready, memory_order_relaxed));
    } else {
        more |= load_above(engine, table, 0) && growth_start(engine, table);
    }
    more |= release_step(engine);
    CHECK(pthread_mutex_unlock(&engine->grow_lock) == 0);
    return more;
}

/* A worker's turn at it: start growth, or move a stripe because tick() falls behind. */
static void help(struct larder_thread *thread)
{
    struct larder_engine *engine = thread->engine;
    struct segment_table *table, *next;

    if (pthread_mutex_trylock(&engine->grow_lock) != 0) {
        return; /* somebody else is at it */
    }
    table = atomic_load_explicit(&engine->index.table, memory_order_acquire);
    next = atomic_load_explicit(&table->next, memory_order_acquire);
    if (next == NULL) {
        (void)(load_above(engine, table, 0) && growth_start(engine, table));
    } else if (load_above(engine, table, LATER_PERCENT)) {
        (void)move_stripes(thread, 1, engine->index.stripe_count);
    } else {
        (void)move_stripes(thread, 1, atomic_load_explicit(&next->ready, memory_order_relaxed));
    }
    (void)release_step(engine);
    CHECK(pthread_mutex_unlock(&engine->grow_lock) == 0);
    if (engine->host->wake != NULL) {
        engine->host->wake(engine->host->context);
    }
}

void segment_grow_account(struct larder_thread *thread)
{
    struct larder_engine *engine = thread->engine;
    struct segment_table *table = atomic_load_explicit(&engine->index.table, memory_order_acquire);
    bool growing = atomic_load_explicit(&table->next, memory_order_relaxed) != NULL;

    thread->inserts++;
    if (thread->inserts < (growing ? table->per / INSERTS_PER_STRIPE : INSERTS_PER_LOOK)) {
        return;
    }
    thread->inserts = 0;
    if (load_above(engine, table, growing ? LATE_PERCENT : 0)) {
        if (growing) {
            make_room(thread, 2 * stripe_size(table));
        }
        help(thread);
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

    make_room(thread, stripe_size(full) * 2);
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
