/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The users and their passwords, as a file says them: a line "user:password" each, memcached's form.
 *
 * Immutable once read; shared between threads. A user may stand on several lines: each of the
 * passwords is right, so that one can be changed while clients still use the other. What a password
 * is compared with takes the same time wherever it differs; the text is wiped when it goes.
 */
#ifndef LARDER_SERVER_SECRETS_H
#define LARDER_SERVER_SECRETS_H

#include "server/access_file.h"

enum server_secrets_form {
    SERVER_SECRETS_AUTH_FILE, /* -Y: the password is the rest of the line */
    SERVER_SECRETS_PWDB,      /* MEMCACHED_SASL_PWDB: it ends at the next colon, too */
};

struct server_secrets;

/* Given; NULL: *why says what is wrong, with the file's name, and the line where there is one. */
BASE_MUST_USE struct server_secrets *server_secrets_open(const char *path,
                                                         enum server_secrets_form form,
                                                         char why[SERVER_ACCESS_WHY_MAX]);
/* The same from a text in memory; `path` is what it is called. */
BASE_MUST_USE struct server_secrets *server_secrets_parse(const char *path, struct base_slice text,
                                                          enum server_secrets_form form,
                                                          char why[SERVER_ACCESS_WHY_MAX]);
/* Accepts NULL, sets NULL. */
void server_secrets_close(struct server_secrets **secrets);

/* How many lines there are. */
size_t server_secrets_count(const struct server_secrets *secrets);
/* Is it the user's password, or one of them? Any thread. */
BASE_MUST_USE bool server_secrets_match(const struct server_secrets *secrets,
                                        struct base_slice user, struct base_slice password);

#endif
