/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mg and me: one key, and everything a client may want to know or have done about it.
 *
 * The recache protocol: a stale item, an item about to expire (R) and a freshly made empty one (N)
 * have one winner, who is told to fetch the value anew (W); the others see Z until it is stored.
 * Who wins is decided by one atomic mark on the item.
 */
#include "proto/meta.h"
#include "server/batch.h"
#include "server/command.h"
#include "server/ttl.h"

/* What a look at the item came to. */
enum look {
    LOOK_HIT,
    LOOK_CREATED, /* by N, just now */
    LOOK_MISS,
    LOOK_AGAIN, /* the item changed under our hands */
    LOOK_PENDING,
};

/* N on a miss: an empty item, and this client is the one to fill it. */
static enum look vivify(struct server_call *call, struct larder_ref *ret_ref,
                        struct proto_reply *reply)
{
    const struct proto_request *request = call->request;
    struct larder_piece empty = {"", 0};
    struct larder_put put = {
        .pieces = &empty,
        .piece_count = 1,
        .condition = LARDER_COND_ABSENT,
        .cas_assign = (request->flags & PROTO_FLAG_CAS_ASSIGN) != 0 ? request->cas_assign : 0,
        .expires_at_s = server_ttl_created(call, &reply->ttl_s),
        .marks = LARDER_MARK_WON,
    };
    if ((request->flags & PROTO_FLAG_NO_BUMP) == 0) {
        put.marks |= LARDER_MARK_FETCHED; /* making it was a read, too */
    }
    enum larder_result result = server_store(call, &put, NULL);
    if (result == LARDER_EXISTS) {
        return LOOK_AGAIN;
    }
    if (result != LARDER_OK) {
        return LOOK_MISS; /* memcached: no memory for it is a plain miss */
    }
    *ret_ref = (struct larder_ref){
        .value = "",
        .cas = put.ret_cas,
        .last_access_s = server_now_s(call->worker),
    };
    reply->won = true;
    return LOOK_CREATED;
}

/* Does this client win the right to recache? Takes the mark if so. */
static enum look decide_winner(struct server_call *call, const struct larder_ref *ref,
                               uint32_t expires_at_s, struct proto_reply *reply)
{
    const struct proto_request *request = call->request;
    bool stale = (ref->marks & LARDER_MARK_STALE) != 0;
    bool wants = stale;
    if ((request->flags & PROTO_FLAG_RECACHE) != 0 && expires_at_s != 0) {
        uint32_t below_s =
            base_clock_expiry(&call->worker->server->clock, request->recache_below_s);
        wants |= expires_at_s < below_s;
    }
    reply->stale = stale;
    reply->token_sent = (ref->marks & LARDER_MARK_WON) != 0;
    if (!wants || reply->token_sent) {
        return LOOK_HIT;
    }
    uint32_t before = 0;
    enum larder_result result =
        server_ops(call->worker)
            ->mark(call->worker->engine_thread, &call->key, ref->cas, LARDER_MARK_WON, 0, &before);
    if (result != LARDER_OK) {
        return LOOK_AGAIN;
    }
    reply->token_sent = (before & LARDER_MARK_WON) != 0;
    reply->won = !reply->token_sent;
    return LOOK_HIT;
}

/* The item is there: see who wins. T is obeyed when the answer is written. */
static enum look look_at(struct server_call *call, const struct larder_ref *ref,
                         struct proto_reply *reply)
{
    const struct proto_request *request = call->request;
    const uint32_t expires_at_s = server_ttl_changed(call, ref->expires_at_s, &reply->ttl_s);
    const bool recache_first = (request->flags & PROTO_FLAG_RECACHE_BEFORE_SET) != 0;
    const uint32_t recache_at_s = recache_first ? ref->expires_at_s : expires_at_s;
    return decide_winner(call, ref, recache_at_s, reply);
}

static enum look look(struct server_call *call, struct larder_ref *ref, struct proto_reply *reply)
{
    const struct proto_request *request = call->request;
    uint32_t flags = 0;
    if ((request->flags & PROTO_FLAG_NO_BUMP) != 0) {
        flags |= LARDER_GET_PEEK;
    }
    if ((request->flags & PROTO_FLAG_CAS_RETURN) != 0) {
        flags |= LARDER_GET_CAS;
    }
    enum larder_result result = server_find(call, flags, ref);
    if (result == LARDER_PENDING) {
        return LOOK_PENDING;
    }
    if (BASE_UNLIKELY(server_watched(call->worker->server, SERVER_WATCH_FETCHERS))) {
        server_watch_fetch(call, request->key, result, ref);
    }
    if (result == LARDER_OK) {
        enum look seen = look_at(call, ref, reply);
        if (seen == LOOK_AGAIN) {
            server_release(call->worker, ref);
        }
        return seen;
    }
    if ((request->flags & PROTO_FLAG_VIVIFY) != 0) {
        return vivify(call, ref, reply);
    }
    return LOOK_MISS;
}

/* ---- the answer ---- */

/* What the reply says of the item itself. */
static void describe(const struct server_worker *worker, const struct larder_ref *ref,
                     struct proto_reply *reply)
{
    reply->status = PROTO_STATUS_HIT;
    reply->client_flags = ref->client_flags;
    reply->value_size = ref->value_size;
    reply->cas = server_shown_cas(worker, ref->cas);
    reply->hit_before = (ref->marks & LARDER_MARK_FETCHED) != 0;
    reply->last_access_ago_s = server_now_s(worker) - ref->last_access_s;
}

/* Behind the reply's line. */
static bool write_value(struct server_conn *conn, struct server_output *output,
                        struct larder_ref *ref)
{
    if (server_is_copied(ref->value_size)) {
        const size_t size = (size_t)ref->value_size;
        if (!server_output_need(output, size + 2)) {
            return false;
        }
        memcpy(output->at, ref->value, size);
        output->at += size;
    } else {
        server_output_end(output);
        if (!server_lend_value(conn, ref) || !server_output_need(output, 2)) {
            return false;
        }
    }
    memcpy(output->at, "\r\n", 2);
    output->at += 2;
    return true;
}

static bool write_hit(struct server_conn *conn, struct server_output *output,
                      const struct proto_request *request, struct larder_ref *ref,
                      const struct proto_reply *reply)
{
    if (!server_output_need(output, PROTO_META_REPLY_MAX)) {
        return false;
    }
    output->at += proto_meta_write_reply(output->at, request, reply);
    return (request->flags & PROTO_FLAG_VALUE) == 0 || write_value(conn, output, ref);
}

/* The item is there, or was made: say so; then T is obeyed. `ref` is given back. */
static enum server_done answer_found(struct server_call *call, enum look found,
                                     struct larder_ref *ref, struct proto_reply *reply)
{
    struct proto_request *request = call->request;
    struct server_output output = {.stream = &call->conn->stream};
    describe(call->worker, ref, reply);
    if ((request->flags & PROTO_FLAG_CAS_COMPARE) != 0 && request->cas == reply->cas) {
        request->flags &= ~(uint32_t)PROTO_FLAG_VALUE; /* C: the client has this very value */
    }
    const bool open = write_hit(call->conn, &output, request, ref, reply);
    server_output_end(&output);
    server_release(call->worker, ref);
    const bool is_touch = found == LOOK_HIT && (request->flags & PROTO_FLAG_TTL_SET) != 0;
    if (is_touch && open) {
        /* After the answer: it may have to give references back. */
        (void)server_touch(call, &call->key,
                           base_clock_expiry(&call->worker->server->clock, request->exptime));
    }
    return open ? SERVER_DONE : SERVER_HANGUP;
}

static enum server_done get(struct server_call *call, bool *ret_hit)
{
    struct larder_ref ref;
    struct proto_reply reply;
    enum look found;
    do {
        reply = (struct proto_reply){.status = PROTO_STATUS_MISS};
        found = look(call, &ref, &reply);
    } while (found == LOOK_AGAIN);
    if (found == LOOK_PENDING) {
        return SERVER_PARK;
    }
    *ret_hit = found == LOOK_HIT || found == LOOK_CREATED;
    return *ret_hit ? answer_found(call, found, &ref, &reply) : server_reply(call, &reply);
}

enum server_done server_cmd_meta_get(struct server_call *call)
{
    bool hit = false;
    enum server_done done = get(call, &hit);
    if (done != SERVER_PARK) {
        server_count_key(call->worker, (call->request->flags & PROTO_FLAG_TTL_SET) != 0, hit);
    }
    return done;
}

/* ---- plain ones, that arrived together ---- */

/* What a brief look does not find out. */
#define NOT_BRIEF (PROTO_FLAG_CAS_RETURN | PROTO_FLAG_HIT_BEFORE | PROTO_FLAG_LAST_ACCESS)

uint32_t server_meta_get_flags(uint32_t flags)
{
    return ((flags & PROTO_FLAG_CAS_RETURN) != 0 ? (uint32_t)LARDER_GET_CAS : 0) |
           ((flags & PROTO_FLAG_NO_BUMP) != 0 ? (uint32_t)LARDER_GET_PEEK : 0) |
           ((flags & NOT_BRIEF) == 0 ? (uint32_t)LARDER_GET_BRIEF : 0);
}

/* A read that finds a stale or won item may win it: the way of all others. */
static enum server_done read_marked(struct server_conn *conn, struct server_batch *batch,
                                    uint32_t index, struct larder_ref *ref, bool *ret_hit)
{
    struct proto_reply reply = {.status = PROTO_STATUS_MISS};
    struct server_call call = {.conn = conn,
                               .worker = conn->worker,
                               .request = server_batch_request(batch, index),
                               .key = batch->keys[index]};
    if ((batch->meta_flags[index] & NOT_BRIEF) != 0 && look_at(&call, ref, &reply) == LOOK_HIT) {
        return answer_found(&call, LOOK_HIT, ref, &reply);
    }
    server_release(conn->worker, ref);
    return get(&call, ret_hit);
}

bool server_meta_answer(struct server_conn *conn, struct server_batch *batch, uint32_t index,
                        struct larder_ref *ref, struct server_output *output, bool *ret_hit)
{
    const struct base_slice key = {batch->keys[index].data, batch->keys[index].size};
    const struct base_slice line = server_batch_bytes(batch, index);
    const char *key_end = key.data + key.size;
    const struct base_slice words = {key_end, (size_t)(line.data + line.size - 2 - key_end)};
    const uint32_t flags = batch->meta_flags[index];
    struct proto_reply reply = {.status = PROTO_STATUS_MISS};
    if (ref != NULL) {
        if (BASE_UNLIKELY(server_meta_is_marked(ref))) {
            server_output_end(output);
            return read_marked(conn, batch, index, ref, ret_hit) == SERVER_DONE;
        }
        describe(conn->worker, ref, &reply);
        reply.ttl_s = server_ttl_s(conn->worker, ref->expires_at_s);
    }
    if (!server_output_need(output, PROTO_META_REPLY_MAX)) {
        return false;
    }
    output->at += proto_meta_write_plain(output->at, key, words, flags, &reply);
    return ref == NULL || (flags & PROTO_FLAG_VALUE) == 0 || write_value(conn, output, ref);
}

enum server_done server_cmd_meta_debug(struct server_call *call)
{
    struct larder_ref ref;
    enum larder_result result = server_find(call, LARDER_GET_PEEK, &ref);
    if (result == LARDER_PENDING) {
        return SERVER_PARK;
    }
    if (result != LARDER_OK) {
        return server_reply_status(call, PROTO_STATUS_MISS);
    }
    struct proto_reply reply = {
        .status = PROTO_STATUS_HIT,
        .ttl_s = server_ttl_s(call->worker, ref.expires_at_s),
        .last_access_ago_s = server_now_s(call->worker) - ref.last_access_s,
        .cas = server_shown_cas(call->worker, ref.cas),
        .hit_before = (ref.marks & LARDER_MARK_FETCHED) != 0,
        .class_id = 1,
        .value_size = ref.value_size + ref.key_size,
    };
    server_release(call->worker, &ref);
    return server_reply(call, &reply);
}
