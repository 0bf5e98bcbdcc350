/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading: the path that counts. One line of the index, one or two of the item, the segment's
 * number. It takes no lock, allocates nothing, and for a hot item writes nothing shared: the
 * frequency saturates at 3, the mark is set once, the date once in a minute.
 *
 * Keys are looked up in groups and in three passes, so that the memory of a whole group is on its
 * way before the first of it is needed:
 *
 *      locate   each key's home bucket                  brings the buckets in
 *      pick     the entry that is its, by the tags      brings the items in
 *      take     compare, fill the reference, leave traces
 *
 * Nine of ten items lie in their home bucket, and of the entries picked by 22 bits of hash one in
 * half a million is another key's: the rest takes the long way, segment_find().
 */
#include "base/check.h"
#include "base/key.h"
#include "engine/segment/segment_priv.h"

enum {
    GROUP_MAX = SEGMENT_NOTES_MAX
}; /* keys; the processor tracks fewer misses than that anyway */

/* A key between two passes. */
struct lookup {
    struct segment_hit hit;    /* bucket: at first the home bucket, then NULL when there is none */
    struct segment_item *item; /* of the hit */
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
        if ((hit.value & SLOT_GHOST) != 0) {
            if (ret_ghost != NULL) {
                *ret_ghost = hit.value;
            }
            continue;
        }
        if (segment_item_is(segment_item_at(engine, hit.value), key)) {
            return hit;
        }
    }
    return (struct segment_hit){NULL, 0, 0};
}

static BASE_INLINE const char *key_of(const struct segment_item *item, uint32_t state)
{
    return BASE_LIKELY((state & ITEM_LAYOUT) == 0) ? segment_item_field(item, 0)
                                                   : segment_item_key(item, state);
}

/* The fields that every reader wants. `key`: key_of() */
static BASE_INLINE void fill_value(const struct segment_item *item, uint32_t state, const char *key,
                                   struct larder_ref *ret_ref)
{
    ret_ref->value = key + segment_item_key_size(item);
    ret_ref->marks = state & ITEM_MARKS;
    if (BASE_LIKELY((state & ITEM_LAYOUT) == 0)) { /* as below, with less to compute */
        ret_ref->value_size = item->sizes >> 8;
        ret_ref->client_flags = 0;
        ret_ref->expires_at_s = 0;
    } else {
        ret_ref->value_size = segment_item_value_size(item, state);
        ret_ref->client_flags = segment_item_client_flags(item, state);
        ret_ref->expires_at_s = segment_item_expiry(item, state);
    }
}

static BASE_INLINE void fill_rest(const struct larder_engine *engine, uint64_t value,
                                  const struct segment_item *item, uint32_t state, const char *key,
                                  uint32_t now_s, struct larder_ref *ret_ref)
{
    ret_ref->key = key;
    ret_ref->key_size = segment_item_key_size(item);
    ret_ref->cas = segment_cas_at(engine, value, item, state);
    ret_ref->last_access_s = segment_item_last_access(state, now_s);
}

void segment_fill_ref(const struct larder_engine *engine, uint64_t value,
                      const struct segment_item *item, uint32_t now_s, struct larder_ref *ret_ref)
{
    const uint32_t state = segment_item_state(item);
    const char *key = key_of(item, state);

    fill_value(item, state, key, ret_ref);
    fill_rest(engine, value, item, state, key, now_s, ret_ref);
    ret_ref->pin = 0;
}

/* ---- the passes ---- */

static void locate_growing(const struct segment_index *index, uint32_t count,
                           const struct larder_key *keys, struct lookup *lookups)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t stripe = segment_index_stripe(index, keys[i].hash);
        const struct segment_table *table = segment_index_table(index, stripe);

        lookups[i].hit.bucket = table->buckets + (uint64_t)stripe * table->per +
                                segment_index_home(index, keys[i].hash, table->per);
        BASE_PREFETCH(lookups[i].hit.bucket);
    }
}

/* The same while the index does not grow: there is but one table. */
static void locate_alone(const struct segment_index *index, const struct segment_table *table,
                         uint32_t count, const struct larder_key *keys, struct lookup *lookups)
{
    struct segment_bucket *const buckets = table->buckets;
    const uint64_t per = table->per;
    const uint32_t shift = index->stripe_shift - 32;

    for (uint32_t i = 0; i < count; i++) {
        const uint64_t stripe_and_fraction = keys[i].hash >> shift;

        lookups[i].hit.bucket = buckets + (stripe_and_fraction >> 32) * per +
                                ((stripe_and_fraction & 0xffffffff) * per >> 32);
        BASE_PREFETCH(lookups[i].hit.bucket);
    }
}

static void locate(const struct segment_index *index, uint32_t count, const struct larder_key *keys,
                   struct lookup *lookups)
{
    /* Acquire, twice: as in segment_index_table(). */
    const struct segment_table *table = atomic_load_explicit(&index->table, memory_order_acquire);

    if (BASE_LIKELY(atomic_load_explicit(&table->next, memory_order_acquire) == NULL)) {
        locate_alone(index, table, count, keys, lookups);
    } else {
        locate_growing(index, count, keys, lookups);
    }
}

/* The entry with the hash's tags in its home bucket; `info` is the bucket's. */
static BASE_INLINE bool pick_home(uint64_t hash, uint64_t info, struct segment_bucket *home,
                                  struct segment_hit *ret_hit)
{
    uint64_t matches = segment_index_match(info, segment_index_tag(hash));

    for (; matches != 0; matches &= matches - 1) {
        const uint32_t slot = (uint32_t)__builtin_ctzll(matches) >> 3;
        /* Acquire: a slot is published after its item. */
        const uint64_t value = atomic_load_explicit(&home->slots[slot], memory_order_acquire);
        const uint64_t differs = value ^ segment_index_extra(hash);

        if (BASE_LIKELY((differs & (SLOT_EXTRA_MASK | SLOT_PROBE_MASK | SLOT_GHOST)) == 0 &&
                        value != 0)) {
            *ret_hit = (struct segment_hit){home, slot, value};
            return true;
        }
    }
    return false;
}

/* The first entry with the hash's tags in any bucket. */
static void pick_beyond(const struct segment_index *index, uint64_t hash,
                        struct segment_hit *ret_hit)
{
    const struct segment_table *table = segment_index_table_of(index, hash);
    struct segment_probe probe = segment_probe_begin(index, table, hash);

    while (segment_probe_next(&probe, hash, ret_hit)) {
        if ((ret_hit->value & SLOT_GHOST) == 0) {
            return;
        }
    }
    ret_hit->bucket = NULL;
}

static BASE_INLINE void bring_in(const struct larder_engine *engine, struct lookup *lookup)
{
    lookup->item = segment_item_at(engine, lookup->hit.value);
    BASE_PREFETCH(lookup->item);
    BASE_PREFETCH((const char *)lookup->item + 64);
}

static void pick(const struct larder_engine *engine, uint32_t count, const struct larder_key *keys,
                 bool beyond, struct lookup *lookups)
{
    uint8_t late[GROUP_MAX]; /* what is not in its home bucket */
    uint32_t late_count = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct segment_bucket *home = lookups[i].hit.bucket;
        /* Acquire: a tag is published after its slot. */
        const uint64_t info = atomic_load_explicit(&home->info, memory_order_acquire);

        if (BASE_LIKELY(pick_home(keys[i].hash, info, home, &lookups[i].hit))) {
            bring_in(engine, &lookups[i]);
        } else {
            lookups[i].hit.bucket = NULL;
            late[late_count] = (uint8_t)i;
            late_count += info >> 56 == 0 ? 0 : 1; /* else there is none */
        }
    }
    for (uint32_t i = 0; beyond && i < late_count; i++) {
        struct lookup *lookup = &lookups[late[i]];

        pick_beyond(&engine->index, keys[late[i]].hash, &lookup->hit);
        if (lookup->hit.bucket != NULL) {
            bring_in(engine, lookup);
        }
    }
}

/* The reader's traces: frequency, mark, date. Lost races are lost hits, nothing more. */
static BASE_INLINE void leave_traces(const struct segment_hit *hit, struct segment_item *item,
                                     uint32_t state, uint32_t now_s)
{
    uint64_t value = hit->value;

    if ((~value & SLOT_FREQ_MASK) != 0) {
        (void)atomic_compare_exchange_strong_explicit(&hit->bucket->slots[hit->slot], &value,
                                                      value + SLOT_FREQ_ONE, memory_order_acq_rel,
                                                      memory_order_relaxed);
    }
    if (BASE_UNLIKELY((state & LARDER_MARK_FETCHED) == 0 || segment_item_is_old(state, now_s))) {
        (void)atomic_compare_exchange_strong_explicit(
            &item->state, &state, segment_item_date(now_s) | (state & 0xff) | LARDER_MARK_FETCHED,
            memory_order_relaxed, memory_order_relaxed);
    }
}

/*
 * Sets the shown bit, once per item. Under the stripe's lock, so neither relocation nor growth can
 * miss it. False: the entry changed meanwhile, look again.
 */
static bool show_cas(struct larder_engine *engine, const struct larder_key *key,
                     struct segment_hit *hit)
{
    struct segment_index *index = &engine->index;
    struct segment_stripe *stripe = &index->stripes[segment_index_stripe(index, key->hash)];
    struct segment_hit shown;
    bool found;

    if ((hit->value & SLOT_CAS_SHOWN) != 0) {
        return true;
    }
    segment_index_lock(stripe);
    found = segment_index_find_place(index, key->hash, hit->value & SLOT_WHERE_MASK, &shown);
    if (found) {
        (void)atomic_fetch_or_explicit(&shown.bucket->slots[shown.slot], SLOT_CAS_SHOWN,
                                       memory_order_acq_rel);
    }
    segment_index_unlock(stripe);
    hit->value |= SLOT_CAS_SHOWN;
    return found;
}

/* What one call of get() asks for. */
struct wish {
    uint32_t flags; /* enum larder_get_flag */
    uint32_t now_s;
    uint64_t flushed; /* items of older sequences are gone */
};

static BASE_INLINE void miss(struct larder_ref *ref, enum larder_result *ret_result)
{
    ref->pin = 0;
    *ret_result = LARDER_MISS;
}

/* The item is the key's. False: it is not any more, look again. */
static BASE_INLINE bool take_found(struct larder_thread *thread, const struct wish wish,
                                   const struct larder_key *key, uint32_t state,
                                   const char *item_key, struct lookup *lookup,
                                   struct larder_ref *ref, enum larder_result *ret_result)
{
    struct larder_engine *engine = thread->engine;

    if (wish.flushed != 0 && segment_sequence_at(engine, lookup->hit.value) < wish.flushed) {
        SEGMENT_COUNT(thread, get_flushed);
        miss(ref, ret_result);
        return true;
    }
    fill_value(lookup->item, state, item_key, ref);
    if ((wish.flags & LARDER_GET_BRIEF) == 0) {
        fill_rest(engine, lookup->hit.value, lookup->item, state, item_key, wish.now_s, ref);
    }
    if (BASE_UNLIKELY(segment_item_expired(ref->expires_at_s, wish.now_s))) {
        SEGMENT_COUNT(thread, get_expired);
        miss(ref, ret_result);
        return true;
    }
    if ((wish.flags & LARDER_GET_CAS) != 0 && !show_cas(engine, key, &lookup->hit)) {
        return false; /* a writer was first */
    }
    if ((wish.flags & LARDER_GET_PEEK) == 0) {
        leave_traces(&lookup->hit, lookup->item, state, wish.now_s);
    }
    ref->pin = 1;
    thread->lent_count++;
    *ret_result = LARDER_OK;
    return true;
}

/* What was picked is another key's, or has changed. */
static enum larder_result take_again(struct larder_thread *thread, const struct wish wish,
                                     const struct larder_key *key, struct larder_ref *ref)
{
    struct lookup lookup;
    enum larder_result result;
    uint32_t state;

    do {
        lookup.hit = segment_find(thread->engine, key, NULL);
        if (lookup.hit.bucket == NULL) {
            ref->pin = 0;
            return LARDER_MISS;
        }
        lookup.item = segment_item_at(thread->engine, lookup.hit.value);
        state = segment_item_state(lookup.item);
    } while (
        !take_found(thread, wish, key, state, key_of(lookup.item, state), &lookup, ref, &result));
    return result;
}

static BASE_INLINE void take(struct larder_thread *thread, const struct wish wish,
                             const struct larder_key *key, struct lookup *lookup,
                             struct larder_ref *ref, enum larder_result *ret_result)
{
    if (lookup->hit.bucket == NULL) {
        miss(ref, ret_result);
        return;
    }
    const uint32_t state = segment_item_state(lookup->item);
    const char *item_key = key_of(lookup->item, state);
    if (BASE_UNLIKELY(segment_item_key_size(lookup->item) != key->size ||
                      !base_key_equal(item_key, key->data, key->size)) ||
        !take_found(thread, wish, key, state, item_key, lookup, ref, ret_result)) {
        *ret_result = take_again(thread, wish, key, ref);
    }
}

static BASE_INLINE void take_all(struct larder_thread *thread, const struct wish wish,
                                 uint32_t count, const struct larder_key *keys,
                                 struct lookup *lookups, struct larder_ref *refs,
                                 enum larder_result *results)
{
    for (uint32_t i = 0; i < count; i++) {
        take(thread, wish, &keys[i], &lookups[i], &refs[i], &results[i]);
    }
}

/* ---- the engine's functions ---- */

void segment_get(struct larder_thread *thread, const struct larder_key *keys, uint32_t count,
                 uint32_t flags, uint64_t token, struct larder_ref *refs,
                 enum larder_result *results)
{
    struct lookup lookups[GROUP_MAX];
    const struct wish wish = {
        .flags = flags,
        .now_s = thread->now_s,
        /* Acquire: pairs with flush(). One that comes now comes after these look-ups. */
        .flushed = atomic_load_explicit(&thread->engine->flush_sequence, memory_order_acquire),
    };

    (void)token; /* for engines that answer later */
    CHECK(thread->entered);
    while (count > 0) {
        const uint32_t part = count < GROUP_MAX ? count : GROUP_MAX;

        locate(&thread->engine->index, part, keys, lookups);
        pick(thread->engine, part, keys, true, lookups);
        if (flags == LARDER_GET_BRIEF && wish.flushed == 0) {
            /* The same with what is usual known to the compiler. */
            take_all(thread, (struct wish){.flags = LARDER_GET_BRIEF, .now_s = wish.now_s}, part,
                     keys, lookups, refs, results);
        } else {
            take_all(thread, wish, part, keys, lookups, refs, results);
        }
        keys += part;
        refs += part;
        results += part;
        count -= part;
    }
}

void segment_prefetch(struct larder_thread *thread, const struct larder_key *keys, uint32_t count)
{
    const struct segment_index *index = &thread->engine->index;
    struct segment_notes *notes = &thread->notes;
    struct lookup lookups[GROUP_MAX];

    CHECK(thread->entered);
    count = count < GROUP_MAX ? count : GROUP_MAX;
    /* Before the look-up: if this is the table when a slot is written to, it was so all the time. */
    notes->table = atomic_load_explicit(&index->table, memory_order_acquire);
    locate(index, count, keys, lookups);
    pick(thread->engine, count, keys, false, lookups); /* beyond it is only slower */
    notes->keys = keys;
    notes->count = count;
    notes->turns = thread->turns;
    for (uint32_t i = 0; i < count; i++) {
        const struct segment_hit *hit = &lookups[i].hit;

        notes->slots[i] = hit->bucket == NULL ? NULL : &hit->bucket->slots[hit->slot];
    }
}

void segment_release(struct larder_thread *thread, struct larder_ref *refs, uint32_t count)
{
    uint64_t pins = 0; /* one each */

    for (uint32_t i = 0; i < count; i++) {
        pins += refs[i].pin;
        refs[i].pin = 0;
    }
    CHECK(pins <= thread->lent_count);
    thread->lent_count -= (uint32_t)pins;
}
