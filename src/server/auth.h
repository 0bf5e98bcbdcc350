/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has come in, and what they may do: users, log-ins, rights.
 *
 *      files ── main thread, at start and at SIGHUP ──▶ struct server_users: immutable, counted
 *                                                        │ borrowed by every log-in
 *      connection ── struct server_access ◀──────────────┘
 *
 * Without -Y and -S there is no struct server_auth, no connection has an access, and conn->limited is
 * false: that one byte is all that the way of a request knows of it. With them it is true until its
 * client has logged in, and stays so for a user who may not do everything.
 *
 * A new file is a new snapshot, swapped under a lock that is taken to log in only. Every worker then
 * looks at its own connections: one whose user and password are still there goes on with the new
 * rights; any other has to log in again, and is closed if it is in the middle of a stream.
 */
#ifndef LARDER_SERVER_AUTH_H
#define LARDER_SERVER_AUTH_H

#include "server/guard.h"
#include "server/rights.h"
#include "server/secrets.h"
#include "server/server_priv.h"

struct server_auth;
struct server_sasl;
struct server_sasl_session;

/* A snapshot of the files. */
struct server_users {
    _Atomic uint32_t count;            /* of those who hold it */
    struct server_secrets *passwords;  /* -Y; NULL: none */
    struct server_secrets *pwdb;       /* MEMCACHED_SASL_PWDB; NULL: none */
    struct server_rights_file *rights; /* NULL: everybody may do everything */
};

/* What the server knows of a connection's client. The connection's own; on its worker. */
struct server_access {
    struct server_guard_key from; /* whom its failures are counted for */
    /* once it has logged in */
    struct server_users *users;         /* a count of it; NULL: it has not */
    const struct server_rights *rights; /* lent by `users`; NULL: it may do everything */
    char *name;                         /* given, NUL-terminated */
    size_t name_size;
    char *password; /* given, wiped; of -Y, to look it up in the next file. NULL: SASL */
    size_t password_size;
    /* the text protocol's log-in */
    bool token_wanted; /* its line has come: token_size bytes are to follow, \r\n included */
    size_t token_size; /* bytes */
    size_t token_have; /* of those, in `token` */
    char *token;       /* given; NULL: it has come as a whole, or not at all */
    /* SASL's */
    struct server_sasl_session *session; /* given; NULL: none */
};

/* ---- the server's ---- */

/* Reads the files. *ret_auth is given; NULL when nobody has to log in. Returns 0 or -errno; why has been logged. */
BASE_MUST_USE int server_auth_create(const struct server_config *config,
                                     struct server_auth **ret_auth);
void server_auth_destroy(struct server_auth **auth);
/* Threads, if it needs one. Returns 0 or -errno. stop: no worker runs any more. */
BASE_MUST_USE int server_auth_start(struct server_auth *auth);
void server_auth_stop(struct server_auth *auth);
/* SIGHUP, on the main thread: the files again. What is wrong is logged, and the old ones stay. */
void server_auth_reload(struct server *server);
/* auth_reloads and its like, for `stats`. */
void server_auth_stats(struct server *server, larder_stat_fn fn, void *arg);

/* The snapshot of now; a count of it. Any thread. */
struct server_users *server_auth_get_users(struct server_auth *auth);
void server_auth_put_users(struct server_users **users);
/* NULL: no -S. */
struct server_sasl *server_auth_sasl(struct server_auth *auth);

/* ---- a connection's; on its worker ---- */

/* A new connection: whether it has to log in, and how. Returns 0 or -ENOMEM. */
BASE_MUST_USE int server_auth_open_conn(struct server_conn *conn);
/* It closes. */
void server_auth_close_conn(struct server_conn *conn);

/* Wipes what has come of the text protocol's token. */
void server_auth_drop_token(struct server_access *access);

/* Is its address listened to, after what it failed at? Counted and logged if not. */
BASE_MUST_USE bool server_auth_may_try(struct server_conn *conn);
/* An attempt to log in has failed; `name` as it was sent. */
void server_auth_failed(struct server_conn *conn, struct base_slice name);
/*
 * It has logged in. `users` is given. `password` is what the text protocol's had, none for SASL.
 * Returns false when there is no memory to remember it: it has not.
 */
BASE_MUST_USE bool server_auth_log_in(struct server_conn *conn, struct server_users *users,
                                      struct base_slice name, struct base_slice password);
/* It has to log in again, in its protocol. */
void server_auth_log_out(struct server_conn *conn);
/* Between two requests of a limited connection: COMMAND, or LOGIN. */
enum server_conn_state server_auth_between(const struct server_conn *conn);

/* State LOGIN: does the client speak the text protocol? `first` is the first byte that came of it. login.c */
BASE_MUST_USE bool server_auth_speaks_text(struct server_conn *conn, char first);
/* State LOGIN: bytes of a client that has to log in by the text protocol. Returns those consumed; 0: wait. login.c */
size_t server_auth_input(struct server_conn *conn, char *data, size_t size);

/*
 * May the request of a limited connection be run? If not it has been answered, and *ret_done says
 * what becomes of the connection. Keys are checked too, all of a line before any is looked up. gate.c
 */
BASE_MUST_USE bool server_auth_allows(struct server_call *call, enum server_done *ret_done);
/* A packet that is none, of a connection that has not logged in: memcached says only that. gate.c */
BASE_MUST_USE bool server_auth_is_stranger(const struct server_conn *conn);

#endif
