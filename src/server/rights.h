/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What users may do, as a file says it: which commands, and which keys.
 *
 *      # who: commands=what,... prefixes=where,...
 *      web:  commands=read,write prefixes=web:,session:
 *      ops:  commands=read,write,admin
 *      *:    commands=read
 *
 * `*` is everybody who has no line of their own; without it they may do nothing. `commands` has to be
 * there: read, write and admin in any number, or none. `prefixes` are beginnings of keys; without
 * them every key will do. In them %XX is the byte of that number: %2c a comma, %20 a blank.
 *
 * Immutable once read; shared between threads.
 */
#ifndef LARDER_SERVER_RIGHTS_H
#define LARDER_SERVER_RIGHTS_H

#include "proto/request.h"
#include "server/access_file.h"

enum server_right {
    SERVER_RIGHT_READ = 1u << 0,
    SERVER_RIGHT_WRITE = 1u << 1,
    SERVER_RIGHT_ADMIN = 1u << 2,
    SERVER_RIGHT_ALL = SERVER_RIGHT_READ | SERVER_RIGHT_WRITE | SERVER_RIGHT_ADMIN,
};

enum { SERVER_RIGHTS_PREFIXES_MAX = 64 }; /* of one user */

/* Of one user. */
struct server_rights {
    struct base_slice user;            /* "*": everybody else */
    uint32_t commands;                 /* enum server_right */
    uint32_t line;                     /* where it stands */
    uint32_t prefix_count;             /* 0: every key */
    const struct base_slice *prefixes; /* lent by the file */
};

struct server_rights_file;

/* Given; NULL: *why says what is wrong, with the file's name, and the line where there is one. */
BASE_MUST_USE struct server_rights_file *server_rights_open(const char *path,
                                                            char why[SERVER_ACCESS_WHY_MAX]);
/* The same from a text in memory; `path` is what it is called. */
BASE_MUST_USE struct server_rights_file *
server_rights_parse(const char *path, struct base_slice text, char why[SERVER_ACCESS_WHY_MAX]);
/* Accepts NULL, sets NULL. */
void server_rights_close(struct server_rights_file **file);

/* How many lines there are. */
size_t server_rights_count(const struct server_rights_file *file);
/* The user's line, or that of everybody else, or one without any right. Lent by the file. */
const struct server_rights *server_rights_find(const struct server_rights_file *file,
                                               struct base_slice user);
/* May everything be done? */
bool server_rights_are_all(const struct server_rights *rights);
bool server_rights_allow_key(const struct server_rights *rights, struct base_slice key);

/*
 * Which rights the request takes: bits of enum server_right; 0: anybody may who has come in. What
 * nobody has classed takes the admin right.
 */
uint32_t server_rights_needed(const struct proto_request *request);
/* Has the request keys? (Others have a `key` that is none: a mechanism, a group of statistics.) */
bool server_rights_has_keys(const struct proto_request *request);

#endif
