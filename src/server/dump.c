/* SPDX-License-Identifier: BSD-3-Clause */
/* See dump.h. Everything on the worker of the dump's connection. */
#include "server/dump.h"

#include "base/log.h"

static void finish(struct server_conn *conn)
{
    struct server_dump *dump = conn->dump;
    conn->dump = NULL;
    dump->conn = NULL;
    if (!dump->due) {
        dump->drop(dump);
    }
    conn->state = SERVER_CONN_COMMAND;
    net_stream_resume(&conn->stream);
}

/* A posted slice: its connection may have gone meanwhile. */
static void run_slice(void *arg)
{
    struct server_dump *dump = arg;
    dump->due = false;
    if (dump->conn == NULL) {
        dump->drop(dump);
        return;
    }
    server_dump_continue(dump->conn);
}

void server_dump_continue(struct server_conn *conn)
{
    struct server_dump *dump = conn->dump;
    if (dump == NULL || dump->due || dump->waiting || conn->state != SERVER_CONN_STREAM ||
        net_stream_unsent(&conn->stream) > SERVER_OUTPUT_MAX) {
        return; /* full: on_drained() comes back here. Or the connection closes */
    }
    if (!dump->step(conn, dump)) {
        finish(conn);
        return;
    }
    if (dump->waiting || net_stream_unsent(&conn->stream) > SERVER_OUTPUT_MAX) {
        return;
    }
    dump->due = true;
    if (net_loop_post(conn->worker->loop, run_slice, dump) != 0) {
        base_log(BASE_LOG_NOTICE, "connection %llu: no memory to go on with a dump",
                 (unsigned long long)conn->id);
        dump->due = false;
        net_stream_close(&conn->stream, false);
    }
}

void server_dump_start(struct server_conn *conn, struct server_dump *dump)
{
    CHECK(conn->dump == NULL);
    conn->dump = dump;
    conn->state = SERVER_CONN_STREAM;
    dump->conn = conn;
    net_stream_pause(&conn->stream);
    server_dump_continue(conn);
}

void server_dump_wake(struct server_dump *dump)
{
    dump->waiting = false;
    if (dump->conn == NULL) {
        dump->drop(dump);
        return;
    }
    server_dump_continue(dump->conn);
}

size_t server_dump_input(struct server_conn *conn, size_t size)
{
    if (conn->watcher != NULL) {
        return size; /* a watcher has nothing more to say */
    }
    return 0; /* paused: these bytes come again after the dump */
}

void server_dump_drop(struct server_conn *conn)
{
    struct server_dump *dump = conn->dump;
    if (dump == NULL) {
        return;
    }
    conn->dump = NULL;
    dump->conn = NULL;
    if (!dump->due && !dump->waiting) {
        dump->drop(dump);
    }
}
