/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Storing.
 *
 * A store is optimistic. It looks the key up without a lock and plans: do the conditions hold,
 * which optional fields, which log. It writes the item into its own open segment. Then, under the
 * stripe's lock, it checks that the key's entry is still what it planned for, and switches it.
 * If not it takes the bytes back and plans again; another thread has got on, so nobody starves
 * the others. Copying happens outside the lock, and losing a condition costs one lookup.
 *
 * Two atomic read-modify-writes are left of a small item that replaces another: the stripe's lock
 * and the other's segment. What nearly all stores do is inlined into segment_put(), which takes a
 * third of the instructions (callgrind: 300 instead of 970).
 */
#include "engine/segment/store.h"
#include "base/check.h"
#include "base/copy.h"
#include "engine/segment/segment_priv.h"

enum { APART_SIZE = 1 << 20 }; /* bytes of a value that take 100 us to copy: not in the epoch */

/* ---- entries that go ---- */

void segment_item_gone(struct larder_thread *thread, uint64_t value, struct segment_item *item)
{
    uint64_t size = segment_item_size(item);

    segment_item_bury(item);
    segment_count_by(thread, SEGMENT_COUNT_items, (uint64_t)-1);
    segment_count_by(thread, SEGMENT_COUNT_bytes, 0 - size);
    if ((value & SLOT_LARGE) != 0) {
        segment_large_retire(thread->engine, (uint32_t)(value & SLOT_PLACE_MASK));
    } else {
        segment_log_drop_live(thread, segment_place_id(value), (uint32_t)size);
    }
}

void segment_count_dead(struct larder_thread *thread, uint64_t value,
                        const struct segment_item *item)
{
    SEGMENT_COUNT(thread, reclaimed);
    if (!segment_flushed_at(thread->engine, value)) {
        if ((segment_item_state(item) & LARDER_MARK_FETCHED) == 0) {
            SEGMENT_COUNT(thread, expired_unfetched);
        }
        segment_event(thread->engine, LARDER_EVENT_EXPIRED, value, item, thread->now_s);
    }
}

void segment_count_no_slot(struct larder_thread *thread, uint64_t value,
                           const struct segment_item *item)
{
    if (segment_entry_live(thread->engine, value, item, thread->now_s)) {
        SEGMENT_COUNT(thread, evictions);
        SEGMENT_COUNT(thread, index_evictions);
        segment_event(thread->engine, LARDER_EVENT_EVICTED, value, item, thread->now_s);
    }
}

/* Under the stripe's lock. No slot was free: the least read item within reach makes room. */
static bool evict_from_index(struct larder_thread *thread, uint64_t hash,
                             struct segment_hit *ret_victim)
{
    struct larder_engine *engine = thread->engine;

    if (!engine->evict || !segment_index_coldest(&engine->index, hash, ret_victim)) {
        return false;
    }
    segment_count_no_slot(thread, ret_victim->value, segment_item_at(engine, ret_victim->value));
    segment_index_erase(&engine->index, hash, ret_victim);
    return true;
}

/* No slot was free for a new entry: make one. LARDER_OK: plan again. */
static enum larder_result make_slot(struct larder_thread *thread, uint64_t hash,
                                    struct segment_stripe *stripe, const struct segment_table *full)
{
    struct larder_engine *engine = thread->engine;
    struct segment_hit victim;
    bool evicted;

    if (segment_grow_now(thread, segment_index_stripe(&engine->index, hash), full)) {
        return LARDER_OK;
    }
    segment_index_lock(stripe);
    evicted = evict_from_index(thread, hash, &victim);
    segment_index_unlock(stripe);
    if (!evicted) {
        SEGMENT_COUNT(thread, no_space);
        return LARDER_NO_SPACE;
    }
    segment_item_gone(thread, victim.value, segment_item_at(engine, victim.value));
    return LARDER_OK;
}

/* ---- planning ---- */

static enum larder_result check_condition(const struct segment_plan *plan,
                                          const struct larder_put *put, uint64_t cas)
{
    switch ((enum larder_condition)put->condition) {
    case LARDER_COND_NONE:
        return LARDER_OK;
    case LARDER_COND_ABSENT:
        return plan->live ? LARDER_EXISTS : LARDER_OK;
    case LARDER_COND_PRESENT:
        return plan->live ? LARDER_OK : LARDER_MISS;
    case LARDER_COND_CAS:
        if (!plan->live) {
            return LARDER_MISS;
        }
        return cas == put->cas_expected ? LARDER_OK : LARDER_EXISTS;
    }
    NEVER("a condition outside its enum");
}

/* Which log: M for what came back, or replaces what is in M; S for what is new. */
static BASE_ALWAYS_INLINE uint32_t choose_log(const struct larder_engine *engine,
                                              const struct segment_plan *plan, uint64_t ghost)
{
    if (plan->live) {
        if (BASE_UNLIKELY((plan->hit.value & SLOT_LARGE) != 0)) {
            return SEGMENT_S;
        }
        return atomic_load_explicit(&engine->segments[segment_place_id(plan->hit.value)].log,
                                    memory_order_relaxed);
    }
    return ghost != 0 && segment_index_ghost_valid(&engine->index, ghost) ? SEGMENT_M : SEGMENT_S;
}

/*
 * The cas: where the item will lie, unless that is not above the replaced item's. Then it is
 * written out, from a number that nobody else gets.
 */
static BASE_ALWAYS_INLINE void choose_cas(struct larder_thread *thread,
                                          const struct larder_put *put, uint64_t old, bool large,
                                          struct segment_plan *plan)
{
    const struct segment_writer *writer = &thread->writers[plan->log];
    const uint64_t derived = (writer->sequence << SEGMENT_OFFSET_BITS) | (writer->offset >> 3);

    plan->cas = put->cas_assign;
    if (BASE_UNLIKELY(plan->cas == 0 && (large || derived <= old))) {
        plan->cas = segment_sequence_next(thread->engine) << SEGMENT_OFFSET_BITS;
    }
    if (BASE_UNLIKELY(plan->cas != 0)) {
        plan->layout |= ITEM_HAS_CAS;
        plan->size += sizeof(plan->cas);
    }
}

/*
 * The key's entry as the table has it, or hit.bucket NULL. Nine of ten are found in their home bucket;
 * the others take the long way, through whatever is the table by then.
 */
static BASE_ALWAYS_INLINE void find_in(const struct larder_engine *engine,
                                       struct segment_table *table, const struct larder_key *key,
                                       struct segment_plan *plan, uint64_t *ret_ghost)
{
    const struct segment_index *index = &engine->index;
    struct segment_bucket *home = table->buckets +
                                  (uint64_t)segment_index_stripe(index, key->hash) * table->per +
                                  segment_index_home(index, key->hash, table->per);
    const uint64_t extra = segment_index_extra(key->hash);
    /* Acquire, twice: a tag is published after its slot, a slot after its item. */
    const uint64_t info = atomic_load_explicit(&home->info, memory_order_acquire);
    uint64_t matches = segment_index_match(info, segment_index_tag(key->hash));

    for (; matches != 0; matches &= matches - 1) {
        const uint32_t slot = (uint32_t)__builtin_ctzll(matches) >> 3;
        const uint64_t value = atomic_load_explicit(&home->slots[slot], memory_order_acquire);

        if (((value ^ extra) & (SLOT_EXTRA_MASK | SLOT_PROBE_MASK)) != 0 || value == 0) {
            continue;
        }
        if (BASE_UNLIKELY((value & SLOT_GHOST) != 0)) {
            *ret_ghost = value;
            continue;
        }
        plan->old = segment_item_at(engine, value);
        if (BASE_LIKELY(segment_item_is(plan->old, key))) {
            plan->hit = (struct segment_hit){home, slot, value};
            return;
        }
    }
    plan->hit.bucket = NULL;
    if (info >> 56 != 0) {
        plan->hit = segment_find(engine, key, ret_ghost);
        plan->old = plan->hit.bucket == NULL ? NULL : segment_item_at(engine, plan->hit.value);
    }
}

/* What the entry that is there has to say about the plan. Returns its cas. */
static BASE_ALWAYS_INLINE uint64_t plan_over(const struct larder_thread *thread,
                                             const struct larder_put *put,
                                             struct segment_plan *plan)
{
    const struct larder_engine *engine = thread->engine;
    const uint32_t state = segment_item_state(plan->old);
    const uint64_t sequence = segment_sequence_at(engine, plan->hit.value);

    /* Acquire: pairs with flush(). */
    plan->live = sequence >= atomic_load_explicit(&engine->flush_sequence, memory_order_acquire) &&
                 !segment_item_expired(segment_item_expiry(plan->old, state), thread->now_s);
    if (BASE_LIKELY(plan->live)) {
        plan->bits |= plan->hit.value & SLOT_FREQ_MASK;
        if (BASE_UNLIKELY(put->keep_expiry)) {
            plan->keep = true;
            plan->client_flags = segment_item_client_flags(plan->old, state);
            plan->expires_at_s = segment_item_expiry(plan->old, state);
            plan->layout = state & ITEM_HAS_EXPIRY; /* a touch meanwhile may change the value */
        }
    }
    return (state & ITEM_HAS_CAS) != 0
               ? segment_item_cas_field(plan->old)
               : (sequence << SEGMENT_OFFSET_BITS) | (plan->hit.value & SEGMENT_OFFSET_MASK);
}

static BASE_ALWAYS_INLINE enum larder_result
plan_put(struct larder_thread *thread, const struct larder_key *key, const struct larder_put *put,
         uint64_t value_size, struct segment_plan *plan)
{
    struct larder_engine *engine = thread->engine;
    uint64_t ghost = 0;
    uint64_t old_cas = 0;
    bool large;

    plan->table = segment_index_table_of(&engine->index, key->hash);
    plan->live = false;
    plan->keep = false;
    plan->same_value = false;
    plan->layout = 0;
    plan->value_size = value_size;
    plan->bits = put->show_cas ? SLOT_CAS_SHOWN : 0;
    plan->client_flags = put->client_flags;
    plan->expires_at_s = put->expires_at_s;
    find_in(engine, plan->table, key, plan, &ghost);
    if (plan->hit.bucket != NULL) {
        old_cas = plan_over(thread, put, plan);
    }
    if (put->condition != LARDER_COND_NONE) {
        const enum larder_result result = check_condition(plan, put, old_cas);
        if (result != LARDER_OK) {
            return result;
        }
    }
    plan->log = choose_log(engine, plan, ghost);
    plan->ghost_hit = !plan->live && plan->log == SEGMENT_M;
    plan->layout |= plan->expires_at_s != 0 ? ITEM_HAS_EXPIRY : 0u;
    plan->layout |= plan->client_flags != 0 ? ITEM_HAS_CLIENT_FLAGS : 0u;
    plan->size = segment_item_room(plan->layout, key->size, value_size);
    large = plan->size > engine->item_small_max;
    choose_cas(thread, put, old_cas, large, plan);
    if (BASE_UNLIKELY(large)) {
        /* Room for an expiry time, so that touch() need not copy it. */
        plan->layout |= ITEM_HAS_EXPIRY;
        plan->layout |= value_size > ITEM_SMALL_SIZE_MAX ? ITEM_HAS_BIG_SIZE : 0u;
        plan->size = segment_item_room(plan->layout, key->size, value_size);
    }
    return LARDER_OK;
}

enum larder_result segment_plan(struct larder_thread *thread, const struct larder_key *key,
                                const struct larder_put *put, uint64_t value_size,
                                struct segment_plan *ret_plan)
{
    return plan_put(thread, key, put, value_size, ret_plan);
}

/* ---- writing ---- */

static void write_options(struct segment_item *item, const struct segment_plan *plan)
{
    const uint32_t bits = plan->layout;

    if ((bits & ITEM_HAS_CAS) != 0) {
        memcpy(segment_item_field(item, 0), &plan->cas, sizeof(plan->cas));
    }
    if ((bits & ITEM_HAS_BIG_SIZE) != 0) {
        memcpy(segment_item_field(item, bits & ITEM_HAS_CAS), &plan->value_size,
               sizeof(plan->value_size));
    }
    if ((bits & ITEM_HAS_EXPIRY) != 0) {
        atomic_store_explicit(segment_item_expiry_field(item, bits), plan->expires_at_s,
                              memory_order_relaxed);
    }
    if ((bits & ITEM_HAS_CLIENT_FLAGS) != 0) {
        memcpy(
            segment_item_field(item, bits & (ITEM_HAS_CAS | ITEM_HAS_BIG_SIZE | ITEM_HAS_EXPIRY)),
            &plan->client_flags, sizeof(plan->client_flags));
    }
}

static BASE_ALWAYS_INLINE void item_write(struct segment_item *item,
                                          const struct larder_thread *thread,
                                          const struct segment_plan *plan, uint32_t key_size,
                                          uint32_t marks)
{
    const bool big = (plan->layout & ITEM_HAS_BIG_SIZE) != 0;

    item->sizes = key_size | (big ? 0 : (uint32_t)plan->value_size << 8);
    atomic_store_explicit(&item->state,
                          segment_item_date(thread->now_s) | plan->layout | (marks & ITEM_MARKS),
                          memory_order_relaxed);
    if (plan->layout != 0) {
        write_options(item, plan);
    }
}

void segment_item_write(struct segment_item *item, const struct larder_thread *thread,
                        const struct segment_plan *plan, uint32_t key_size, uint32_t marks)
{
    item_write(item, thread, plan, key_size, marks);
}

static BASE_ALWAYS_INLINE uint64_t pieces_size(const struct larder_put *put)
{
    uint64_t size = 0;

    if (BASE_LIKELY(put->piece_count == 1)) {
        return put->pieces[0].size;
    }
    for (uint32_t i = 0; i < put->piece_count; i++) {
        size += put->pieces[i].size;
    }
    return size;
}

static BASE_ALWAYS_INLINE void copy_pieces(char *to, const struct larder_put *put)
{
    if (BASE_LIKELY(put->piece_count == 1 && put->pieces[0].size > 0)) {
        base_copy_past(to, put->pieces[0].data, put->pieces[0].size);
        return;
    }
    for (uint32_t i = 0; i < put->piece_count; i++) {
        if (put->pieces[i].size > 0) {
            base_copy_past(to, put->pieces[i].data, put->pieces[i].size);
            to += put->pieces[i].size;
        }
    }
}

/* ---- publishing ---- */

/*
 * Under the stripe's lock: is the key's entry what the plan saw? A place is not given to another
 * item before this turn is over, so an entry that still points there is the key's, in the table it
 * was found in. Only of a key that had none there is more to ask.
 */
static BASE_ALWAYS_INLINE bool plan_holds(const struct larder_thread *thread,
                                          const struct larder_key *key,
                                          const struct segment_plan *plan, uint64_t where,
                                          const struct segment_table *table, uint64_t *ret_value)
{
    const struct larder_engine *engine = thread->engine;
    uint64_t value;

    *ret_value = 0;
    if (plan->hit.bucket == NULL) {
        return segment_find(engine, key, NULL).bucket == NULL;
    }
    value = atomic_load_explicit(&plan->hit.bucket->slots[plan->hit.slot], memory_order_relaxed);
    *ret_value = value;
    if (table != plan->table || ((plan->hit.value ^ value) & SLOT_WHERE_MASK) != 0) {
        return false;
    }
    /* A touch may have changed this. A flush meanwhile takes the new item, too: but a large object's
     * age begins when it is made, after the plan. */
    return ((segment_item_state(plan->old) & ITEM_HAS_EXPIRY) == 0 && (where & SLOT_LARGE) == 0) ||
           plan->live == segment_entry_live(engine, plan->hit.value, plan->old, thread->now_s);
}

/* What may have changed in the old item since the plan, under the stripe's lock. */
static void carry_over(const struct segment_plan *plan, struct segment_item *item)
{
    uint32_t state = segment_item_state(plan->old);

    if (plan->keep && (state & ITEM_HAS_EXPIRY) != 0) {
        atomic_store_explicit(segment_item_expiry_field(item, plan->layout),
                              segment_item_expiry(plan->old, state), memory_order_relaxed);
    }
    if (plan->same_value) {
        uint32_t kept = state & ~(uint32_t)ITEM_LAYOUT;
        atomic_store_explicit(&item->state, kept | plan->layout, memory_order_relaxed);
    }
}

/* The item can be seen: its storage may be reclaimed from now on. */
static BASE_ALWAYS_INLINE void published(struct larder_thread *thread, uint64_t where)
{
    if (BASE_UNLIKELY((where & SLOT_LARGE) != 0)) {
        SEGMENT_COUNT(thread, large_sets);
        segment_large_list(thread->engine, (uint32_t)(where & SLOT_PLACE_MASK));
    }
}

/* Under the stripe's lock, which is given back: a new entry. False: plan again. */
static bool publish_new(struct larder_thread *thread, uint64_t hash,
                        const struct segment_table *table, uint64_t value, uint64_t size,
                        enum larder_result *ret_result)
{
    struct segment_index *index = &thread->engine->index;
    struct segment_stripe *stripe = &index->stripes[segment_index_stripe(index, hash)];
    bool inserted;

    /* Before anybody can see it, and count it out. */
    SEGMENT_COUNT(thread, items);
    segment_count_by(thread, SEGMENT_COUNT_bytes, size);
    inserted = segment_index_insert(index, table, hash, value) == SEGMENT_INSERTED;
    segment_index_unlock(stripe);
    if (!inserted) {
        segment_count_by(thread, SEGMENT_COUNT_items, (uint64_t)-1);
        segment_count_by(thread, SEGMENT_COUNT_bytes, 0 - size);
        if ((value & SLOT_LARGE) == 0) {
            segment_log_drop_live(thread, segment_place_id(value), (uint32_t)size);
        }
        *ret_result = make_slot(thread, hash, stripe, table);
        return *ret_result != LARDER_OK;
    }
    published(thread, value);
    segment_grow_account(thread);
    return true;
}

/* The replaced item's storage has less to keep. */
static BASE_ALWAYS_INLINE void replaced(struct larder_thread *thread,
                                        const struct segment_plan *plan, uint64_t new_size)
{
    const uint64_t value = plan->hit.value;
    const uint64_t size = segment_item_size(plan->old);

    if (BASE_UNLIKELY(!plan->live)) {
        segment_count_dead(thread, value, plan->old);
    }
    segment_item_bury(plan->old);
    segment_count_by(thread, SEGMENT_COUNT_bytes, new_size - size);
    if (BASE_UNLIKELY((value & SLOT_LARGE) != 0)) {
        segment_large_retire(thread->engine, (uint32_t)(value & SLOT_PLACE_MASK));
    } else {
        segment_log_drop_live(thread, segment_place_id(value), (uint32_t)size);
    }
}

static BASE_ALWAYS_INLINE bool publish(struct larder_thread *thread, const struct larder_key *key,
                                       const struct segment_plan *plan, uint64_t where,
                                       uint64_t size, struct segment_item *item,
                                       enum larder_result *ret_result)
{
    struct segment_index *index = &thread->engine->index;
    const uint32_t number = segment_index_stripe(index, key->hash);
    struct segment_stripe *stripe = &index->stripes[number];
    const struct segment_table *table;
    uint64_t value = where | plan->bits;
    uint64_t old;

    *ret_result = LARDER_OK;
    segment_index_lock(stripe);
    table = segment_index_table(index, number);
    if (BASE_UNLIKELY(!plan_holds(thread, key, plan, where, table, &old))) {
        segment_index_unlock(stripe);
        return false;
    }
    if ((where & SLOT_LARGE) == 0) {
        segment_log_add_live(thread, segment_place_id(where), (uint32_t)size, plan->expires_at_s);
    }
    if (old == 0) {
        return publish_new(thread, key->hash, table, value, size, ret_result);
    }
    value |= old & (SLOT_EXTRA_MASK | SLOT_PROBE_MASK);
    if (BASE_UNLIKELY(plan->keep || plan->same_value)) {
        carry_over(plan, item);
        value |= plan->same_value ? old & SLOT_CAS_SHOWN : 0;
    }
    /* Release: the item is complete. A reader's last frequency bump may be lost. */
    atomic_store_explicit(&plan->hit.bucket->slots[plan->hit.slot], value, memory_order_release);
    segment_index_unlock(stripe);
    published(thread, where);
    replaced(thread, plan, size);
    return true;
}

bool segment_publish(struct larder_thread *thread, const struct larder_key *key,
                     const struct segment_plan *plan, uint64_t where, struct segment_item *item,
                     enum larder_result *ret_result)
{
    return publish(thread, key, plan, where, segment_item_size(item), item, ret_result);
}

/* ---- the whole of it ---- */

/* Storage for a large object. LARDER_OK with *ret_where 0: the turn is new, plan again. */
static enum larder_result make_large(struct larder_thread *thread, uint64_t size,
                                     uint64_t *ret_where)
{
    uint64_t turns = thread->turns;
    uint32_t number;
    enum larder_result result = segment_large_create(thread, size, &number);

    if (result != LARDER_OK) {
        return result;
    }
    if (thread->turns != turns) {
        /* The room is made, which took long; the next try finds it at once. */
        segment_large_discard(thread->engine, number);
        return LARDER_OK;
    }
    *ret_where = SLOT_LARGE | number;
    return LARDER_OK;
}

/* Storage for the planned item. LARDER_OK with *ret_where 0: the turn is new, plan again. */
static BASE_ALWAYS_INLINE enum larder_result make_room(struct larder_thread *thread, uint32_t log,
                                                       uint64_t size, uint64_t *ret_where)
{
    *ret_where = 0;
    if (BASE_UNLIKELY(size > thread->engine->item_small_max)) {
        return make_large(thread, size, ret_where);
    }
    if (BASE_UNLIKELY(!segment_log_fits(thread, log, (uint32_t)size))) {
        return segment_log_open(thread, log);
    }
    *ret_where = segment_log_append(thread, log, (uint32_t)size);
    return LARDER_OK;
}

static void drop_room(struct larder_thread *thread, uint64_t where, uint64_t size)
{
    if ((where & SLOT_LARGE) != 0) {
        segment_large_discard(thread->engine, (uint32_t)(where & SLOT_PLACE_MASK));
    } else {
        segment_log_retract(thread, where, (uint32_t)size);
    }
}

/* Write the planned item into new storage and publish it. `again`: plan anew. */
static BASE_ALWAYS_INLINE enum larder_result
store_planned(struct larder_thread *thread, const struct larder_key *key, struct larder_put *put,
              const struct segment_plan *plan, bool *ret_again)
{
    const uint64_t size = plan->size;
    enum larder_result result;
    struct segment_item *item;
    uint64_t where;
    char *bytes;

    result = make_room(thread, plan->log, size, &where);
    *ret_again = result == LARDER_OK;
    if (BASE_UNLIKELY(result != LARDER_OK || where == 0)) {
        return result;
    }
    item = segment_item_at(thread->engine, where);
    item_write(item, thread, plan, key->size, put->marks);
    bytes = BASE_LIKELY(plan->layout == 0) ? segment_item_field(item, 0)
                                           : segment_item_field(item, plan->layout);
    copy_pieces(base_key_copy(bytes, key->data, key->size), put);
    if (BASE_UNLIKELY(!publish(thread, key, plan, where, size, item, &result))) {
        SEGMENT_COUNT(thread, put_retries);
        drop_room(thread, where, size);
        return result;
    }
    *ret_again = false;
    if (BASE_UNLIKELY(result != LARDER_OK)) {
        drop_room(thread, where, size);
        return result;
    }
    put->ret_cas = plan->cas != 0 ? plan->cas : segment_cas_at(thread->engine, where, item, 0);
    return LARDER_OK;
}

static BASE_ALWAYS_INLINE bool is_simple(const struct larder_put *put)
{
    return put->condition == LARDER_COND_NONE && put->piece_count == 1 && put->pieces[0].size > 0 &&
           put->cas_assign == 0 && !put->keep_expiry;
}

enum larder_result segment_put(struct larder_thread *thread, const struct larder_key *key,
                               struct larder_put *put)
{
    enum larder_result result;
    struct segment_plan plan;
    uint64_t value_size;
    bool again = true;

    CHECK(thread->entered && key->size > 0 && key->size < 256);
    if (is_simple(put) && segment_over(thread, key, put)) {
        return LARDER_OK;
    }
    value_size = pieces_size(put);
    if (segment_item_room(0, key->size, value_size) > thread->engine->item_size_max) {
        return LARDER_TOO_LARGE;
    }
    if (BASE_UNLIKELY(value_size >= APART_SIZE && thread->lent_count == 0)) {
        result = segment_put_apart(thread, key, put, value_size);
        if (result != LARDER_BUSY) {
            return result;
        }
    }
    do {
        result = plan_put(thread, key, put, value_size, &plan);
        if (result != LARDER_OK) {
            return result;
        }
        result = store_planned(thread, key, put, &plan, &again);
    } while (BASE_UNLIKELY(again));
    if (BASE_LIKELY(result == LARDER_OK)) {
        SEGMENT_COUNT(thread, total_items);
        if (plan.ghost_hit) {
            SEGMENT_COUNT(thread, ghost_hits);
        }
    }
    return result;
}

enum larder_result segment_store_expiry(struct larder_thread *thread, const struct larder_key *key,
                                        uint32_t expires_at_s, bool *ret_again)
{
    struct larder_engine *engine = thread->engine;
    struct segment_plan plan = {.live = true, .same_value = true, .expires_at_s = expires_at_s};
    struct larder_piece piece;
    struct larder_put put = {.pieces = &piece, .piece_count = 1};
    uint64_t ghost;
    uint32_t state;

    *ret_again = true;
    plan.table = segment_index_table_of(&engine->index, key->hash);
    find_in(engine, plan.table, key, &plan, &ghost);
    if (plan.hit.bucket == NULL) {
        *ret_again = false;
        return LARDER_MISS;
    }
    state = segment_item_state(plan.old);
    if ((state & ITEM_HAS_EXPIRY) != 0) {
        return LARDER_OK; /* somebody else gave it one */
    }
    plan.layout = (state & ITEM_LAYOUT) | ITEM_HAS_EXPIRY | ITEM_HAS_CAS;
    plan.client_flags = segment_item_client_flags(plan.old, state);
    plan.cas = segment_cas_at(engine, plan.hit.value, plan.old, state);
    plan.value_size = segment_item_value_size(plan.old, state);
    plan.size = segment_item_room(plan.layout, key->size, plan.value_size);
    plan.bits = plan.hit.value & SLOT_FREQ_MASK;
    plan.log = choose_log(engine, &plan, 0);
    piece.data = segment_item_key(plan.old, state) + key->size;
    piece.size = plan.value_size;
    return store_planned(thread, key, &put, &plan, ret_again);
}
