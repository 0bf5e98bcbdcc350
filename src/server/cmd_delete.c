/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * delete and md. The meta form can also mark an item stale (I) or empty it (x) instead of removing it;
 * both are a put of the item that was read, under the condition that nobody was faster.
 */
#include "server/command.h"
#include "server/parked.h"

static enum server_done answer(struct server_call *call, enum larder_result result,
                               uint64_t value_size)
{
    struct server_worker *worker = call->worker;
    switch (result) {
    case LARDER_OK:
        SERVER_COUNT(worker, delete_hits);
        if (BASE_UNLIKELY(server_watched(worker->server, SERVER_WATCH_DELETIONS))) {
            server_watch_delete(call, value_size);
        }
        return server_reply_status(call, PROTO_STATUS_DELETED);
    case LARDER_EXISTS:
        if (call->request->dialect == PROTO_META) { /* memcached counts it there only */
            SERVER_COUNT(worker, delete_misses);
        }
        return server_reply_status(call, PROTO_STATUS_EXISTS);
    case LARDER_NO_SPACE:
    case LARDER_TOO_LARGE:
    case LARDER_BUSY:
        return server_reply_error(call, PROTO_ERROR_NO_MEMORY);
    case LARDER_PENDING:
        return SERVER_PARK;
    case LARDER_MISS:
    case LARDER_FAILED:
        break;
    }
    SERVER_COUNT(worker, delete_misses);
    return server_reply_status(call, PROTO_STATUS_MISS);
}

/* What the item becomes: stale, empty, or both. The pieces borrow from `ref`. */
static struct larder_put successor(const struct server_call *call, const struct larder_ref *ref,
                                   struct larder_piece *ret_piece)
{
    const struct proto_request *request = call->request;
    const struct base_clock *clock = &call->worker->server->clock;
    bool drop = (request->flags & PROTO_FLAG_DROP_VALUE) != 0;
    bool invalidate = (request->flags & PROTO_FLAG_INVALIDATE) != 0;
    bool new_ttl = (request->flags & PROTO_FLAG_TTL_SET) != 0;
    *ret_piece = drop ? (struct larder_piece){"", 0}
                      : (struct larder_piece){ref->value, (size_t)ref->value_size};
    struct larder_put put = {
        .pieces = ret_piece,
        .piece_count = 1,
        .condition = LARDER_COND_CAS,
        .cas_expected = ref->cas,
        .client_flags = drop ? request->client_flags : ref->client_flags,
        .expires_at_s =
            new_ttl ? base_clock_expiry(clock, request->exptime) : (drop ? 0 : ref->expires_at_s),
        .marks = drop ? 0 : ref->marks,
    };
    if (invalidate) {
        put.marks = (put.marks | LARDER_MARK_STALE) & ~(uint32_t)LARDER_MARK_WON;
    } else {
        put.cas_assign = ref->cas; /* emptied only: it still answers to its cas */
    }
    if ((request->flags & PROTO_FLAG_CAS_ASSIGN) != 0) {
        put.cas_assign = request->cas_assign;
    }
    return put;
}

static enum larder_result change_item(struct server_call *call, uint64_t *ret_size)
{
    const struct proto_request *request = call->request;
    for (;;) {
        struct larder_ref ref;
        enum larder_result result = server_find(call, LARDER_GET_PEEK, &ref);
        if (result != LARDER_OK) {
            return result;
        }
        *ret_size = ref.value_size;
        if ((request->flags & PROTO_FLAG_CAS_COMPARE) != 0 &&
            request->cas != server_shown_cas(call->worker, ref.cas)) {
            server_release(call->worker, &ref);
            return LARDER_EXISTS;
        }
        struct larder_piece piece;
        struct larder_put put = successor(call, &ref, &piece);
        result = server_store(call, &put, &ref);
        if (result != LARDER_EXISTS && result != LARDER_MISS && result != LARDER_BUSY) {
            return result;
        }
        SERVER_COUNT(call->worker, put_races);
    }
}

static enum larder_result remove_item(struct server_call *call, uint64_t *ret_size)
{
    const struct proto_request *request = call->request;
    struct server_worker *worker = call->worker;
    bool compare = (request->flags & PROTO_FLAG_CAS_COMPARE) != 0;
    bool watched = server_watched(worker->server, SERVER_WATCH_DELETIONS);
    bool by_hand = compare && (request->cas == 0 || !worker->server->config->cas);
    if (watched || by_hand) {
        struct larder_ref ref;
        enum larder_result result = server_find(call, LARDER_GET_PEEK, &ref);
        if (result != LARDER_OK) {
            return result;
        }
        *ret_size = ref.value_size;
        server_release(worker, &ref);
        if (by_hand && request->cas != server_shown_cas(worker, ref.cas)) {
            return LARDER_EXISTS; /* 0 would mean "any" to the engine */
        }
    }
    return server_ops(worker)->remove(worker->engine_thread, &call->key,
                                      compare && !by_hand ? request->cas : 0);
}

enum server_done server_cmd_delete(struct server_call *call)
{
    struct server *server = call->worker->server;
    if (BASE_UNLIKELY(server_prefixes_on(server)) && call->request->dialect != PROTO_META &&
        !server_parked_resumes(call->conn)) {
        server_prefix_delete(server, call->request->key);
    }
    bool changes = (call->request->flags & (PROTO_FLAG_INVALIDATE | PROTO_FLAG_DROP_VALUE)) != 0;
    uint64_t value_size = 0;
    enum larder_result result =
        changes ? change_item(call, &value_size) : remove_item(call, &value_size);
    return answer(call, result, value_size);
}
