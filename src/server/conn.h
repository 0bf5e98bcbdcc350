/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections: opened on a worker, closed on it, seen by nobody else. See conn.c.
 */
#ifndef LARDER_SERVER_CONN_H
#define LARDER_SERVER_CONN_H

#include "server/server_priv.h"

/* Room for the requests a worker parses together. Given; free() it. NULL: no memory. */
struct server_batch *server_batch_create(void);

/*
 * fd is given, even on failure; `from`, the listener it came in by, is borrowed for the server's life. Returns 0 or -errno. The
 * caller has counted it in conn_count.
 */
BASE_MUST_USE int server_conn_open(struct server_worker *worker, const struct server_listener *from,
                                   int fd, const struct net_address *peer);
/*
 * The next part of what has arrived. Returns the bytes consumed; 0: wait for more. A connection that
 * is `detached` has no socket, is in no list, and never waits: udp.c calls this.
 */
size_t server_conn_step(struct server_conn *conn, char *data, size_t size);
/* Close every connection of the worker, after a last attempt to send what it owes. */
void server_conn_close_all(struct server_worker *worker);
/* Close those that said nothing for -o idle_timeout seconds. */
void server_conn_kick_idle(struct server_worker *worker);
/* Its name in `stats conns`. Static. */
const char *server_conn_state_name(const struct server_conn *conn);
/* Give every lent reference of the worker back to the engine, and go on in a new turn. */
void server_conn_yield_references(struct server_conn *conn);

#endif
