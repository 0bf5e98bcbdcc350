/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that are longer than what a client takes at once: dumps and long statistics.
 *
 * A dump is written in slices on its connection's worker. Between slices the other connections have
 * their turn, and while the client does not read nothing is written. Commands that arrive
 * meanwhile wait, and are answered after it.
 */
#ifndef LARDER_SERVER_DUMP_H
#define LARDER_SERVER_DUMP_H

#include "server/server_priv.h"

/* The first member of whatever is dumped. Zero-initialise the rest of it, then fill step and drop. */
struct server_dump {
    /* Write some. Returns false when that was the last of it, or nothing more can be sent. */
    bool (*step)(struct server_conn *conn, struct server_dump *dump);
    /* Free it. */
    void (*drop)(struct server_dump *dump);
    struct server_conn *conn; /* NULL: gone while a slice was due */
    bool due;                 /* a slice has been posted */
    bool waiting;             /* goes on when server_dump_wake() is called, not by itself */
};

/* dump is given. The command that starts it returns SERVER_DONE. */
void server_dump_start(struct server_conn *conn, struct server_dump *dump);
/* What a waiting dump waited for is there. On the connection's worker. */
void server_dump_wake(struct server_dump *dump);

/* ---- called by conn.c ---- */

/* Input that arrives while the connection streams. Returns bytes consumed. */
size_t server_dump_input(struct server_conn *conn, size_t size);
/* The output has drained: go on. */
void server_dump_continue(struct server_conn *conn);
/* The connection closes. Nothing when it did not stream. */
void server_dump_drop(struct server_conn *conn);

#endif
