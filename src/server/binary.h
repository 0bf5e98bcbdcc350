/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the binary protocol needs of the server beyond its handlers, which are those of text and meta:
 * packets to a batch, and the answers that are more than a header. On the connection's worker.
 */
#ifndef LARDER_SERVER_BINARY_H
#define LARDER_SERVER_BINARY_H

#include "server/batch.h"
#include "server/output.h"

/* Fill the batch from the input. */
void server_binary_parse_batch(struct server_batch *batch, const char *data, size_t size);

/*
 * The answer to a GET: the hit, or that there is none, which a quiet one leaves unsaid. ref NULL: nothing
 * was found; otherwise its value may be lent to the socket. False: the connection has to go.
 */
BASE_MUST_USE bool server_binary_answer(struct server_conn *conn, struct server_output *output,
                                        const struct proto_request *request,
                                        struct larder_ref *ref);

/* The same of one of a batch's SERVER_KIND_PACKET: its key lies in the input, behind its header. */
BASE_MUST_USE bool server_binary_answer_plain(struct server_conn *conn,
                                              struct server_output *output,
                                              const struct larder_key *key, struct larder_ref *ref);

/* A set's answer: it is stored, and that is its cas. False: the connection has to go. */
BASE_MUST_USE bool server_binary_stored(struct server_output *output,
                                        const struct proto_request *request, uint64_t cas);

#endif
