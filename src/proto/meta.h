/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The meta protocol: mg ms md ma me mn. Pure, like proto/text.h, which calls the parser.
 */
#ifndef LARDER_PROTO_META_H
#define LARDER_PROTO_META_H

#include "proto/text.h"

/*
 * `line` is the command line without its newline. Fills *ret_request, or writes *ret_error and
 * *ret_swallow: a refused ms whose length was understood takes its value with it.
 * Returns PROTO_DONE or PROTO_BAD.
 */
enum proto_parse proto_meta_parse(struct base_slice line, struct proto_request *ret_request,
                                  enum proto_error *ret_error, uint64_t *ret_swallow);

enum { PROTO_META_REPLY_MAX = 1024 };

/*
 * The reply line, flags in request order, then Z X W; ends with \r\n. Returns the bytes written,
 * 0 when the request's q flag hides this reply: EN of mg, HD of ms and md, HD and VA of ma unless
 * the number was created (PROTO_STATUS_STORED). Errors are never hidden.
 *
 * For an mg hit with v, the value and "\r\n" follow; the number of an ma with v is included.
 * The key that `k` repeats is request->key; nothing else is read from the input.
 */
size_t proto_meta_write_reply(char *out, const struct proto_request *request,
                              const struct proto_reply *reply);

/*
 * The same for an mg of proto_plain_meta_get(), answered from its line: `words` are all behind the
 * key, flags what they said. reply->status: HIT or MISS.
 */
size_t proto_meta_write_plain(char *out, struct base_slice key, struct base_slice words,
                              uint32_t flags, const struct proto_reply *reply);

/* For clients, tests and benchmarks. */
struct proto_meta_answer {
    char code[2];            /* "VA" "HD" "EN" "NS" "EX" "NF" "MN" "ME" */
    bool is_error;           /* CLIENT_ERROR, SERVER_ERROR, ERROR: `flags` is the whole line */
    uint64_t value_size;     /* VA: that many bytes and \r\n follow */
    struct base_slice flags; /* the words after the code (and size), borrowed; take them with
                                proto_text_next_token() */
};

/* Parse one reply line. PROTO_DONE, PROTO_MORE, or PROTO_CLOSE when it is no meta reply at all. */
enum proto_parse proto_meta_parse_answer(struct base_slice input,
                                         struct proto_meta_answer *ret_answer,
                                         size_t *ret_consumed);

#endif
