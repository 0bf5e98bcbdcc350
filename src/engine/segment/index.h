/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The index: from a key's hash to the place of its item.
 *
 * hash   63 ......... stripe ... | fraction, 32 bits: bucket in the stripe | ... 21..8 extra, 7..0 tag
 *
 * One table of 64-byte buckets in one range of addresses. It is cut into stripes, a power of two
 * that never changes; a stripe owns `per` consecutive buckets, an odd number that grows by about
 * a quarter at a time. A stripe is what a writer locks and what growth moves in one go.
 *
 *   bucket   slot[7] u64, info u64
 *   info     tag[7] u8 (0: empty), overflow u8: how many entries were sent on from this bucket
 *            because it was full (255 sticks); 0 ends a search
 *   slot      0..40 place: offset/8 (17) | segment id (24); large object: its number;
 *                   ghost: its eviction's number
 *            41 large  42 ghost  43 cas shown to a client  44..45 frequency
 *            46..49 probe: how many buckets from home  50..63 extra tag
 *
 * Probing: bucket (home + probe * 2^(tag & 7)) mod per, 16 times at most; per is odd, so all
 * differ. Strides keep full buckets from clustering as they do with a stride of one; and the way
 * back to an entry's home is known from its slot, so erasing can lower the overflow counts.
 *
 * Readers take no lock: they read info, then slots, then the item, and compare the key. Whoever
 * changes tags or places holds the stripe's lock; frequency and the shown bit are set with
 * compare-and-swap by readers. An entry never changes its slot within one table.
 *
 * Growth: a table has a `next`, and stripes that are marked as moved live there. A reader that saw
 * no mark reads the old stripe, which nobody changes any more: it linearizes before the move.
 */
#ifndef LARDER_ENGINE_SEGMENT_INDEX_H
#define LARDER_ENGINE_SEGMENT_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/epoch.h"

enum {
    INDEX_SLOTS = 7,   /* per bucket */
    INDEX_PROBES = 16, /* buckets an entry may lie in */
    INDEX_STRIPES_MIN = 64,
    INDEX_STRIPES_MAX = 1 << 20, /* of 256 GiB: the longer a stripe, the longer its move locks it */
    INDEX_PER_START = 65,    /* buckets per stripe at first: 455 slots even out the hash's luck */
    INDEX_PER_MAX = 1 << 20, /* buckets per stripe at last */
};

#define INDEX_STRIPE_MEMORY (256ull * 1024) /* bytes of cache per stripe, within the bounds above */

#define SLOT_PLACE_BITS  41
#define SLOT_PLACE_MASK  ((1ull << SLOT_PLACE_BITS) - 1)
#define SLOT_LARGE       (1ull << 41)
#define SLOT_GHOST       (1ull << 42)
#define SLOT_CAS_SHOWN   (1ull << 43)
#define SLOT_FREQ_SHIFT  44
#define SLOT_FREQ_ONE    (1ull << SLOT_FREQ_SHIFT)
#define SLOT_FREQ_MASK   (3ull << SLOT_FREQ_SHIFT)
#define SLOT_PROBE_SHIFT 46
#define SLOT_PROBE_MASK  (15ull << SLOT_PROBE_SHIFT)
#define SLOT_EXTRA_SHIFT 50
#define SLOT_EXTRA_MASK  (~0ull << SLOT_EXTRA_SHIFT)
/* What says where an item is. */
#define SLOT_WHERE_MASK (SLOT_PLACE_MASK | SLOT_LARGE | SLOT_GHOST)

struct segment_bucket {
    _Atomic uint64_t slots[INDEX_SLOTS];
    _Atomic uint64_t info;
} BASE_ALIGNED(64);

enum segment_release { RELEASE_IDLE, RELEASE_WAITING, RELEASE_DUE }; /* for readers to leave */

struct segment_table {
    struct segment_bucket *buckets; /* constant */
    _Atomic uint8_t *moved;         /* by stripe: it lives in `next`. Set under the stripe's lock */
    _Atomic(struct segment_table *) next;
    uint64_t buckets_size;  /* bytes of address space; constant */
    uint32_t per;           /* constant */
    uint32_t generation;    /* constant */
    uint32_t cursor;        /* all stripes below it are moved to `next`; grow lock */
    uint32_t paid;          /* all stripes below it are charged; grow lock */
    _Atomic uint32_t ready; /* the pages of all stripes below it are there; tick()'s */
    uint32_t released;      /* stripes whose pages went back; grow lock */
    uint32_t release_to;    /* stripes that may go when their readers have left; grow lock */
    _Atomic uint32_t release_state; /* enum segment_release */
    struct larder_engine *engine;
    struct engine_epoch_entry entry;
};

struct segment_stripe {
    _Atomic uint8_t lock;
    uint32_t live;   /* under the lock: entries that are items */
    uint32_t ghosts; /* under the lock */
} BASE_ALIGNED(64);

struct segment_index {
    _Atomic(struct segment_table *) table;
    struct segment_table
        *oldest; /* its pages have not all gone back; `table`, or before it. Grow lock */
    struct segment_stripe *stripes;
    uint32_t stripe_count;
    uint32_t stripe_shift;                          /* of the hash */
    _Atomic uint64_t ghost_number BASE_ALIGNED(64); /* of the next eviction; readers do not look */
    _Atomic uint64_t ghost_window;                  /* evictions that are remembered */
};

/* Where a search ended. */
struct segment_hit {
    struct segment_bucket *bucket; /* NULL: not found */
    uint32_t slot;
    uint64_t value; /* the slot's */
};

/* A search on its way. */
struct segment_probe {
    struct segment_bucket *buckets; /* of the stripe */
    uint64_t info;                  /* of the bucket at hand */
    uint64_t matches;               /* its slots yet to see: bit 8i+7 for slot i */
    uint32_t per;
    uint32_t at;   /* bucket */
    uint32_t step; /* 0..INDEX_PROBES - 1 */
    uint8_t tag;
};

static inline uint32_t segment_index_stripe(const struct segment_index *index, uint64_t hash)
{
    return (uint32_t)(hash >> index->stripe_shift);
}

static inline uint8_t segment_index_tag(uint64_t hash)
{
    uint8_t tag = (uint8_t)hash;

    return tag == 0 ? 1 : tag;
}

static inline uint64_t segment_index_extra(uint64_t hash)
{
    return ((hash >> 8) & 0x3fff) << SLOT_EXTRA_SHIFT;
}

static inline uint32_t segment_index_home(const struct segment_index *index, uint64_t hash,
                                          uint32_t per)
{
    uint64_t fraction = (hash >> (index->stripe_shift - 32)) & 0xffffffff;

    return (uint32_t)((fraction * per) >> 32);
}

static inline uint32_t segment_index_advance(uint32_t at, uint8_t tag, uint32_t per)
{
    /* per > 64 and the stride <= 128, so two subtractions always do. */
    at += 1u << (tag & 7);
    at -= at >= per ? per : 0;
    return at >= per ? at - per : at;
}

static inline uint32_t segment_index_retreat(uint32_t at, uint8_t tag, uint32_t per)
{
    uint32_t stride = 1u << (tag & 7);

    stride -= stride >= per ? per : 0;
    return at >= stride ? at - stride : at + per - stride;
}

/* Bit 8i+7 set for every byte i < 7 of info that equals tag; may set one too many above a true one. */
static inline uint64_t segment_index_match(uint64_t info, uint8_t tag)
{
    uint64_t x = info ^ (tag * 0x0101010101010101ull);

    return (x - 0x0101010101010101ull) & ~x & 0x0080808080808080ull;
}

/* The table that is right for a stripe at this moment. Under the stripe's lock it stays right. */
static inline struct segment_table *segment_index_table(const struct segment_index *index,
                                                        uint32_t stripe)
{
    /* Acquire, three times: pairs with the release that published the table, its next, the move. */
    struct segment_table *table = atomic_load_explicit(&index->table, memory_order_acquire);
    struct segment_table *next = atomic_load_explicit(&table->next, memory_order_acquire);

    while (BASE_UNLIKELY(next != NULL) &&
           atomic_load_explicit(&table->moved[stripe], memory_order_acquire) != 0) {
        table = next;
        next = atomic_load_explicit(&table->next, memory_order_acquire);
    }
    return table;
}

/* The longest table: what the index will be when all growth is over. */
struct segment_table *segment_index_last(const struct segment_index *index);

static inline struct segment_table *segment_index_table_of(const struct segment_index *index,
                                                           uint64_t hash)
{
    return segment_index_table(index, segment_index_stripe(index, hash));
}

static inline void segment_probe_load(struct segment_probe *probe)
{
    /* Acquire: a tag is published after its slot. */
    probe->info = atomic_load_explicit(&probe->buckets[probe->at].info, memory_order_acquire);
    probe->matches = segment_index_match(probe->info, probe->tag);
}

static inline struct segment_probe segment_probe_begin(const struct segment_index *index,
                                                       const struct segment_table *table,
                                                       uint64_t hash)
{
    struct segment_probe probe;

    probe.per = table->per;
    probe.buckets = table->buckets + (uint64_t)segment_index_stripe(index, hash) * table->per;
    probe.at = segment_index_home(index, hash, table->per);
    probe.step = 0;
    probe.tag = segment_index_tag(hash);
    segment_probe_load(&probe);
    return probe;
}

/*
 * The next slot whose tag, extra tag and probe are the hash's. Returns false behind the last.
 * ret_hit: ghosts and empty (0) slots are left to the caller.
 */
static inline bool segment_probe_next(struct segment_probe *probe, uint64_t hash,
                                      struct segment_hit *ret_hit)
{
    for (;;) {
        while (probe->matches != 0) {
            uint32_t slot = (uint32_t)__builtin_ctzll(probe->matches) >> 3;
            struct segment_bucket *bucket = &probe->buckets[probe->at];
            uint64_t value = atomic_load_explicit(&bucket->slots[slot], memory_order_acquire);
            uint64_t want = segment_index_extra(hash) | ((uint64_t)probe->step << SLOT_PROBE_SHIFT);

            probe->matches &= probe->matches - 1;
            if (((value ^ want) & (SLOT_EXTRA_MASK | SLOT_PROBE_MASK)) == 0 && value != 0) {
                *ret_hit = (struct segment_hit){bucket, slot, value};
                return true;
            }
        }
        if (probe->info >> 56 == 0 || ++probe->step == INDEX_PROBES) {
            return false;
        }
        probe->at = segment_index_advance(probe->at, probe->tag, probe->per);
        segment_probe_load(probe);
    }
}

void segment_index_lock_slow(struct segment_stripe *stripe);

static inline void segment_index_lock(struct segment_stripe *stripe)
{
    if (BASE_UNLIKELY(atomic_exchange_explicit(&stripe->lock, 1, memory_order_acquire) != 0)) {
        segment_index_lock_slow(stripe);
    }
}

static inline void segment_index_unlock(struct segment_stripe *stripe)
{
    atomic_store_explicit(&stripe->lock, 0, memory_order_release);
}

/* How many evictions ago, as far as it is remembered at all. */
static inline bool segment_index_ghost_valid(const struct segment_index *index, uint64_t value)
{
    uint64_t now = atomic_load_explicit(&index->ghost_number, memory_order_relaxed);

    return ((now - value) & SLOT_PLACE_MASK) <
           atomic_load_explicit(&index->ghost_window, memory_order_relaxed);
}

/* ---- under the stripe's lock ---- */

enum segment_insert_result {
    SEGMENT_INSERTED,
    SEGMENT_INSERT_FULL, /* no free slot and no ghost within reach */
};

/*
 * A new entry. `value`: place and state bits; probe and extra tag are filled in. A ghost of the
 * same hash is replaced, otherwise a free slot is taken, otherwise a ghost's.
 */
enum segment_insert_result segment_index_insert(struct segment_index *index,
                                                const struct segment_table *table, uint64_t hash,
                                                uint64_t value);
/* Forget an entry. */
void segment_index_erase(struct segment_index *index, uint64_t hash, const struct segment_hit *hit);
/* Turn an entry into a ghost. */
void segment_index_bury(struct segment_index *index, uint64_t hash, const struct segment_hit *hit);
/* The item within reach of the hash that is read least. False: there are only ghosts. */
bool segment_index_coldest(struct segment_index *index, uint64_t hash, struct segment_hit *ret_hit);
/* The entry that points to `where` (SLOT_WHERE_MASK bits). */
bool segment_index_find_place(struct segment_index *index, uint64_t hash, uint64_t where,
                              struct segment_hit *ret_hit);

/* Memory for a table of `per` buckets per stripe, or NULL. The caller charges it. */
struct segment_table *segment_table_create(struct larder_engine *engine, uint32_t per);
void segment_table_destroy(struct segment_table **table);

#endif
