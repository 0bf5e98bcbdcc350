/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * incr, decr and ma: the value is a decimal number of 64 bits, stored as text.
 *
 * incr wraps at 2^64, decr stops at 0. A result shorter than the value keeps the value's length,
 * padded with blanks: memcached writes in place, and clients see it.
 */
#include <stdlib.h>

#include "base/num.h"
#include "server/command.h"
#include "server/ttl.h"

enum {
    FEW = 64, /* bytes; all but absurdly padded numbers */
    VALUE_TEXT_MAX =
        512 << 10 /* bytes, padding included; memcached's chunked items are no numbers */
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * As strtoull() in memcached's safe_strtoull(): leading white space, one sign, digits; after them
 * nothing, or white space, or a NUL. Overflow is refused, and so is minus, unless the number it wraps
 * to looks positive (memcached only asks for the sign bit).
 */
static bool parse_number(const struct larder_ref *ref, uint64_t *ret_number)
{
    const char *at = ref->value;
    const char *end = ref->value + ref->value_size;
    while (at < end && is_space(*at)) {
        at++;
    }
    const bool minus = at < end && *at == '-';
    if (at < end && (minus || *at == '+')) {
        at++;
    }
    const char *digits = at;
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    if (at < end && *at != '\0' && !is_space(*at)) {
        return false;
    }
    while (digits + 1 < at && *digits == '0') {
        digits++; /* leading zeros do not make a number too long */
    }
    if (!base_num_parse_u64((struct base_slice){digits, (size_t)(at - digits)}, ret_number)) {
        return false;
    }
    *ret_number = minus ? 0 - *ret_number : *ret_number;
    return !minus || *ret_number <= INT64_MAX;
}

static void count(struct server_worker *worker, bool decrement, bool hit)
{
    if (decrement) {
        if (hit) {
            SERVER_COUNT(worker, decr_hits);
        } else {
            SERVER_COUNT(worker, decr_misses);
        }
    } else if (hit) {
        SERVER_COUNT(worker, incr_hits);
    } else {
        SERVER_COUNT(worker, incr_misses);
    }
}

/* How an attempt ended. */
struct outcome {
    enum larder_result result;
    bool not_a_number;
    bool created;
    struct proto_reply reply;
};

static struct outcome create(struct server_call *call)
{
    const struct proto_request *request = call->request;
    int64_t shown_ttl_s;
    char text[BASE_NUM_TEXT_MAX];
    struct larder_piece piece = {text, base_num_write_u64(text, request->initial)};
    struct larder_put put = {
        .pieces = &piece,
        .piece_count = 1,
        .condition = LARDER_COND_ABSENT,
        .cas_assign = (request->flags & PROTO_FLAG_CAS_ASSIGN) != 0 ? request->cas_assign : 0,
        .expires_at_s = server_ttl_created(call, &shown_ttl_s),
    };
    struct outcome outcome = {.result = server_store(call, &put, NULL), .created = true};
    outcome.reply.status = PROTO_STATUS_STORED;
    outcome.reply.number = request->initial;
    outcome.reply.cas = server_shown_cas(call->worker, put.ret_cas);
    outcome.reply.ttl_s = shown_ttl_s;
    return outcome;
}

/* `ref` is given back. */
static struct outcome change(struct server_call *call, struct larder_ref *ref, uint64_t number)
{
    const struct proto_request *request = call->request;
    uint64_t delta = request->delta;
    if (request->decrement) {
        number = delta > number ? 0 : number - delta;
    } else {
        number += delta;
    }
    char few[FEW];
    char *text = ref->value_size <= FEW ? few : malloc((size_t)ref->value_size);
    if (text == NULL) {
        server_release(call->worker, ref);
        return (struct outcome){.result = LARDER_NO_SPACE};
    }
    size_t size = base_num_write_u64(text, number);
    bool in_place = size <= ref->value_size;
    if (in_place) {
        memset(text + size, ' ', (size_t)ref->value_size - size);
        size = (size_t)ref->value_size;
    }
    int64_t shown_ttl_s;
    struct larder_piece piece = {text, size};
    struct larder_put put = {
        .pieces = &piece,
        .piece_count = 1,
        .condition = LARDER_COND_CAS,
        .cas_expected = ref->cas,
        .cas_assign = (request->flags & PROTO_FLAG_CAS_ASSIGN) != 0 ? request->cas_assign : 0,
        .client_flags = ref->client_flags,
        .expires_at_s = server_ttl_changed(call, ref->expires_at_s, &shown_ttl_s),
        .marks = in_place ? ref->marks : 0,
    };
    struct outcome outcome = {.result = server_store(call, &put, ref)};
    if (text != few) {
        free(text);
    }
    outcome.reply.status = PROTO_STATUS_NUMBER;
    outcome.reply.number = number;
    outcome.reply.cas = server_shown_cas(call->worker, put.ret_cas);
    outcome.reply.ttl_s = shown_ttl_s;
    return outcome;
}

/* One attempt. LARDER_EXISTS with a number in the reply: somebody was faster, try again. */
static struct outcome attempt(struct server_call *call)
{
    const struct proto_request *request = call->request;
    struct larder_ref ref;
    struct outcome outcome = {.result = server_find(call, LARDER_GET_PEEK, &ref)};
    if (outcome.result == LARDER_MISS && (request->flags & PROTO_FLAG_VIVIFY) != 0) {
        return create(call);
    }
    if (outcome.result != LARDER_OK) {
        return outcome;
    }
    uint64_t number = 0;
    if (ref.value_size == 0) {
        outcome.not_a_number = true;
    } else if ((request->flags & PROTO_FLAG_CAS_COMPARE) != 0 && request->cas != 0 &&
               request->cas != server_shown_cas(call->worker, ref.cas)) {
        outcome.result = LARDER_EXISTS;
        outcome.reply.status = PROTO_STATUS_EXISTS;
    } else if (ref.value_size > VALUE_TEXT_MAX || !parse_number(&ref, &number)) {
        outcome.not_a_number = true;
    } else {
        return change(call, &ref, number);
    }
    server_release(call->worker, &ref);
    return outcome;
}

enum server_done server_cmd_arith(struct server_call *call)
{
    const struct proto_request *request = call->request;
    struct server_worker *worker = call->worker;
    struct outcome outcome = attempt(call);
    while ((outcome.reply.status == PROTO_STATUS_NUMBER || outcome.created) &&
           (outcome.result == LARDER_EXISTS || outcome.result == LARDER_MISS ||
            outcome.result == LARDER_BUSY)) {
        SERVER_COUNT(worker, put_races);
        outcome = attempt(call);
    }
    if (outcome.not_a_number) {
        return server_reply_error(call, PROTO_ERROR_NON_NUMERIC);
    }
    switch (outcome.result) {
    case LARDER_OK:
        if (!outcome.created) {
            count(worker, request->decrement, true);
        }
        return server_reply(call, &outcome.reply);
    case LARDER_EXISTS:
        return server_reply_status(call, PROTO_STATUS_EXISTS);
    case LARDER_PENDING:
        return SERVER_PARK;
    case LARDER_NO_SPACE:
    case LARDER_TOO_LARGE:
    case LARDER_BUSY:
        return server_reply_error(call, outcome.created ? PROTO_ERROR_NO_MEMORY_NEW_ITEM
                                                        : PROTO_ERROR_NO_MEMORY);
    case LARDER_MISS:
    case LARDER_FAILED:
        break;
    }
    count(worker, request->decrement, false);
    return server_reply_status(call, PROTO_STATUS_MISS);
}
