/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SASL, by Cyrus' library: which mechanisms there are, and one exchange per connection.
 *
 * The library reads files, asks daemons, and computes for milliseconds, so nothing of it runs on a
 * worker: one thread of its own makes one step after the other, of all connections, and posts what
 * came out of it to the connection's worker. The connection waits meanwhile, its request unconsumed;
 * the others go on. One thread is enough, and spares the library, which is no friend of several.
 *
 * A session belongs to its connection, but for the time in which a step of it is with the thread.
 */
#ifndef LARDER_SERVER_SASL_H
#define LARDER_SERVER_SASL_H

#include "server/auth.h"

enum { SERVER_SASL_MECHANISM_MAX = 32 }; /* bytes of a mechanism's name, as in memcached */

/* Initialise the library: application "memcached". Returns 0 or -errno; why has been logged. */
BASE_MUST_USE int server_sasl_create(struct server_auth *auth, struct server_sasl **ret_sasl);
/* No session is left. Accepts NULL, sets NULL. */
void server_sasl_destroy(struct server_sasl **sasl);
/* The thread. Returns 0 or -errno; why has been logged. */
BASE_MUST_USE int server_sasl_start(struct server_sasl *sasl);
/* Finishes what was asked, and ends the thread. The workers have ended, their loops are still there. */
void server_sasl_stop(struct server_sasl *sasl);

/* "PLAIN SCRAM-SHA-256": as the library lists them. Lent for its life. */
struct base_slice server_sasl_mechanisms(const struct server_sasl *sasl);

/* ---- a connection's exchange; on its worker ---- */

/* What the thread made of a step. */
enum server_sasl_outcome {
    SERVER_SASL_DONE,     /* the client is who it says */
    SERVER_SASL_CONTINUE, /* it is asked for more: `challenge` */
    SERVER_SASL_FAILED,
};
struct server_sasl_answer {
    enum server_sasl_outcome outcome;
    struct base_slice challenge; /* lent until the next step */
    struct base_slice name;      /* DONE: of the user; lent as well */
};

/*
 * Make a step. `mechanism` begins a new exchange with it, whatever was before; none (NULL) goes on
 * with the one that is under way. The connection is parked: return SERVER_PARK, and when the request
 * runs again, server_sasl_answer() has what came of it. Returns false when there is no memory.
 */
BASE_MUST_USE bool server_sasl_step(struct server_conn *conn, struct base_slice mechanism,
                                    struct base_slice data);
/* Is there an answer that was not taken? Takes it. */
BASE_MUST_USE bool server_sasl_take(struct server_access *access,
                                    struct server_sasl_answer *ret_answer);
/* Has an exchange been begun that has not come to its end? */
bool server_sasl_is_under_way(const struct server_access *access);
/* The exchange is over. Sets NULL. Returns whether it was given up in the middle. */
bool server_sasl_close(struct server_sasl_session **session);

#endif
