/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Overwriting: a small item takes the place of a small one that can be read, whatever it was. That
 * is what most stores do, and here they do nothing else. prefetch() has found the entry, so the way
 * is short; the steps and their order are those of store.c, and whatever is out of the ordinary is
 * left to it, before anything has changed. On the context's thread.
 */
#include "engine/segment/store.h"

#include "base/copy.h"
#include "base/key.h"
#include "engine/segment/segment_priv.h"

/* The item that is replaced. */
struct over {
    _Atomic uint64_t *slot;
    uint64_t value; /* the slot's, as first seen */
    struct segment_item *item;
    uint32_t state;
    uint32_t id; /* its segment */
    uint64_t sequence;
};

/* Whatever the host has done to its keys meanwhile: only an item with this very key is taken. */
static BASE_INLINE bool find_old(const struct larder_thread *thread, const struct larder_key *key,
                                 struct over *over)
{
    const struct larder_engine *engine = thread->engine;
    const struct segment_notes *notes = &thread->notes;
    const size_t number = ((uintptr_t)key - (uintptr_t)notes->keys) / sizeof(*key);

    if (number >= notes->count || notes->turns != thread->turns || notes->slots[number] == NULL) {
        return false;
    }
    over->slot = notes->slots[number];
    /* Acquire: a slot is published after its item. */
    over->value = atomic_load_explicit(over->slot, memory_order_acquire);
    if (((over->value ^ segment_index_extra(key->hash)) &
         (SLOT_EXTRA_MASK | SLOT_LARGE | SLOT_GHOST)) != 0 ||
        over->value == 0) {
        return false;
    }
    over->id = segment_place_id(over->value);
    over->item = (struct segment_item *)(void *)(engine->base +
                                                 ((uint64_t)over->id << engine->segment_shift) +
                                                 segment_place_offset(over->value));
    over->state = segment_item_state(over->item);
    over->sequence = atomic_load_explicit(&engine->sequences[over->id], memory_order_relaxed);
    return segment_item_key_size(over->item) == key->size &&
           base_key_equal(segment_item_key(over->item, over->state), key->data, key->size);
}

static BASE_INLINE bool is_over(const struct larder_thread *thread, const struct over *over)
{
    return (over->state & ITEM_HAS_EXPIRY) != 0 &&
           segment_item_expired(segment_item_expiry(over->item, over->state), thread->now_s);
}

/* Can it be read, and has it no cas but the one of its place? */
static BASE_INLINE bool is_ordinary(const struct larder_thread *thread, const struct over *over)
{
    /* Acquire: pairs with flush(). */
    return over->sequence >=
               atomic_load_explicit(&thread->engine->flush_sequence, memory_order_acquire) &&
           (over->state & (ITEM_HAS_CAS | ITEM_HAS_BIG_SIZE)) == 0 && !is_over(thread, over);
}

static BASE_INLINE uint32_t layout_of(const struct larder_put *put)
{
    return (put->expires_at_s != 0 ? (uint32_t)ITEM_HAS_EXPIRY : 0u) |
           (put->client_flags != 0 ? (uint32_t)ITEM_HAS_CLIENT_FLAGS : 0u);
}

static BASE_INLINE void write_item(struct segment_item *item, const struct larder_thread *thread,
                                   const struct larder_key *key, const struct larder_put *put,
                                   uint32_t layout)
{
    const struct larder_piece *value = &put->pieces[0];
    char *at = segment_item_field(item, 0);

    item->sizes = key->size | (uint32_t)value->size << 8;
    atomic_store_explicit(&item->state,
                          segment_item_date(thread->now_s) | layout | (put->marks & ITEM_MARKS),
                          memory_order_relaxed);
    if (BASE_UNLIKELY((layout & ITEM_HAS_EXPIRY) != 0)) {
        atomic_store_explicit(segment_item_expiry_field(item, layout), put->expires_at_s,
                              memory_order_relaxed);
        at += sizeof(put->expires_at_s);
    }
    if (BASE_UNLIKELY((layout & ITEM_HAS_CLIENT_FLAGS) != 0)) {
        memcpy(at, &put->client_flags, sizeof(put->client_flags));
        at += sizeof(put->client_flags);
    }
    base_copy_past(base_key_copy(at, key->data, key->size), value->data, value->size);
}

/*
 * The entry now points to the new item, unless something has come between: then all is as before.
 * That a place is not used again before this turn is over makes it safe; see plan_holds().
 */
static BASE_INLINE bool switch_entry(const struct larder_thread *thread,
                                     const struct larder_key *key, const struct over *over,
                                     uint64_t place)
{
    struct segment_index *index = &thread->engine->index;
    const uint32_t number = segment_index_stripe(index, key->hash);
    struct segment_stripe *stripe = &index->stripes[number];
    uint64_t value;
    bool holds;

    segment_index_lock(stripe);
    value = atomic_load_explicit(over->slot, memory_order_relaxed);
    holds = segment_index_table(index, number) == thread->notes.table &&
            ((over->value ^ value) & SLOT_WHERE_MASK) == 0 && !is_over(thread, over);
    if (BASE_LIKELY(holds)) {
        value &= SLOT_EXTRA_MASK | SLOT_PROBE_MASK | SLOT_FREQ_MASK;
        /* Release: the item is complete. */
        atomic_store_explicit(over->slot, value | place, memory_order_release);
    }
    segment_index_unlock(stripe);
    return holds;
}

bool segment_over(struct larder_thread *thread, const struct larder_key *key,
                  struct larder_put *put)
{
    struct larder_engine *engine = thread->engine;
    const uint32_t layout = layout_of(put);
    struct segment_writer *writer;
    struct over over;
    uint64_t size, old_size, place;
    uint32_t log;

    if (!find_old(thread, key, &over) || !is_ordinary(thread, &over)) {
        return false;
    }
    log = atomic_load_explicit(&engine->segments[over.id].log, memory_order_relaxed);
    writer = &thread->writers[log];
    size = segment_item_room(layout, key->size, put->pieces[0].size);
    /* An older segment would mean a cas that is below the replaced item's. */
    if (size > engine->item_small_max || size > engine->item_size_max ||
        !segment_log_fits(thread, log, (uint32_t)size) || writer->sequence < over.sequence) {
        return false;
    }
    place = segment_log_append(thread, log, (uint32_t)size);
    write_item((struct segment_item *)(void *)(engine->base +
                                               ((uint64_t)writer->id << engine->segment_shift) +
                                               writer->offset - size),
               thread, key, put, layout);
    if (BASE_UNLIKELY(
            !switch_entry(thread, key, &over, place | (put->show_cas ? SLOT_CAS_SHOWN : 0)))) {
        segment_log_retract(thread, place, (uint32_t)size);
        return false;
    }
    put->ret_cas = (writer->sequence << SEGMENT_OFFSET_BITS) | (place & SEGMENT_OFFSET_MASK);
    segment_log_add_live(thread, writer->id, (uint32_t)size, put->expires_at_s);
    old_size = segment_item_room(over.state & ITEM_LAYOUT, key->size, over.item->sizes >> 8);
    segment_item_bury(over.item);
    SEGMENT_COUNT(thread, total_items);
    segment_count_by(thread, SEGMENT_COUNT_bytes, size - old_size);
    segment_log_drop_live(thread, over.id, (uint32_t)old_size);
    return true;
}
