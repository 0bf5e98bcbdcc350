/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lines that most of the world sends most of the time, parsed in one pass:
 *
 *      get <key>\r\n                                and gets
 *      mg <key> <flag>...\r\n                       flags of one letter, and the opaque
 *      set <key> <flags> <exptime> <bytes>[ noreply]\r\n
 *
 * Anything out of the ordinary (a second key, a sign, two blanks, a bare newline) is left to
 * proto/text.c, which says the same of these lines, only later. Private to proto. Pure.
 */
#ifndef LARDER_PROTO_PLAIN_H
#define LARDER_PROTO_PLAIN_H

#include "proto/request.h"

/* Returns false when it is none of them; what *request holds then means nothing. */
bool proto_plain_parse(struct base_slice input, struct proto_request *request,
                       size_t *ret_consumed);

#endif
