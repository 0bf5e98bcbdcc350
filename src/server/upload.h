/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data blocks that are longer than what has arrived: received straight into the engine's memory, or,
 * when the engine has too many of those open, into pooled blocks. See upload.c.
 */
#ifndef LARDER_SERVER_UPLOAD_H
#define LARDER_SERVER_UPLOAD_H

#include "server/server_priv.h"

/*
 * Take over the connection's input until the data block of `request` is whole. `data` is its
 * beginning, already here; borrowed. Returns false when there is no memory for it.
 */
BASE_MUST_USE bool server_upload_start(struct server_conn *conn,
                                       const struct proto_request *request,
                                       const struct larder_key *key, const char *data, size_t size);
/* net's on_received(). */
void server_upload_received(struct server_conn *conn);
/* The bytes behind the value; runs the command when \r\n is whole. Returns bytes consumed. */
size_t server_upload_tail(struct server_conn *conn, const char *data, size_t size);
/* The connection closes: what was received so far is given back. */
void server_upload_drop(struct server_conn *conn);

#endif
