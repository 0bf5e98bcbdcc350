/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files that say who may come in: read whole, in one piece, with a bound, and taken apart line by
 * line. What is wrong is said once, with the file and the line.
 *
 * At start and at SIGHUP, on the main thread.
 */
#ifndef LARDER_SERVER_ACCESS_FILE_H
#define LARDER_SERVER_ACCESS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/slice.h"

enum {
    SERVER_ACCESS_WHY_MAX = 512,       /* bytes of what is wrong, its NUL included */
    SERVER_ACCESS_FILE_MAX = 16 << 20, /* bytes of a file */
    SERVER_ACCESS_LINE_MAX = 8192,     /* bytes of a line */
    SERVER_ACCESS_USER_MAX = 255,      /* bytes of a user's name */
    SERVER_ACCESS_PASSWORD_MAX = 1024, /* bytes of a password */
};

/* The text of a file, and how far it has been read. */
struct server_access_file {
    const char *path; /* borrowed; for what is said */
    char *text;       /* given */
    size_t size;
    size_t at;
    uint32_t line; /* of the one read last, from 1 */
};

/* Read it. False: *why says why not, with the path. */
BASE_MUST_USE bool server_access_file_open(struct server_access_file *file, const char *path,
                                           char why[SERVER_ACCESS_WHY_MAX]);
/* The same for a text in memory, which is copied. False: no memory, and *why says so. */
BASE_MUST_USE bool server_access_file_init(struct server_access_file *file, const char *path,
                                           struct base_slice text, char why[SERVER_ACCESS_WHY_MAX]);
/* Wipes and frees the text. */
void server_access_file_fini(struct server_access_file *file);

enum server_access_line {
    SERVER_ACCESS_LINE, /* *ret_line: without its end; lent until the file is closed */
    SERVER_ACCESS_END,
    SERVER_ACCESS_BAD, /* *why */
};
/* The next line that is not empty. \n and \r\n end one; the last may have no end. */
enum server_access_line server_access_file_next(struct server_access_file *file,
                                                struct base_slice *ret_line,
                                                char why[SERVER_ACCESS_WHY_MAX]);
/* "PATH:LINE: what": always false, for the caller to return. */
BASE_PRINTF(3, 4)
bool server_access_file_complain(const struct server_access_file *file,
                                 char why[SERVER_ACCESS_WHY_MAX], const char *format, ...);

#endif
