/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The classic text protocol: bytes to requests, replies to bytes.
 *
 * Pure: no socket, no clock, no allocation, no state between calls but what the caller keeps.
 * The text parser also recognises the two-letter meta commands and hands them to proto/meta.h,
 * since both share one connection and one command line.
 */
#ifndef LARDER_PROTO_TEXT_H
#define LARDER_PROTO_TEXT_H

#include "base/compiler.h"
#include "proto/request.h"
#include "proto/scan.h"

enum proto_parse {
    PROTO_DONE,  /* a whole request line; *ret_consumed bytes of the buffer were it */
    PROTO_MORE,  /* not yet a whole line; nothing consumed */
    PROTO_BAD,   /* *ret_error is the answer; *ret_consumed bytes are skipped (the line) */
    PROTO_CLOSE, /* close the connection, without an answer */
};

/*
 * Parse the request line at the start of `input`, up to and including its newline. A data block
 * that follows is not touched: request->value_size says how long it is (plus its \r\n).
 *
 * A `get`/`gets` line may be longer than the buffer. When more than BASE_REQUEST_LINE_MAX bytes
 * hold no newline, PROTO_DONE gives the whole keys so far and sets request->keys_continue: the
 * line goes on, and so must the caller, with proto_text_parse_keys(). Every other line without
 * newline is PROTO_MORE up to that size and PROTO_CLOSE beyond it.
 *
 * ret_request  slices are borrowed from `input`; proto_request_keep() makes a copy that lasts.
 *              After PROTO_BAD only its always valid fields are set.
 * ret_error    written for PROTO_BAD; PROTO_ERROR_NONE: skip and say nothing (noreply).
 * ret_swallow  PROTO_BAD: bytes after the line that belong to the refused request and must be
 *              thrown away too (a value that is too large is not among them: the server decides
 *              that). 0 otherwise.
 *
 * PROTO_BAD with request->keys_continue set: a key of a long get line was too long. The rest of
 * that line goes to proto_text_parse_keys() as well, which skips it.
 */
enum proto_parse proto_text_parse(struct base_slice input, struct proto_request *ret_request,
                                  size_t *ret_consumed, enum proto_error *ret_error,
                                  uint64_t *ret_swallow);

/*
 * Go on inside a long `get` line: `request` is the earlier part's, updated in place. While
 * request->keys_continue is set afterwards, call it again with what follows.
 *
 * PROTO_DONE: request->keys (and its first, request->key) is the next part, which may hold no key
 * at all. PROTO_BAD: answer *ret_error (often PROTO_ERROR_NONE), skip, send no END. PROTO_MORE.
 */
enum proto_parse proto_text_parse_keys(struct base_slice input, struct proto_request *request,
                                       size_t *ret_consumed, enum proto_error *ret_error);

/* Take the next word from *rest (request.arguments). Returns false when there is none left. */
bool proto_text_next_token(struct base_slice *rest, struct base_slice *ret_token);

/*
 * Take the next key from *keys (request.keys of a GET). Returns false when there is none left.
 * Keys that come out are 1..250 bytes: the parser has checked them. Inline: lines have many.
 */
static inline bool proto_text_next_key(struct base_slice *keys, struct base_slice *ret_key)
{
    const char *const end = keys->data + keys->size;
    const char *begin = keys->data;

    while (begin < end && *begin == ' ') {
        begin++;
    }
    const char *blank = proto_scan_blank(begin, end);
    while (BASE_UNLIKELY(blank < end && *blank != ' ')) {
        blank = proto_scan_blank(blank + 1, end); /* a control character belongs to the word */
    }
    *ret_key = (struct base_slice){begin, (size_t)(blank - begin)};
    *keys = (struct base_slice){blank, (size_t)(end - blank)};
    return begin < end;
}

/* ---- replies; each returns the bytes written. `out` has room for PROTO_TEXT_REPLY_MAX ---- */

enum { PROTO_TEXT_REPLY_MAX = 512 };

/*
 * "VALUE <key> <flags> <bytes>[ <cas>]\r\n"; the value, "\r\n" and at last "END\r\n" follow.
 * cas  NULL: not asked for
 */
size_t proto_text_write_value(char *out, struct base_slice key, uint32_t client_flags,
                              uint64_t value_size, const uint64_t *cas);
/*
 * The answer of any request whose answer is one line: STORED, NOT_FOUND, 42, OK, an error line, ...
 * Returns 0 under noreply. Not for the hits of a GET; VERSION, stats and dumps are the server's.
 */
size_t proto_text_write_reply(char *out, const struct proto_request *request,
                              const struct proto_reply *reply);

/* ---- the other direction, for clients, tests and benchmarks ---- */

enum proto_answer_kind {
    PROTO_ANSWER_VALUE, /* VALUE ...; data follows */
    PROTO_ANSWER_END,
    PROTO_ANSWER_STATUS, /* STORED, OK, ...: `status` */
    PROTO_ANSWER_NUMBER,
    PROTO_ANSWER_STAT,  /* STAT name value: `key`, `text` */
    PROTO_ANSWER_ERROR, /* ERROR, CLIENT_ERROR x, SERVER_ERROR x: `text` is the whole line */
    PROTO_ANSWER_OTHER, /* VERSION and the like: `text` is the whole line */
};

struct proto_answer {
    enum proto_answer_kind kind;
    enum proto_status status;
    struct base_slice key;  /* VALUE, STAT */
    struct base_slice text; /* borrowed from the input */
    uint32_t client_flags;
    uint64_t value_size; /* VALUE: that many bytes and \r\n follow the line */
    uint64_t cas;        /* 0 when the line had none */
    uint64_t number;
};

/* Parse one reply line. PROTO_DONE, PROTO_MORE, or PROTO_CLOSE when it is no reply at all. */
enum proto_parse proto_text_parse_answer(struct base_slice input, struct proto_answer *ret_answer,
                                         size_t *ret_consumed);

#endif
