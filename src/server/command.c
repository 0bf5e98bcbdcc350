/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dispatch: one table from operation to handler, and the few things all handlers share.
 *
 * Everything here runs on the connection's worker, inside a turn. The reply goes into the
 * stream's output; nothing is sent before the whole batch has been answered.
 */
#include "server/command.h"

#include <sched.h>
#include <time.h>

#include "base/hash.h"
#include "proto/binary.h"
#include "proto/meta.h"
#include "proto/text.h"
#include "server/auth.h"
#include "server/conn.h"
#include "server/parked.h"

/*
 * How long a request waits for an engine that is busy making room: a moment, unless the thread that makes it has no processor.
 * So it is given one, and then time: a second, for a machine with too much to do. Each sleep is twice the last: such a machine
 * prolongs every one, and a thousand short ones took a minute there.
 */
enum { BUSY_YIELDS = 100, BUSY_SLEEPS = 10, BUSY_SLEEP_NS = 1000000 };

typedef enum server_done (*handler_fn)(struct server_call *call);

/* GET is two handlers: a text line has many keys, a meta line one key and many wishes. */
static enum server_done run_get(struct server_call *call)
{
    return call->request->dialect == PROTO_META ? server_cmd_meta_get(call) : server_cmd_get(call);
}

static const handler_fn handlers[PROTO_OP_COUNT] = {
    [PROTO_OP_GET] = run_get,
    [PROTO_OP_STORE] = server_cmd_store,
    [PROTO_OP_DELETE] = server_cmd_delete,
    [PROTO_OP_ARITH] = server_cmd_arith,
    [PROTO_OP_TOUCH] = server_cmd_touch,
    [PROTO_OP_NOOP] = server_cmd_noop,
    [PROTO_OP_META_DEBUG] = server_cmd_meta_debug,
    [PROTO_OP_FLUSH_ALL] = server_cmd_flush_all,
    [PROTO_OP_VERBOSITY] = server_cmd_verbosity,
    [PROTO_OP_VERSION] = server_cmd_version,
    [PROTO_OP_QUIT] = server_cmd_quit,
    [PROTO_OP_SHUTDOWN] = server_cmd_shutdown,
    [PROTO_OP_STATS] = server_cmd_stats,
    [PROTO_OP_CACHE_MEMLIMIT] = server_cmd_cache_memlimit,
    [PROTO_OP_SLABS] = server_cmd_slabs,
    [PROTO_OP_LRU] = server_cmd_lru,
    [PROTO_OP_LRU_CRAWLER] = server_cmd_lru_crawler,
    [PROTO_OP_WATCH] = server_cmd_watch,
    [PROTO_OP_EXTSTORE] = server_cmd_extstore,
    [PROTO_OP_REFRESH_CERTS] = server_cmd_refresh_certs,
    [PROTO_OP_DEBUGTIME] = server_cmd_debugtime,
    [PROTO_OP_MISBEHAVE] = server_cmd_misbehave,
    [PROTO_OP_SASL_LIST] = server_cmd_sasl_list,
    [PROTO_OP_SASL_AUTH] = server_cmd_sasl_auth,
    [PROTO_OP_SASL_STEP] = server_cmd_sasl_step,
};

struct larder_key server_key(struct base_slice key)
{
    return (struct larder_key){
        .data = key.data, .size = (uint32_t)key.size, .hash = base_hash_key(key)};
}

enum server_done server_command_run(struct server_call *call)
{
    CHECK(call->request->op < PROTO_OP_COUNT);
    const bool resumes = server_parked_resumes(call->conn);
    enum server_done refused;
    /* One that resumes, too: its line may have got keys meanwhile, or its user may have lost rights. */
    if (BASE_UNLIKELY(call->conn->limited) && !server_auth_allows(call, &refused)) {
        server_parked_drop(call->conn);
        call->conn->keys_done = 0;
        return refused;
    }
    if (BASE_LIKELY(!resumes)) {
        call->conn->busy_count = 0;
        if (call->request->dialect == PROTO_META) {
            SERVER_COUNT(call->worker, cmd_meta);
        }
    }
    enum server_done done = handlers[call->request->op](call);
    if (BASE_UNLIKELY(resumes) && done != SERVER_PARK) {
        server_parked_drop(call->conn);
    }
    return done;
}

/* ---- answers ---- */

static void count_error(struct server_worker *worker, enum proto_error error)
{
    struct base_slice line = proto_error_line(error);
    if (line.size > 6 && memcmp(line.data, "SERVER", 6) == 0) {
        SERVER_COUNT(worker, errors_server);
    } else {
        SERVER_COUNT(worker, errors_client);
    }
}

static enum server_done write_bytes(struct server_conn *conn, struct base_slice bytes)
{
    return net_stream_write(&conn->stream, bytes.data, bytes.size) ? SERVER_DONE : SERVER_HANGUP;
}

enum server_done server_reply(struct server_call *call, const struct proto_reply *reply)
{
    const struct proto_request *request = call->request;
    if (reply->status == PROTO_STATUS_ERROR) {
        return server_reply_error(call, reply->error);
    }
    if (request->noreply) {
        return SERVER_DONE;
    }
    char *out = net_stream_room(&call->conn->stream, PROTO_META_REPLY_MAX);
    if (out == NULL) {
        return SERVER_HANGUP;
    }
    size_t size;
    if (request->dialect == PROTO_TEXT) {
        size = proto_text_write_reply(out, request, reply);
    } else if (request->dialect == PROTO_META) {
        size = proto_meta_write_reply(out, request, reply);
    } else {
        size = proto_binary_write_reply(out, request, reply);
    }
    net_stream_wrote(&call->conn->stream, size);
    return SERVER_DONE;
}

enum server_done server_reply_packet(struct server_call *call, enum proto_binary_status status,
                                     struct base_slice value)
{
    char header[PROTO_BINARY_REPLY_MAX];
    const size_t size = proto_binary_write_value(header, call->request, status, value.size);
    if (!net_stream_write(&call->conn->stream, header, size)) {
        return SERVER_HANGUP;
    }
    return value.size == 0 ? SERVER_DONE : write_bytes(call->conn, value);
}

enum server_done server_reply_status(struct server_call *call, enum proto_status status)
{
    return server_reply(call, &(struct proto_reply){.status = status});
}

enum server_done server_reply_error(struct server_call *call, enum proto_error error)
{
    count_error(call->worker, error);
    if (call->request->noreply) {
        return SERVER_DONE;
    }
    if (BASE_UNLIKELY(call->request->dialect == PROTO_BINARY)) {
        const struct proto_reply reply = {.status = PROTO_STATUS_ERROR, .error = error};
        char packet[PROTO_BINARY_REPLY_MAX];
        const size_t size = proto_binary_write_reply(packet, call->request, &reply);
        return write_bytes(call->conn, (struct base_slice){packet, size});
    }
    return write_bytes(call->conn, proto_error_line(error));
}

enum server_done server_reply_bad_line(struct server_conn *conn, enum proto_error error)
{
    count_error(conn->worker, error);
    return write_bytes(conn, proto_error_line(error));
}

enum server_done server_reply_text(struct server_call *call, struct base_slice text)
{
    return call->request->noreply ? SERVER_DONE : write_bytes(call->conn, text);
}

/* A lent value has been sent, or copied: `number` is its pin. */
static void value_sent(void *arg, uint64_t number)
{
    struct server_worker *worker = arg;
    struct larder_ref ref = {.pin = number};
    server_ops(worker)->release(worker->engine_thread, &ref, 1);
}

bool server_lend_value(struct server_conn *conn, struct larder_ref *ref)
{
    const uint64_t pin = ref->pin;
    ref->pin = 0;
    return net_stream_lend(&conn->stream, ref->value, (size_t)ref->value_size,
                           pin != 0 ? value_sent : NULL, conn->worker, pin);
}

/* ---- the engine ---- */

bool server_get(struct server_call *call, const struct larder_key *keys, uint32_t count,
                uint32_t flags, struct larder_ref *refs, enum larder_result *results)
{
    struct server_worker *worker = call->worker;
    if (BASE_UNLIKELY(worker->server->async)) {
        return server_parked_get(call->conn, keys, count, flags, refs, results);
    }
    server_ops(worker)->get(worker->engine_thread, keys, count, flags, 0, refs, results);
    return true;
}

enum larder_result server_find(struct server_call *call, uint32_t get_flags,
                               struct larder_ref *ret_ref)
{
    enum larder_result result = LARDER_PENDING;
    return server_get(call, &call->key, 1, get_flags, ret_ref, &result) ? result : LARDER_PENDING;
}

void server_release(struct server_worker *worker, struct larder_ref *ref)
{
    if (ref->pin != 0) {
        server_ops(worker)->release(worker->engine_thread, ref, 1);
    }
}

bool server_busy_again(struct server_call *call)
{
    struct server_conn *conn = call->conn;
    SERVER_COUNT(call->worker, put_busy);
    server_conn_yield_references(conn);
    if (++conn->busy_count > BUSY_YIELDS) {
        const uint32_t doubled =
            conn->busy_count - BUSY_YIELDS - 1; /* times; the last is half a second */
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)BUSY_SLEEP_NS << doubled}, NULL);
    } else if (conn->busy_count > 2) {
        (void)sched_yield();
    }
    return conn->busy_count < BUSY_YIELDS + BUSY_SLEEPS;
}

enum larder_result server_store(struct server_call *call, struct larder_put *put,
                                struct larder_ref *held)
{
    const struct larder_engine_ops *ops = server_ops(call->worker);
    bool in_room = put->pieces == NULL && call->room != NULL;
    put->show_cas = (call->request->flags & PROTO_FLAG_CAS_RETURN) != 0;
    if (put->pieces == NULL) {
        put->pieces = call->pieces;
        put->piece_count = call->piece_count;
    }
    for (;;) {
        enum larder_result result;
        if (in_room) {
            result = ops->commit(call->worker->engine_thread, call->room, put);
        } else {
            result = ops->put(call->worker->engine_thread, &call->key, put);
        }
        if (held != NULL) {
            server_release(call->worker, held);
        }
        if (result != LARDER_BUSY) {
            if (in_room) {
                call->room = NULL; /* gone, whatever the result */
            }
            return result;
        }
        if (!server_busy_again(call)) {
            return LARDER_NO_SPACE;
        }
        if (held != NULL) {
            return LARDER_BUSY;
        }
    }
}

bool server_item_too_large(const struct server *server, size_t key_size, uint32_t client_flags,
                           uint64_t value_size)
{
    /* memcached 1.6: 48 header + 8 cas + key and NUL + 4 if flags + value and \r\n (items.c). */
    uint64_t total = 48 + 8 + key_size + 1 + (client_flags != 0 ? 4 : 0) + value_size + 2;
    return total > server->config->item_size_max;
}

uint64_t server_shown_cas(const struct server_worker *worker, uint64_t cas)
{
    return worker->server->config->cas ? cas : 0;
}

void server_count_key(struct server_worker *worker, bool touch, bool hit)
{
    if (touch) {
        SERVER_COUNT(worker, cmd_touch);
        if (hit) {
            SERVER_COUNT(worker, touch_hits);
        } else {
            SERVER_COUNT(worker, touch_misses);
        }
        return;
    }
    SERVER_COUNT(worker, cmd_get);
    if (hit) {
        SERVER_COUNT(worker, get_hits);
    } else {
        SERVER_COUNT(worker, get_misses);
    }
}
