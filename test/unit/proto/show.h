/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A parsed line as one line of text, so that the tables of the tests say everything in two strings.
 */
#ifndef LARDER_TEST_PROTO_SHOW_H
#define LARDER_TEST_PROTO_SHOW_H

#include "proto/text.h"

/* cmocka's order of includes */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define K50  "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcd"
#define K250 K50 K50 K50 K50 K50
#define K251 K250 "x"

enum { SHOW_SIZE_MAX = 16384 };

struct show_row {
    const char *line; /* without its newline */
    const char *expected;
};

/*
 * What proto_text_parse() says of `input`, in a static buffer:
 *   "STORE SET key=k flags=1 exptime=2 size=3", "BAD_FORMAT", "META_INVALID_FLAG swallow=7",
 *   "NONE", "CLOSE", "MORE"
 * Meta requests start with "meta ", carry their flag letters, and name what is not 0.
 */
const char *show_parse(struct base_slice input, size_t *ret_consumed);

/*
 * Every row with \r\n and with \n, alone and with more behind it: the same result, all of the line
 * consumed and nothing else; and every shorter prefix is PROTO_MORE.
 */
void show_check_rows(const struct show_row *rows, size_t count);

#endif
