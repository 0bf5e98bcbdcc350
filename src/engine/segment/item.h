/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One item as it lies in memory. Items are appended and never move or change while somebody may
 * read them, but for the two atomic words.
 *
 *   0        4        8         optional, in this order                          8-byte aligned
 *   +--------+--------+---------+----------+----------+--------------+-----+-------+ - - +
 *   | sizes  | state  | cas u64 | size u64 | expiry   | client_flags | key | value | pad |
 *   +--------+--------+---------+----------+----------+--------------+-----+-------+ - - +
 *
 *   sizes   value_size:24 | key_size:8       (value_size is 0 and u64 is there when it is larger)
 *   state   dead:1 | last_access_s:23 | bits:8   atomic: readers mark and date what they read
 *   expiry  u32, atomic: touch() writes in place
 *
 * So a 20-byte key with 100 bytes and no expiry is 128 bytes. The state's date is modulo 2^23 s
 * (97 days). Bits that say what is there never change; marks do.
 *
 * Dead is said of an item by whoever took its entry away, so that reclaim need not look for one. A
 * hint: a reader who dates the item meanwhile wipes it out. Of an item that has an entry it is never
 * said.
 */
#ifndef LARDER_ENGINE_SEGMENT_ITEM_H
#define LARDER_ENGINE_SEGMENT_ITEM_H

#include <larder/engine.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/key.h"

struct segment_item {
    uint32_t sizes;
    _Atomic uint32_t state;
};

enum {
    ITEM_MARKS = 0x0f, /* enum larder_mark */
    ITEM_HAS_EXPIRY = 0x10,
    ITEM_HAS_CLIENT_FLAGS = 0x20,
    ITEM_HAS_CAS = 0x40,
    ITEM_HAS_BIG_SIZE = 0x80,
    ITEM_LAYOUT = 0xf0,

    ITEM_HEADER_SIZE = 8,           /* bytes */
    ITEM_SMALL_SIZE_MAX = 0xffffff, /* bytes of a value whose size fits the header */
    ITEM_ACCESS_GRAIN_S = 60,       /* a read dates the item when its date is this old */
    ITEM_ACCESS_MASK = 0x7fffff,
};

#define ITEM_DEAD 0x80000000u

_Static_assert(sizeof(struct segment_item) == ITEM_HEADER_SIZE, "the header is 8 bytes");
_Static_assert((LARDER_MARK_FETCHED | LARDER_MARK_STALE | LARDER_MARK_WON | LARDER_MARK_HOST) ==
                   ITEM_MARKS,
               "marks are stored as they are");

/* In units of 4 bytes, 3 bits for each of the 16 layouts: what they are made of, summed up. */
#define ITEM_OPTIONS(bits)                                                                         \
    ((uint64_t)(((bits)&ITEM_HAS_EXPIRY ? 1 : 0) + ((bits)&ITEM_HAS_CLIENT_FLAGS ? 1 : 0) +        \
                ((bits)&ITEM_HAS_CAS ? 2 : 0) + ((bits)&ITEM_HAS_BIG_SIZE ? 2 : 0))                \
     << (3 * ((bits) >> 4)))
#define ITEM_OPTIONS_4(bits)                                                                       \
    (ITEM_OPTIONS(bits) | ITEM_OPTIONS((bits) + 0x10) | ITEM_OPTIONS((bits) + 0x20) |              \
     ITEM_OPTIONS((bits) + 0x30))
#define ITEM_OPTIONS_16                                                                            \
    (ITEM_OPTIONS_4(0x00) | ITEM_OPTIONS_4(0x40) | ITEM_OPTIONS_4(0x80) | ITEM_OPTIONS_4(0xc0))

/* Bytes of the optional fields of a layout; looked up, for every reader and writer asks. */
static inline uint32_t segment_item_options_size(uint32_t bits)
{
    return (uint32_t)(ITEM_OPTIONS_16 >> (3 * ((bits & ITEM_LAYOUT) >> 4)) & 7) * 4;
}

/* Bytes an item takes, padding included. */
static inline uint64_t segment_item_room(uint32_t bits, uint32_t key_size, uint64_t value_size)
{
    return (ITEM_HEADER_SIZE + segment_item_options_size(bits) + key_size + value_size + 7) &
           ~(uint64_t)7;
}

static inline uint32_t segment_item_state(const struct segment_item *item)
{
    /* Relaxed: the item was published with release by the index slot. */
    return atomic_load_explicit(&item->state, memory_order_relaxed);
}

static inline uint32_t segment_item_key_size(const struct segment_item *item)
{
    return item->sizes & 0xff;
}

static inline char *segment_item_field(const struct segment_item *item, uint32_t bits_before)
{
    return (char *)(uintptr_t)item + ITEM_HEADER_SIZE + segment_item_options_size(bits_before);
}

static inline const char *segment_item_key(const struct segment_item *item, uint32_t state)
{
    return segment_item_field(item, state & ITEM_LAYOUT);
}

static inline bool segment_item_is(const struct segment_item *item, const struct larder_key *key)
{
    return segment_item_key_size(item) == key->size &&
           base_key_equal(segment_item_key(item, segment_item_state(item)), key->data, key->size);
}

static inline uint64_t segment_item_value_size(const struct segment_item *item, uint32_t state)
{
    uint64_t size = item->sizes >> 8;

    if ((state & ITEM_HAS_BIG_SIZE) != 0) {
        memcpy(&size, segment_item_field(item, state & ITEM_HAS_CAS), sizeof(size));
    }
    return size;
}

/* The explicit cas; only when the item has one. */
static inline uint64_t segment_item_cas_field(const struct segment_item *item)
{
    uint64_t cas;

    memcpy(&cas, segment_item_field(item, 0), sizeof(cas));
    return cas;
}

/* Only when the item has one. */
static inline _Atomic uint32_t *segment_item_expiry_field(const struct segment_item *item,
                                                          uint32_t state)
{
    return (_Atomic uint32_t *)(void *)segment_item_field(
        item, state & (ITEM_HAS_CAS | ITEM_HAS_BIG_SIZE));
}

static inline uint32_t segment_item_expiry(const struct segment_item *item, uint32_t state)
{
    if ((state & ITEM_HAS_EXPIRY) == 0) {
        return 0;
    }
    return atomic_load_explicit(segment_item_expiry_field(item, state), memory_order_relaxed);
}

static inline uint32_t segment_item_client_flags(const struct segment_item *item, uint32_t state)
{
    uint32_t flags = 0;

    if ((state & ITEM_HAS_CLIENT_FLAGS) != 0) {
        memcpy(
            &flags,
            segment_item_field(item, state & (ITEM_HAS_CAS | ITEM_HAS_BIG_SIZE | ITEM_HAS_EXPIRY)),
            sizeof(flags));
    }
    return flags;
}

static inline uint64_t segment_item_size(const struct segment_item *item)
{
    uint32_t state = segment_item_state(item);

    return segment_item_room(state & ITEM_LAYOUT, segment_item_key_size(item),
                             segment_item_value_size(item, state));
}

/* Its entry is gone. No read-modify-write: what else would change in it matters to nobody now. */
static inline void segment_item_bury(struct segment_item *item)
{
    atomic_store_explicit(&item->state, segment_item_state(item) | ITEM_DEAD, memory_order_relaxed);
}

/* A state's date, in its place. */
static inline uint32_t segment_item_date(uint32_t now_s)
{
    return (now_s & ITEM_ACCESS_MASK) << 8;
}

/* Since the date, modulo 2^23. */
static inline uint32_t segment_item_age_s(uint32_t state, uint32_t now_s)
{
    return (now_s - (state >> 8)) & ITEM_ACCESS_MASK;
}

/* Is it time for a new date? Compared where it stands, above eight other bits. */
static inline bool segment_item_is_old(uint32_t state, uint32_t now_s)
{
    return (segment_item_date(now_s) | 0xff) - state >= (uint32_t)ITEM_ACCESS_GRAIN_S << 8;
}

/* The date in seconds. It may be a moment ahead: of two workers one sees a second later than the other. */
static inline uint32_t segment_item_last_access(uint32_t state, uint32_t now_s)
{
    uint32_t age_s = segment_item_age_s(state, now_s);

    return age_s > ITEM_ACCESS_MASK - ITEM_ACCESS_GRAIN_S ? now_s : now_s - age_s;
}

static inline bool segment_item_expired(uint32_t expires_at_s, uint32_t now_s)
{
    return expires_at_s != 0 && expires_at_s <= now_s;
}

#endif
