/* SPDX-License-Identifier: BSD-3-Clause */
/* See parked.h. Everything but server_parked_complete() runs on the connection's worker. */
#include "server/parked.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "server/command.h"
#include "server/upload.h"

struct server_parked {
    struct server_worker *worker;
    struct server_conn *conn; /* NULL: orphaned */
    uint32_t count;           /* keys asked for together */
    bool ready;               /* collect() may be called */
};

static void collect(struct server_parked *parked, struct larder_ref *refs,
                    enum larder_result *results)
{
    const struct larder_engine_ops *ops = server_ops(parked->worker);
    ops->collect(parked->worker->engine_thread, (uint64_t)(uintptr_t)parked, parked->count, refs,
                 results);
}

bool server_parked_get(struct server_conn *conn, const struct larder_key *keys, uint32_t count,
                       uint32_t flags, struct larder_ref *refs, enum larder_result *results)
{
    struct server_worker *worker = conn->worker;
    CHECK(count >= 1 && count <= BASE_BATCH_MAX);
    struct server_parked *parked = conn->parked;
    if (parked != NULL) {
        CHECK(parked->ready && parked->count == count);
        collect(parked, refs, results);
        conn->parked = NULL;
        free(parked);
        return true;
    }
    parked = calloc(1, sizeof(*parked));
    if (parked == NULL) {
        for (uint32_t i = 0; i < count; i++) {
            results[i] = LARDER_FAILED;
            refs[i].pin = 0;
        }
        return true;
    }
    parked->worker = worker;
    parked->conn = conn;
    parked->count = count;
    server_ops(worker)->get(worker->engine_thread, keys, count, flags, (uint64_t)(uintptr_t)parked,
                            refs, results);
    bool pending = false;
    for (uint32_t i = 0; i < count; i++) {
        pending |= results[i] == LARDER_PENDING;
    }
    if (!pending) {
        free(parked);
        return true;
    }
    SERVER_COUNT(worker, parked);
    atomic_fetch_add(&worker->parked_count, 1);
    conn->parked = parked;
    conn->state = SERVER_CONN_PARKED;
    net_stream_pause(&conn->stream);
    return false;
}

uint32_t server_parked_key_count(const struct server_conn *conn)
{
    CHECK(conn->parked->ready);
    return conn->parked->count;
}

/* Answers that nobody wants. */
static void throw_away(struct server_parked *parked)
{
    struct larder_ref refs[BASE_BATCH_MAX];
    enum larder_result results[BASE_BATCH_MAX];
    collect(parked, refs, results);
    for (uint32_t i = 0; i < parked->count; i++) {
        if (results[i] == LARDER_OK) {
            server_release(parked->worker, &refs[i]);
        }
    }
    free(parked);
}

void server_parked_drop(struct server_conn *conn)
{
    struct server_parked *parked = conn->parked;
    if (parked == NULL) {
        return;
    }
    conn->parked = NULL;
    parked->conn = NULL;
    if (parked->ready) {
        throw_away(parked);
    }
}

/* On the worker: the answers are there. */
static void resume(void *arg)
{
    struct server_parked *parked = arg;
    struct server_conn *conn = parked->conn;
    parked->ready = true;
    if (conn == NULL) {
        throw_away(parked);
        return;
    }
    if (conn->state == SERVER_CONN_CLOSING) {
        return; /* on_close() follows */
    }
    conn->state = conn->line != NULL ? SERVER_CONN_KEYS : SERVER_CONN_COMMAND;
    if (conn->upload != NULL) {
        (void)server_upload_tail(conn, NULL, 0); /* its bytes are consumed already */
    }
    if (conn->state != SERVER_CONN_PARKED) {
        net_stream_resume(&conn->stream);
    }
}

void server_parked_complete(void *context, uint64_t token)
{
    (void)context;
    struct server_parked *parked =
        (void *)(uintptr_t)token; /* NOLINT: a token is our own address */
    struct server_worker *worker = parked->worker;
    if (net_loop_post(worker->loop, resume, parked) != 0) {
        base_log(BASE_LOG_ERROR, "no memory to wake a request that waits for the engine");
    }
    atomic_fetch_sub(&worker->parked_count, 1); /* the last touch: server_parked_wait() */
}

void server_parked_wait(struct server_worker *worker)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    while (atomic_load(&worker->parked_count) > 0) {
        nanosleep(&pause, NULL); /* at the end of a server only */
    }
}
