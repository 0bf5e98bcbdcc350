/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine beside a model of itself: random commands on one thread with a clock of its own, and
 * after every command the engine has to say what the model says.
 *
 * The model is one record per key. It forgets a key only when it is removed or flushed, when its
 * time is over, or when the engine reports that it was evicted; so an item that is lost without a
 * word, or comes back, is found. A second thread holds references over many commands, which keeps
 * storage from coming back, and finds them unchanged at the end of its turn.
 *
 * LARDER_TEST_SEED is the first seed, LARDER_TEST_SEEDS how many follow each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "rig.h"

enum {
    SEEDS = 40,
    COMMANDS = 12000, /* per seed */
    KEYS_MAX = 40000,
    PREFILL =
        26000, /* with the most keys: five of six are stored, and the index is about to grow */
    VALUE_MAX = 300000, /* bytes */
    HELD_MAX = 8,
    TEXT_MARKS = LARDER_MARK_STALE | LARDER_MARK_WON | LARDER_MARK_HOST,
};

struct record {
    bool present;
    bool cas_shown;
    uint32_t version, size; /* of the value */
    uint32_t client_flags, expires_at_s, marks, access_s;
    uint64_t cas; /* the last known; may change until it is shown */
    uint32_t scanned;
};

/* What a store is about to make of its key. */
struct pending {
    uint64_t number;
    uint32_t version;
    bool active, evicted;
};

struct held {
    struct larder_ref ref;
    uint64_t number;
    uint32_t version;
};

struct model {
    struct rig rig; /* first: the host's context */
    uint64_t seed, random;
    uint32_t keys, size_max, version;
    uint32_t flush_at_s;
    struct pending pending;
    struct held held[HELD_MAX];
    uint32_t held_count;
    bool holding;
    bool roomy; /* there is memory for everything: nothing may be lost */
    struct larder_room room;
    uint64_t room_number;
    struct record records[KEYS_MAX];
    char value[VALUE_MAX];
    char old[VALUE_MAX];
};

static uint64_t draw(struct model *model, uint64_t below)
{
    uint64_t x = model->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    model->random = x;
    return (x >> 11) % below;
}

#define HOLDS(model, rule)                                                                         \
    do {                                                                                           \
        if (!(rule)) {                                                                             \
            fail_msg("seed %llu: %s", (unsigned long long)(model)->seed, #rule);                   \
        }                                                                                          \
    } while (0)

static void fill(char *to, uint64_t number, uint32_t version, uint32_t size)
{
    uint64_t head[2] = {number, version};

    memset(to, (int)((number * 31 + version) & 0xff), size);
    memcpy(to, head, size < sizeof(head) ? size : sizeof(head));
}

static bool is_value(struct model *model, const struct larder_ref *ref, uint64_t number,
                     uint32_t version, uint32_t size)
{
    fill(model->old, number, version, size);
    return ref->value_size == size && memcmp(ref->value, model->old, size) == 0;
}

static bool live(const struct model *model, const struct record *record)
{
    return record->present &&
           (record->expires_at_s == 0 || record->expires_at_s > model->rig.now_s);
}

static uint64_t number_of(const struct larder_ref *item)
{
    char text[RIG_KEY_SIZE];

    CHECK(item->key_size < sizeof(text));
    memcpy(text, item->key, item->key_size);
    text[item->key_size] = '\0';
    return strtoull(text + 4, NULL, 10);
}

static void on_event(void *context, enum larder_event what, const struct larder_ref *item)
{
    struct model *model = context;
    uint64_t number = number_of(item);
    struct record *record = &model->records[number];
    struct pending *pending = &model->pending;

    if (pending->active && pending->number == number && item->value_size >= 16 &&
        memcmp(item->value + 8, &(uint64_t){pending->version}, 8) == 0) {
        HOLDS(model, what == LARDER_EVENT_EVICTED);
        pending->evicted = true;
        return;
    }
    HOLDS(model, record->present);
    HOLDS(model, is_value(model, item, number, record->version, record->size));
    HOLDS(model, live(model, record) == (what == LARDER_EVENT_EVICTED));
    record->present = false;
}

/* ---- turns ---- */

static void flush_model(struct model *model)
{
    for (uint32_t i = 0; i < model->keys; i++) {
        model->records[i].present = false;
    }
}

static void time_comes(struct model *model)
{
    if (model->flush_at_s != 0 && model->flush_at_s <= model->rig.now_s) {
        model->flush_at_s = 0;
        flush_model(model);
    }
}

static struct larder_thread *begin(struct model *model)
{
    model->rig.ops->thread_begin(model->rig.threads[0], model->rig.now_s);
    time_comes(model);
    return model->rig.threads[0];
}

static void end(struct model *model)
{
    model->rig.ops->thread_end(model->rig.threads[0]);
}

static struct larder_key random_key(struct model *model, char *text, uint64_t *ret_number)
{
    *ret_number = draw(model, draw(model, 2) == 0 ? model->keys : model->keys / 10 + 1);
    return rig_numbered(text, *ret_number);
}

static uint32_t random_expiry(struct model *model)
{
    switch (draw(model, 6)) {
    case 0:
        return model->rig.now_s + (uint32_t)draw(model, 5);
    case 1:
        return model->rig.now_s + 1 + (uint32_t)draw(model, 400);
    default:
        return 0;
    }
}

/* At least what says whose value it is, so that events can be told apart. */
static uint32_t random_size(struct model *model)
{
    uint32_t threshold = 16384; /* near a quarter of the smallest segments */

    switch (draw(model, 40)) {
    case 0:
        return 16 + (uint32_t)draw(model, model->size_max - 16);
    case 1:
        return threshold - 64 + (uint32_t)draw(model, 80);
    default:
        return 16 + (uint32_t)draw(model, 800);
    }
}

/* ---- commands ---- */

static void check_ref(struct model *model, uint64_t number, const struct larder_ref *ref)
{
    const struct record *record = &model->records[number];

    HOLDS(model, is_value(model, ref, number, record->version, record->size));
    HOLDS(model, ref->client_flags == record->client_flags);
    HOLDS(model, ref->expires_at_s == record->expires_at_s);
    HOLDS(model, ref->marks == record->marks);
    HOLDS(model, !record->cas_shown || ref->cas == record->cas);
    HOLDS(model,
          ref->last_access_s <= record->access_s && record->access_s - ref->last_access_s <= 60);
}

static void get(struct model *model)
{
    uint32_t flags = (draw(model, 3) == 0 ? (uint32_t)LARDER_GET_CAS : 0u) |
                     (draw(model, 3) == 0 ? (uint32_t)LARDER_GET_PEEK : 0u);
    char text[RIG_KEY_SIZE];
    enum larder_result result;
    struct larder_ref ref;
    uint64_t number;
    struct larder_key key = random_key(model, text, &number);
    struct record *record = &model->records[number];

    model->rig.ops->get(begin(model), &key, 1, flags, 0, &ref, &result);
    HOLDS(model, result == (live(model, record) ? LARDER_OK : LARDER_MISS));
    if (result == LARDER_OK) {
        check_ref(model, number, &ref);
        record->cas = ref.cas;
        record->cas_shown = record->cas_shown || (flags & LARDER_GET_CAS) != 0;
        if ((flags & LARDER_GET_PEEK) == 0) {
            record->marks |= LARDER_MARK_FETCHED;
            record->access_s = model->rig.now_s;
        }
    }
    end(model);
}

static enum larder_result expected(const struct model *model, const struct larder_put *put,
                                   const struct record *record)
{
    bool there = live(model, record);

    switch ((enum larder_condition)put->condition) {
    case LARDER_COND_ABSENT:
        return there ? LARDER_EXISTS : LARDER_OK;
    case LARDER_COND_PRESENT:
        return there ? LARDER_OK : LARDER_MISS;
    case LARDER_COND_CAS:
        return !there ? LARDER_MISS : put->cas_expected == record->cas ? LARDER_OK : LARDER_EXISTS;
    case LARDER_COND_NONE:
        break;
    }
    return LARDER_OK;
}

static struct larder_put random_put(struct model *model, const struct record *record)
{
    struct larder_put put = {.condition = (uint32_t)draw(model, 4),
                             .client_flags = draw(model, 4) == 0 ? 77 : 0,
                             .expires_at_s = random_expiry(model),
                             .marks = (uint32_t)draw(model, 16),
                             .keep_expiry = draw(model, 5) == 0,
                             .show_cas = draw(model, 4) == 0};

    if (draw(model, 3) != 0) {
        put.condition = LARDER_COND_NONE;
    }
    /* A cas that nobody was shown may have changed. */
    if (put.condition == LARDER_COND_CAS) {
        put.cas_expected = record->cas_shown ? record->cas + (draw(model, 4) == 0) : 1;
    }
    if (draw(model, 10) == 0) {
        put.cas_assign = record->cas + 1 + draw(model, 5);
    }
    return put;
}

/* A store has answered. */
static void stored(struct model *model, uint64_t number, uint32_t size,
                   const struct larder_put *put, enum larder_result result)
{
    struct record *record = &model->records[number];
    bool was_live = live(model, record);

    model->pending.active = false;
    if (result == LARDER_BUSY || result == LARDER_NO_SPACE) {
        /* Never where there is room for everything. */
        HOLDS(model, !model->roomy);
        return;
    }
    HOLDS(model, result == expected(model, put, record));
    if (result != LARDER_OK) {
        return;
    }
    HOLDS(model, put->ret_cas != 0);
    HOLDS(model, put->cas_assign == 0 || put->ret_cas == put->cas_assign);
    HOLDS(model, !was_live || !record->cas_shown || put->ret_cas > record->cas);
    if (!put->keep_expiry || !was_live) {
        record->client_flags = put->client_flags;
        record->expires_at_s = put->expires_at_s;
    }
    record->present = !model->pending.evicted;
    record->version = model->pending.version;
    record->size = size;
    record->marks = put->marks;
    record->access_s = model->rig.now_s;
    record->cas = put->ret_cas;
    record->cas_shown = put->show_cas;
}

static void put_number(struct model *model, uint64_t number, uint32_t size)
{
    char text[RIG_KEY_SIZE];
    struct larder_key key = rig_numbered(text, number);
    struct larder_put put = random_put(model, &model->records[number]);
    struct larder_piece pieces[2] = {{model->value, size / 3},
                                     {model->value + size / 3, size - size / 3}};
    enum larder_result result;

    put.pieces = pieces;
    put.piece_count = 2;
    model->pending = (struct pending){number, ++model->version, true, false};
    fill(model->value, number, model->version, size);
    result = model->rig.ops->put(begin(model), &key, &put);
    stored(model, number, size, &put, result);
    end(model);
}

static void put(struct model *model)
{
    char text[RIG_KEY_SIZE];
    uint64_t number;

    (void)random_key(model, text, &number);
    put_number(model, number, random_size(model));
}

static void use_room(struct model *model)
{
    const struct larder_engine_ops *ops = model->rig.ops;
    struct larder_thread *thread = begin(model);
    char text[RIG_KEY_SIZE];

    if (model->room.value == NULL) {
        struct larder_key key = random_key(model, text, &model->room_number);

        if (ops->reserve(thread, &key, random_size(model), &model->room) != LARDER_OK) {
            model->room.value = NULL;
        }
    } else if (draw(model, 4) == 0) {
        ops->abandon(thread, &model->room);
        model->room.value = NULL;
    } else {
        struct larder_put put = random_put(model, &model->records[model->room_number]);
        uint32_t size = (uint32_t)model->room.value_size;
        enum larder_result result;

        model->pending = (struct pending){model->room_number, ++model->version, true, false};
        fill(model->room.value, model->room_number, model->version, size);
        result = ops->commit(thread, &model->room, &put);
        stored(model, model->room_number, size, &put, result);
        if (result == LARDER_BUSY) {
            ops->abandon(thread, &model->room);
        }
        model->room.value = NULL;
    }
    end(model);
}

static void remove_one(struct model *model)
{
    char text[RIG_KEY_SIZE];
    uint64_t number;
    struct larder_key key = random_key(model, text, &number);
    struct record *record = &model->records[number];
    uint64_t cas = record->cas_shown && draw(model, 2) == 0 ? record->cas + draw(model, 2) : 0;
    enum larder_result result;
    bool there;

    (void)begin(model);
    there = live(model, record);
    result = model->rig.ops->remove(model->rig.threads[0], &key, cas);
    HOLDS(model, result == (!there                           ? LARDER_MISS
                            : cas != 0 && cas != record->cas ? LARDER_EXISTS
                                                             : LARDER_OK));
    if (result == LARDER_OK) {
        record->present = false;
    }
    end(model);
}

static void touch(struct model *model)
{
    char text[RIG_KEY_SIZE];
    uint64_t number;
    struct larder_key key = random_key(model, text, &number);
    struct record *record = &model->records[number];
    uint32_t expires_at_s = draw(model, 8) == 0 ? model->rig.now_s - 1 : random_expiry(model);
    enum larder_result result;

    result = model->rig.ops->touch(begin(model), &key, expires_at_s);
    if (result == LARDER_OK) {
        HOLDS(model, live(model, record));
        record->expires_at_s = expires_at_s;
    } else if (result == LARDER_MISS) {
        HOLDS(model, !live(model, record));
    } else {
        HOLDS(model, !model->roomy);
    }
    end(model);
}

static void mark(struct model *model)
{
    char text[RIG_KEY_SIZE];
    uint64_t number;
    struct larder_key key = random_key(model, text, &number);
    struct record *record = &model->records[number];
    uint32_t set = (uint32_t)draw(model, 16) & TEXT_MARKS;
    uint32_t clear = (uint32_t)draw(model, 16) & TEXT_MARKS & ~set;
    uint32_t before = 0;
    enum larder_result result;

    if (!record->cas_shown) {
        return;
    }
    result = model->rig.ops->mark(begin(model), &key, record->cas, set, clear, &before);
    HOLDS(model, result == (live(model, record) ? LARDER_OK : LARDER_MISS));
    if (result == LARDER_OK) {
        HOLDS(model, before == record->marks);
        record->marks = (record->marks & ~clear) | set;
    }
    end(model);
}

/* The second thread: take references, or look at them once more and let go. */
static void hold(struct model *model)
{
    const struct larder_engine_ops *ops = model->rig.ops;
    struct larder_thread *thread = model->rig.threads[1];

    if (model->holding) {
        for (uint32_t i = 0; i < model->held_count; i++) {
            const struct held *held = &model->held[i];
            HOLDS(model, is_value(model, &held->ref, held->number, held->version,
                                  (uint32_t)held->ref.value_size));
        }
        ops->thread_end(thread);
        model->holding = false;
        return;
    }
    ops->thread_begin(thread, model->rig.now_s);
    time_comes(model);
    model->held_count = 0;
    for (uint32_t i = 0; i < HELD_MAX; i++) {
        struct held *held = &model->held[model->held_count];
        char text[RIG_KEY_SIZE];
        struct larder_key key = random_key(model, text, &held->number);
        enum larder_result result;

        ops->get(thread, &key, 1, LARDER_GET_PEEK, 0, &held->ref, &result);
        if (result == LARDER_OK) {
            held->version = model->records[held->number].version;
            model->held_count++;
        }
    }
    model->holding = true;
}

static bool see(void *arg, const struct larder_ref *item)
{
    struct model *model = arg;
    uint64_t number = number_of(item);

    check_ref(model, number, item);
    model->records[number].scanned++;
    return true;
}

static void scan(struct model *model)
{
    uint64_t cursor = 0;

    for (uint32_t i = 0; i < model->keys; i++) {
        model->records[i].scanned = 0;
    }
    do {
        model->rig.ops->scan(model->rig.engine, model->rig.now_s, &cursor,
                             1 + (uint32_t)draw(model, 200), see, model);
    } while (cursor != 0);
    for (uint32_t i = 0; i < model->keys; i++) {
        HOLDS(model, model->records[i].scanned == (live(model, &model->records[i]) ? 1 : 0));
    }
}

static void flush(struct model *model)
{
    uint32_t at_s = draw(model, 2) == 0 ? 0 : model->rig.now_s + (uint32_t)draw(model, 4);

    model->rig.ops->flush(model->rig.engine, at_s);
    model->flush_at_s = at_s;
    if (at_s == 0) {
        flush_model(model);
    }
}

static void tick(struct model *model)
{
    time_comes(model);
    (void)model->rig.ops->tick(model->rig.engine, model->rig.now_s, 1 + draw(model, 100000));
}

/* What is seldom done. */
static void upkeep(struct model *model)
{
    uint64_t max = model->rig.config.memory_max;

    switch (draw(model, 12)) {
    case 0:
        flush(model);
        break;
    case 1:
    case 2:
        scan(model);
        break;
    case 3:
        if (!model->roomy) {
            (void)model->rig.ops->resize(model->rig.engine, max / 2 + draw(model, max));
        }
        break;
    case 4:
        model->rig.now_s += 1 + (uint32_t)draw(model, 500);
        break;
    default:
        model->rig.now_s += (uint32_t)draw(model, 2);
        break;
    }
}

static void command(struct model *model)
{
    uint64_t what = draw(model, 100);

    if (what < 40) {
        put(model);
    } else if (what < 70) {
        get(model);
    } else if (what < 75) {
        remove_one(model);
    } else if (what < 82) {
        touch(model);
    } else if (what < 86) {
        mark(model);
    } else if (what < 91) {
        use_room(model);
    } else if (what < 93) {
        hold(model);
    } else if (what < 98) {
        tick(model);
    } else if (draw(model, 3) == 0) {
        upkeep(model);
    }
}

static void finish(struct model *model)
{
    char text[RIG_KEY_SIZE];

    if (model->holding) {
        hold(model);
    }
    if (model->room.value != NULL) {
        model->rig.ops->abandon(begin(model), &model->room);
        end(model);
    }
    scan(model);
    if (model->roomy) {
        HOLDS(model, rig_stat(&model->rig, LARDER_STATS_GENERAL, "evictions") == 0);
    }
    time_comes(model);
    /* What the first reclaims is counted when nobody reads it any more. */
    for (uint32_t i = 0; i < 3; i++) {
        rig_tick(&model->rig);
    }
    /* Who may not evict stays above a lower limit until enough is removed. */
    HOLDS(model,
          !model->rig.config.evict || rig_stat(&model->rig, LARDER_STATS_DETAIL, "memory_used") <=
                                          rig_stat(&model->rig, LARDER_STATS_DETAIL, "memory_max"));
    for (uint32_t i = 0; i < model->keys; i++) {
        bool there = live(model, &model->records[i]);
        HOLDS(model, rig_remove(&model->rig, rig_numbered(text, i).data, 0) ==
                         (there ? LARDER_OK : LARDER_MISS));
        model->records[i].present = false;
    }
    HOLDS(model, rig_stat(&model->rig, LARDER_STATS_GENERAL, "curr_items") == 0);
    HOLDS(model, rig_stat(&model->rig, LARDER_STATS_GENERAL, "bytes") == 0);
    HOLDS(model, rig_stat(&model->rig, LARDER_STATS_DETAIL, "segments_pinned") == 0);
    HOLDS(model, rig_stat(&model->rig, LARDER_STATS_DETAIL, "large_objects") == 0);
}

static void run_seed(struct model *model, uint64_t seed)
{
    static const uint64_t memories[] = {2 * RIG_MIB, 4 * RIG_MIB, 3 * RIG_MIB};
    static const uint32_t keys[] = {50, 500, 3000, KEYS_MAX};
    struct larder_config config = {.thread_count = 2, .item_size_max = RIG_MIB};
    bool many;

    memset(model, 0, sizeof(*model));
    model->seed = seed;
    model->random = seed * 0x9e3779b97f4a7c15ull + 1;
    (void)draw(model, 2);
    model->roomy = draw(model, 4) == 0;
    model->keys = keys[draw(model, 4)];
    many = model->keys == KEYS_MAX;
    model->size_max = many ? 2000 : draw(model, 2) == 0 ? VALUE_MAX / 4 : VALUE_MAX;
    config.memory_max = model->roomy ? (many ? 16 : 64) * RIG_MIB : memories[draw(model, 3)];
    config.evict = model->roomy || draw(model, 4) != 0;
    rig_open_config(&model->rig, NULL, config);
    model->rig.host.event = on_event;
    for (uint32_t i = 0; many && i < PREFILL; i++) {
        put_number(model, i, 16 + (uint32_t)draw(model, 32));
    }
    for (uint32_t i = 0; i < COMMANDS; i++) {
        command(model);
    }
    finish(model);
    rig_close(&model->rig);
}

static uint64_t setting(const char *name, uint64_t normal)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : normal;
}

static void test_model(void **state)
{
    struct model *model = malloc(sizeof(*model));
    uint64_t first = setting("LARDER_TEST_SEED", 1);
    uint64_t count = setting("LARDER_TEST_SEEDS", SEEDS);

    (void)state;
    assert_non_null(model);
    for (uint64_t seed = first; seed < first + count; seed++) {
        run_seed(model, seed);
    }
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
