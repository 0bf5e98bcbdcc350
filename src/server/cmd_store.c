/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * set, add, replace, append, prepend, cas and ms: one data block under one condition.
 *
 * A mode becomes the engine's condition where it can (set, add, replace, cas); append and prepend
 * read the item and put the joined value under the condition that nobody was faster.
 */
#include "server/command.h"

#include <stdlib.h>

#include "server/batch.h"
#include "server/binary.h"
#include "server/conn.h"
#include "server/parked.h"

/* The request with its defaults settled. */
struct order {
    enum proto_store_mode mode;
    bool compare; /* `cas` must match */
    bool vivify;  /* append, prepend: store the block when there is no item */
    uint32_t expires_at_s;
};

static struct order order_of(const struct server_call *call)
{
    const struct proto_request *request = call->request;
    const struct base_clock *clock = &call->worker->server->clock;
    struct order order = {
        .mode = request->mode,
        .compare = (request->flags & PROTO_FLAG_CAS_COMPARE) != 0,
        .expires_at_s = base_clock_expiry(clock, request->exptime),
    };
    if (request->dialect == PROTO_BINARY && !call->worker->server->config->cas) {
        order.compare = false; /* memcached -C has nowhere to keep what it is to compare with */
    } else if (order.compare &&
               (order.mode == PROTO_STORE_SET || order.mode == PROTO_STORE_REPLACE ||
                (order.mode == PROTO_STORE_ADD && request->dialect == PROTO_BINARY))) {
        order.mode = PROTO_STORE_CAS;
    }
    if ((request->flags & PROTO_FLAG_VIVIFY) != 0 &&
        (order.mode == PROTO_STORE_APPEND || order.mode == PROTO_STORE_PREPEND)) {
        order.vivify = true;
        order.expires_at_s = base_clock_expiry(clock, request->vivify_exptime);
    }
    return order;
}

static enum larder_condition condition_of(enum proto_store_mode mode)
{
    switch (mode) {
    case PROTO_STORE_ADD:
        return LARDER_COND_ABSENT;
    case PROTO_STORE_REPLACE:
        return LARDER_COND_PRESENT;
    case PROTO_STORE_CAS:
        return LARDER_COND_CAS;
    case PROTO_STORE_SET:
        return LARDER_COND_NONE;
    case PROTO_STORE_APPEND:
    case PROTO_STORE_PREPEND:
        break;
    }
    NEVER("append and prepend have no condition of their own");
}

/*
 * A cas that lost, with I: the older value may still replace the newer one, marked stale, keeping
 * its expiry time and whether somebody is recaching already.
 */
static enum larder_result store_stale(struct server_call *call, struct larder_put *plain)
{
    for (;;) {
        struct larder_ref ref;
        enum larder_result result = server_find(call, LARDER_GET_PEEK, &ref);
        if (result != LARDER_OK) {
            return result;
        }
        bool older = plain->cas_expected != 0 && plain->cas_expected < ref.cas;
        struct larder_put put = *plain;
        put.cas_expected = ref.cas;
        put.expires_at_s = ref.expires_at_s;
        put.marks |= (uint32_t)LARDER_MARK_STALE | (ref.marks & LARDER_MARK_WON);
        server_release(call->worker, &ref);
        if (!older) {
            return LARDER_EXISTS;
        }
        result = server_store(call, &put, NULL);
        plain->ret_cas = put.ret_cas;
        if (result != LARDER_EXISTS) {
            return result;
        }
        SERVER_COUNT(call->worker, put_races);
    }
}

static enum larder_result store_value(struct server_call *call, const struct order *order,
                                      uint64_t *ret_cas)
{
    const struct proto_request *request = call->request;
    struct larder_put put = {
        .condition = condition_of(order->mode),
        /* No item has cas 0: under -C no comparison holds. */
        .cas_expected = server_shown_cas(call->worker, request->cas),
        .cas_assign = (request->flags & PROTO_FLAG_CAS_ASSIGN) != 0 ? request->cas_assign : 0,
        .client_flags = request->client_flags,
        .expires_at_s = order->expires_at_s,
    };
    enum larder_result result;
    result = server_store(call, &put, NULL);
    if (result == LARDER_EXISTS && order->mode == PROTO_STORE_CAS &&
        (request->flags & PROTO_FLAG_INVALIDATE) != 0) {
        result = store_stale(call, &put);
    }
    *ret_cas = server_shown_cas(call->worker, put.ret_cas);
    return result;
}

/* An append or prepend under way: the request's block, and room for one piece more. */
struct join {
    bool append;
    struct larder_piece *pieces; /* the block at [1..] for append, at [0..] for prepend */
    uint32_t block_count;
    uint64_t size; /* bytes of the joined value */
};

/*
 * One attempt on the item that is there; `ref` is given back. LARDER_EXISTS with *ret_refused: the
 * client's cas lost.
 */
static enum larder_result join_item(struct server_call *call, const struct order *order,
                                    struct join *join, struct larder_ref *ref,
                                    struct larder_put *put, bool *ret_refused)
{
    const struct proto_request *request = call->request;
    if (order->compare && request->cas != 0 &&
        request->cas != server_shown_cas(call->worker, ref->cas)) {
        server_release(call->worker, ref);
        *ret_refused = true;
        return LARDER_EXISTS;
    }
    join->size = ref->value_size + request->value_size;
    if (server_item_too_large(call->worker->server, call->key.size, ref->client_flags,
                              join->size)) {
        server_release(call->worker, ref);
        return LARDER_TOO_LARGE;
    }
    struct larder_piece old = {ref->value, (size_t)ref->value_size};
    join->pieces[join->append ? 0 : join->block_count] = old;
    put->pieces = join->pieces;
    put->piece_count = join->block_count + 1;
    put->condition = LARDER_COND_CAS;
    put->cas_expected = ref->cas;
    put->client_flags = ref->client_flags;
    put->expires_at_s = ref->expires_at_s;
    return server_store(call, put, ref);
}

/* The old value and the block, joined, unless somebody was faster: then again. */
static enum larder_result join_value(struct server_call *call, const struct order *order,
                                     struct join *join, uint64_t *ret_cas)
{
    const struct proto_request *request = call->request;
    for (;;) {
        struct larder_put put = {
            .cas_assign = (request->flags & PROTO_FLAG_CAS_ASSIGN) != 0 ? request->cas_assign : 0,
        };
        bool refused = false;
        struct larder_ref ref;
        enum larder_result result = server_find(call, LARDER_GET_PEEK, &ref);
        if (result == LARDER_OK) {
            result = join_item(call, order, join, &ref, &put, &refused);
        } else if (result == LARDER_MISS && order->vivify) {
            put.condition = LARDER_COND_ABSENT;
            put.client_flags = request->client_flags;
            put.expires_at_s = order->expires_at_s;
            put.pieces = join->append ? join->pieces + 1 : join->pieces;
            put.piece_count = join->block_count;
            join->size = request->value_size;
            result = server_store(call, &put, NULL);
        } else {
            return result;
        }
        *ret_cas = server_shown_cas(call->worker, put.ret_cas);
        if (refused ||
            (result != LARDER_EXISTS && result != LARDER_MISS && result != LARDER_BUSY)) {
            return result;
        }
        SERVER_COUNT(call->worker, put_races);
    }
}

static enum larder_result store_joined(struct server_call *call, const struct order *order,
                                       uint64_t *ret_cas, uint64_t *ret_size)
{
    struct larder_piece few[8];
    struct join join = {
        .append = order->mode == PROTO_STORE_APPEND,
        .pieces = few,
        .block_count = call->piece_count,
        .size = call->request->value_size,
    };
    if (join.block_count + 1 > sizeof(few) / sizeof(few[0])) {
        join.pieces = calloc(join.block_count + 1, sizeof(*join.pieces));
        if (join.pieces == NULL) {
            return LARDER_NO_SPACE;
        }
    }
    memcpy(join.append ? join.pieces + 1 : join.pieces, call->pieces,
           join.block_count * sizeof(*join.pieces));
    enum larder_result result = join_value(call, order, &join, ret_cas);
    *ret_size = join.size;
    if (join.pieces != few) {
        free(join.pieces);
    }
    return result;
}

/*
 * A block that was received in place can be committed once. What may need several tries uses it
 * as bytes to copy from instead; the room is given back at the end.
 */
static struct larder_room *hold_room(struct server_call *call, const struct order *order,
                                     struct larder_piece *ret_piece)
{
    struct larder_room *room = call->room;
    bool joins = order->mode == PROTO_STORE_APPEND || order->mode == PROTO_STORE_PREPEND;
    if (room == NULL || (!joins && (call->request->flags & PROTO_FLAG_INVALIDATE) == 0)) {
        return NULL;
    }
    *ret_piece = (struct larder_piece){room->value, (size_t)room->value_size};
    call->pieces = ret_piece;
    call->piece_count = 1;
    call->room = NULL;
    return room;
}

static void abandon_room(struct server_call *call, struct larder_room *room)
{
    if (room != NULL) {
        server_ops(call->worker)->abandon(call->worker->engine_thread, room);
    }
}

static void count_cas(struct server_worker *worker, enum larder_result result)
{
    if (result == LARDER_OK) {
        SERVER_COUNT(worker, cas_hits);
    } else if (result == LARDER_MISS) {
        SERVER_COUNT(worker, cas_misses);
    } else if (result == LARDER_EXISTS) {
        SERVER_COUNT(worker, cas_badval);
    }
}

/* What the client is told. Returns the status; *ret_error for PROTO_STATUS_ERROR. */
static enum proto_status status_of(const struct order *order, enum larder_result result,
                                   enum proto_error *ret_error)
{
    bool joins = order->mode == PROTO_STORE_APPEND || order->mode == PROTO_STORE_PREPEND;
    switch (result) {
    case LARDER_OK:
        return PROTO_STATUS_STORED;
    case LARDER_EXISTS:
        return order->mode == PROTO_STORE_CAS || joins ? PROTO_STATUS_EXISTS
                                                       : PROTO_STATUS_NOT_STORED;
    case LARDER_MISS:
        return order->mode == PROTO_STORE_CAS ? PROTO_STATUS_MISS : PROTO_STATUS_NOT_STORED;
    case LARDER_TOO_LARGE:
        *ret_error = PROTO_ERROR_TOO_LARGE;
        /* memcached: a join that does not fit is "not stored", the item stays as it is. */
        return joins ? PROTO_STATUS_NOT_STORED : PROTO_STATUS_ERROR;
    case LARDER_NO_SPACE:
    case LARDER_BUSY:
        *ret_error = PROTO_ERROR_NO_MEMORY_STORING;
        return joins ? PROTO_STATUS_NOT_STORED : PROTO_STATUS_ERROR;
    case LARDER_FAILED:
    case LARDER_PENDING:
        break;
    }
    *ret_error = PROTO_ERROR_UNHANDLED_STORAGE;
    return PROTO_STATUS_ERROR;
}

/*
 * A value that could not be stored must not leave the older one to be read: memcached deletes it
 * (for `set`; for ms in every mode).
 */
static void refuse(struct server_call *call, enum larder_result result)
{
    if (result == LARDER_TOO_LARGE) {
        SERVER_COUNT(call->worker, store_too_large);
    } else {
        SERVER_COUNT(call->worker, store_no_memory);
    }
    if (call->request->dialect == PROTO_META || call->request->mode == PROTO_STORE_SET) {
        server_ops(call->worker)->remove(call->worker->engine_thread, &call->key, 0);
    }
}

enum server_done server_refuse_store(struct server_call *call, enum proto_error error)
{
    refuse(call, error == PROTO_ERROR_TOO_LARGE ? LARDER_TOO_LARGE : LARDER_NO_SPACE);
    if (server_watched(call->worker->server, SERVER_WATCH_MUTATIONS)) {
        server_watch_store(call, PROTO_STATUS_ERROR, error, 0);
    }
    return server_reply_error(call, error);
}

/* memcached looks the key up before it stores, and its watchers see that. Not worth waiting for. */
static void watch_look_up(struct server_call *call)
{
    struct larder_ref ref;
    enum larder_result result = server_find(call, LARDER_GET_PEEK, &ref);
    server_watch_fetch(call, call->request->key, result, &ref);
    if (result == LARDER_OK) {
        server_release(call->worker, &ref);
    }
}

enum server_done server_cmd_store(struct server_call *call)
{
    const struct proto_request *request = call->request;
    struct server_worker *worker = call->worker;
    if (BASE_UNLIKELY(server_prefixes_on(worker->server)) && !server_parked_resumes(call->conn)) {
        server_prefix_set(worker->server, request->key);
    }
    if (server_item_too_large(worker->server, request->key.size, request->client_flags,
                              request->value_size)) {
        abandon_room(call, call->room);
        return server_refuse_store(call, PROTO_ERROR_TOO_LARGE);
    }
    if (BASE_UNLIKELY(server_watched(worker->server, SERVER_WATCH_FETCHERS)) &&
        !worker->server->async) {
        watch_look_up(call);
    }
    struct order order = order_of(call);
    struct larder_piece held_piece;
    struct larder_room *held = hold_room(call, &order, &held_piece);
    struct proto_reply reply = {.value_size = request->value_size};
    bool joins = order.mode == PROTO_STORE_APPEND || order.mode == PROTO_STORE_PREPEND;
    enum larder_result result = joins ? store_joined(call, &order, &reply.cas, &reply.value_size)
                                      : store_value(call, &order, &reply.cas);
    if (result == LARDER_PENDING) {
        call->room = held;
        return SERVER_PARK;
    }
    abandon_room(call, held);
    abandon_room(call, call->room);
    SERVER_COUNT(worker, cmd_set);
    if (order.mode == PROTO_STORE_CAS) {
        count_cas(worker, result);
    }
    reply.status = status_of(&order, result, &reply.error);
    if (result != LARDER_OK) {
        reply.cas = 0;
    }
    if (reply.status == PROTO_STATUS_ERROR) {
        return server_refuse_store(call, reply.error);
    }
    if (BASE_UNLIKELY(server_watched(worker->server, SERVER_WATCH_MUTATIONS))) {
        server_watch_store(call, reply.status, reply.error, order.expires_at_s);
    }
    return server_reply(call, &reply);
}

/* ---- sets that arrived together ---- */

bool server_is_set(const struct proto_request *request)
{
    return request->op == PROTO_OP_STORE && request->dialect != PROTO_META &&
           request->mode == PROTO_STORE_SET && (request->flags & PROTO_FLAG_CAS_COMPARE) == 0;
}

bool server_sets_together(const struct server_conn *conn)
{
    const struct server *server = conn->worker->server;
    return !server->async && !server_prefixes_on(server) &&
           !server_watched(server, SERVER_WATCH_FETCHERS) &&
           !server_watched(server, SERVER_WATCH_MUTATIONS);
}

/* One try. What it does not store is server_cmd_store()'s to store, or to find words for. */
static enum larder_result store_plain(struct server_worker *worker,
                                      const struct server_entry *entry,
                                      const struct larder_key *key, uint64_t *ret_cas)
{
    const struct proto_request *request = &entry->request;
    if (server_item_too_large(worker->server, key->size, request->client_flags,
                              request->value_size)) {
        return LARDER_TOO_LARGE;
    }
    struct larder_put put = {
        .pieces = &entry->value,
        .piece_count = 1,
        .client_flags = request->client_flags,
        .expires_at_s = base_clock_expiry(&worker->server->clock, request->exptime),
        .show_cas = (request->flags & PROTO_FLAG_CAS_RETURN) != 0,
    };
    const enum larder_result result = server_ops(worker)->put(worker->engine_thread, key, &put);
    *ret_cas = put.ret_cas;
    return result;
}

enum server_done server_cmd_sets(struct server_conn *conn, struct server_batch *batch,
                                 uint32_t first, uint32_t count_max, uint32_t *ret_count)
{
    static const char stored[] = {'S', 'T', 'O', 'R', 'E', 'D', '\r', '\n'};
    struct server_worker *worker = conn->worker;
    struct server_output output = {.stream = &conn->stream};
    enum larder_result result = LARDER_OK;
    uint32_t done = 0;
    bool open = true;
    conn->busy_count = 0;
    while (open && done < count_max && batch->kinds[first + done] == SERVER_KIND_SET) {
        const struct server_entry *entry = &batch->entries[first + done];
        uint64_t cas = 0;
        result = store_plain(worker, entry, &batch->keys[first + done], &cas);
        if (BASE_UNLIKELY(result != LARDER_OK)) {
            break;
        }
        done++;
        if (entry->request.dialect == PROTO_BINARY) {
            open = server_binary_stored(&output, &entry->request, server_shown_cas(worker, cas));
        } else if (!entry->request.noreply) {
            open = server_output_need(&output, sizeof(stored));
            if (open) {
                memcpy(output.at, stored, sizeof(stored));
                output.at += sizeof(stored);
            }
        }
    }
    server_output_end(&output);
    if (BASE_UNLIKELY(result == LARDER_BUSY)) {
        SERVER_COUNT(worker, put_busy);
        server_conn_yield_references(conn); /* before another try */
    }
    SERVER_COUNT_N(worker, cmd_set, done);
    *ret_count = done;
    return open ? SERVER_DONE : SERVER_HANGUP;
}
