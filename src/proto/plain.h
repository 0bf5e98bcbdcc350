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
#include "proto/scan.h"

/*
 * The first of them alone: `get <key>\r\n`, and the key is all there is to say. Returns the bytes
 * of the line, or 0 when it is another one. Inline: it is called for every request.
 */
static inline size_t proto_plain_get(struct base_slice input, struct base_slice *ret_key)
{
    const char *const end = input.data + input.size;

    if (input.size < sizeof("get k\r\n") - 1 || memcmp(input.data, "get ", 4) != 0) {
        return 0;
    }
    const char *const key = input.data + 4;
    const char *const key_end = proto_scan_blank(key, end);
    const size_t size = (size_t)(key_end - key);
    /* size 0 becomes the largest number */
    if (size - 1 >= BASE_KEY_SIZE_MAX || end - key_end < 2 || memcmp(key_end, "\r\n", 2) != 0) {
        return 0;
    }
    *ret_key = (struct base_slice){key, size};
    return size + sizeof("get \r\n") - 1;
}

/* The request that such a line is. */
void proto_plain_fill_get(struct base_slice key, struct proto_request *ret_request);

/* Returns false when it is none of them; what *request holds then means nothing. */
bool proto_plain_parse(struct base_slice input, struct proto_request *request,
                       size_t *ret_consumed);

#endif
