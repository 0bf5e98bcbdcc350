/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mg and me: one key, and everything a client may want to know or have done about it.
 *
 * The recache protocol: a stale item, an item about to expire (R) and a freshly made empty one (N)
 * have one winner, who is told to fetch the value anew (W); the others see Z until it is stored.
 * Who wins is decided by one atomic mark on the item.
 */
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

enum server_done server_cmd_meta_get(struct server_call *call)
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
    const bool is_hit = found == LOOK_HIT || found == LOOK_CREATED;
    server_count_key(call->worker, (call->request->flags & PROTO_FLAG_TTL_SET) != 0, is_hit);
    if (!is_hit) {
        return server_reply(call, &reply);
    }
    reply.status = PROTO_STATUS_HIT;
    reply.client_flags = ref.client_flags;
    reply.value_size = ref.value_size;
    reply.cas = server_shown_cas(call->worker, ref.cas);
    reply.hit_before = (ref.marks & LARDER_MARK_FETCHED) != 0;
    reply.last_access_ago_s = server_now_s(call->worker) - ref.last_access_s;

    struct proto_request *request = call->request;
    if ((request->flags & PROTO_FLAG_CAS_COMPARE) != 0 && request->cas == reply.cas) {
        request->flags &= ~(uint32_t)PROTO_FLAG_VALUE; /* C: the client has this very value */
    }
    const bool is_touch = found == LOOK_HIT && (request->flags & PROTO_FLAG_TTL_SET) != 0;
    enum server_done done = server_reply(call, &reply);
    if (done == SERVER_DONE && (request->flags & PROTO_FLAG_VALUE) != 0) {
        done = server_send_value(call->conn, &ref) ? SERVER_DONE : SERVER_HANGUP;
    } else {
        server_release(call->worker, &ref);
    }
    if (is_touch && done == SERVER_DONE) {
        /* After the answer: it may have to give references back. */
        (void)server_touch(call, &call->key,
                           base_clock_expiry(&call->worker->server->clock, request->exptime));
    }
    return done;
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
