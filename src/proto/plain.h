/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lines that most of the world sends most of the time, parsed in one pass:
 *
 *      get <key>\r\n                                and gets
 *      mg <key> <flag>...\r\n                       flags of one letter, and the opaque
 *      set <key> <flags> <exptime> <bytes>[ noreply]\r\n
 *
 * Anything out of the ordinary (a second key, a sign, two blanks, a bare newline) is left to
 * proto/text.c, which says the same of these lines, only later. For proto/text.c, and for a server
 * that runs such lines without making requests of them. Pure.
 */
#ifndef LARDER_PROTO_PLAIN_H
#define LARDER_PROTO_PLAIN_H

#include "proto/request.h"
#include "proto/scan.h"

/*
 * The first of them alone: `get <key>\r\n`, and the key is all there is to say. Returns what is
 * behind the line, or NULL when it is another one. Inline: it is called for every request.
 */
static inline const char *proto_plain_get(const char *at, const char *end,
                                          struct base_slice *ret_key)
{
    if (end - at < (ptrdiff_t)sizeof("get k\r\n") - 1 || memcmp(at, "get ", 4) != 0) {
        return NULL;
    }
    const char *const key = at + 4;
    const char *const last = end - 1; /* not looked at by itself: a line ends in two bytes */
    const char *const key_end = proto_scan_blank(key, last);
    const size_t size = (size_t)(key_end - key);
    /* size 0 becomes the largest number */
    if (size - 1 >= BASE_KEY_SIZE_MAX || key_end == last || memcmp(key_end, "\r\n", 2) != 0) {
        return NULL;
    }
    *ret_key = (struct base_slice){key, size};
    return key_end + 2;
}

/* The words of proto_plain_meta_get() below, up to the line's end; returns what is behind that, or NULL. */
const char *proto_plain_meta_flags(const char *at, const char *end, uint32_t *ret_flags);

/*
 * The second: `mg <key> <flag>...\r\n`. Its answer is written from the key, the flags (enum
 * proto_flag) and the words that they are, which lie between the key and the end of the line.
 */
static inline const char *proto_plain_meta_get(const char *at, const char *end,
                                               struct base_slice *ret_key, uint32_t *ret_flags)
{
    if (end - at < (ptrdiff_t)sizeof("mg k\r\n") - 1 || memcmp(at, "mg ", 3) != 0) {
        return NULL;
    }
    const char *const key = at + 3;
    const char *const key_end = proto_scan_blank(key, end);
    const size_t size = (size_t)(key_end - key);
    if (size - 1 >= BASE_KEY_SIZE_MAX) {
        return NULL;
    }
    *ret_key = (struct base_slice){key, size};
    if (end - key_end >= 4 && memcmp(key_end, " v\r\n", 4) == 0) {
        *ret_flags = PROTO_FLAG_VALUE;
        return key_end + 4;
    }
    return proto_plain_meta_flags(key_end, end, ret_flags);
}

/* Returns false when it is none of them; what *request holds then means nothing. */
bool proto_plain_parse(struct base_slice input, struct proto_request *request,
                       size_t *ret_consumed);

#endif
