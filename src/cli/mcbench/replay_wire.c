/* SPDX-License-Identifier: BSD-3-Clause */
/* Text and meta, as a replay speaks them. */
#include "cli/mcbench/replay_wire.h"

#include <stdio.h>

#include "base/num.h"
#include "cli/mcbench/value.h"
#include "proto/meta.h"
#include "proto/text.h"

/* Longer times to live would be read as dates. */
enum { TTL_MAX_S = 30 * 24 * 3600 };

/* ---- writing ---- */

static char *put_text(char *out, const char *text)
{
    const size_t size = strlen(text);

    memcpy(out, text, size);
    return out + size;
}

static char *put_key(char *out, const struct bench_source_request *request)
{
    memcpy(out, request->key, request->key_size);
    return out + request->key_size;
}

static char *put_number(char *out, uint64_t number)
{
    return out + base_num_write_u64(out, number);
}

static char *put_store(enum bench_protocol protocol, const struct bench_source_request *request,
                       char *out)
{
    const uint32_t ttl_s = request->ttl_s < TTL_MAX_S ? request->ttl_s : (uint32_t)TTL_MAX_S;

    if (protocol == BENCH_META) {
        out = put_key(put_text(out, "ms "), request);
        out = put_number(put_text(out, " "), request->value_size);
        if (ttl_s != 0) {
            out = put_number(put_text(out, " T"), ttl_s);
        }
        if (request->op == BENCH_TRACE_ADD) {
            out = put_text(out, " ME");
        } else if (request->op == BENCH_TRACE_CHANGE) {
            out = put_text(out, " MR");
        }
    } else {
        out = put_text(out, request->op == BENCH_TRACE_ADD      ? "add "
                            : request->op == BENCH_TRACE_CHANGE ? "replace "
                                                                : "set ");
        out = put_number(put_text(put_key(out, request), " 0 "), ttl_s);
        out = put_number(put_text(out, " "), request->value_size);
    }
    out = put_text(out, "\r\n");
    bench_value_write(BENCH_SPACE_VALUES, request->number, 0, out, request->value_size);
    return put_text(out + request->value_size, "\r\n");
}

size_t bench_replay_write(enum bench_protocol protocol, const struct bench_source_request *request,
                          char *out)
{
    const bool is_meta = protocol == BENCH_META;
    char *end;

    switch (request->op) {
    case BENCH_TRACE_READ:
        end = put_key(put_text(out, is_meta ? "mg " : "get "), request);
        end = put_text(end, is_meta ? " v\r\n" : "\r\n");
        break;
    case BENCH_TRACE_DELETE:
        end = put_key(put_text(out, is_meta ? "md " : "delete "), request);
        end = put_text(end, "\r\n");
        break;
    case BENCH_TRACE_WRITE:
    case BENCH_TRACE_ADD:
    case BENCH_TRACE_CHANGE:
    default:
        end = put_store(protocol, request, out);
        break;
    }
    return (size_t)(end - out);
}

/* ---- reading ---- */

/* A line that is no answer to this request. */
static enum bench_replay_answer wrong_line(struct base_slice input, char *complaint)
{
    const char *end = memchr(input.data, '\n', input.size);
    size_t size = end == NULL ? input.size : (size_t)(end - input.data);

    size -= size > 0 && input.data[size - 1] == '\r' ? 1 : 0;
    (void)snprintf(complaint, BENCH_REPLAY_ANSWER_ERROR_MAX, "the answer was \"%.*s\"",
                   size > 120 ? 120 : (int)size, input.data);
    return BENCH_REPLAY_WRONG;
}

/* The value behind `line_size` bytes, and what has to follow it. */
static enum bench_replay_answer read_value(const struct bench_source_request *request,
                                           struct base_slice input, size_t line_size,
                                           uint64_t value_size, const char *end,
                                           size_t *ret_consumed, uint64_t *ret_size,
                                           char *complaint)
{
    const size_t end_size = strlen(end);
    struct base_slice value = {input.data + line_size, value_size};
    enum bench_verdict verdict;
    uint64_t version;

    if (value_size > UINT32_MAX) {
        return wrong_line(input, complaint);
    }
    if (input.size < line_size + value_size + end_size) {
        return BENCH_REPLAY_MORE;
    }
    verdict = bench_value_check(BENCH_SPACE_VALUES, request->number,
                                request->is_sized ? (uint32_t)value_size : request->value_size,
                                value, &version);
    if (verdict != BENCH_VALUE_RIGHT) {
        (void)snprintf(complaint, BENCH_REPLAY_ANSWER_ERROR_MAX, "its value %s",
                       bench_value_verdict_text(verdict));
        return BENCH_REPLAY_WRONG;
    }
    if (memcmp(value.data + value_size, end, end_size) != 0) {
        (void)snprintf(complaint, BENCH_REPLAY_ANSWER_ERROR_MAX, "its value does not end in time");
        return BENCH_REPLAY_WRONG;
    }
    *ret_consumed = line_size + value_size + end_size;
    *ret_size = value_size;
    return BENCH_REPLAY_HIT;
}

static bool is_store(const struct bench_source_request *request)
{
    return request->op != BENCH_TRACE_READ && request->op != BENCH_TRACE_DELETE;
}

static enum bench_replay_answer text_status(const struct bench_source_request *request,
                                            struct base_slice input,
                                            const struct proto_answer *answer, char *complaint)
{
    if (answer->kind == PROTO_ANSWER_ERROR && is_store(request)) {
        (void)wrong_line(input, complaint);
        return BENCH_REPLAY_REFUSED;
    }
    if (answer->kind == PROTO_ANSWER_END && request->op == BENCH_TRACE_READ) {
        return BENCH_REPLAY_MISS;
    }
    if (answer->kind != PROTO_ANSWER_STATUS) {
        return wrong_line(input, complaint);
    }
    if (is_store(request) && answer->status == PROTO_STATUS_STORED) {
        return BENCH_REPLAY_DONE;
    }
    if (is_store(request) && answer->status == PROTO_STATUS_NOT_STORED) {
        return BENCH_REPLAY_NOT;
    }
    if (request->op == BENCH_TRACE_DELETE && answer->status == PROTO_STATUS_DELETED) {
        return BENCH_REPLAY_DONE;
    }
    if (request->op == BENCH_TRACE_DELETE && answer->status == PROTO_STATUS_MISS) {
        return BENCH_REPLAY_MISS;
    }
    return wrong_line(input, complaint);
}

static enum bench_replay_answer read_text(const struct bench_source_request *request,
                                          struct base_slice input, size_t *ret_consumed,
                                          uint64_t *ret_size, char *complaint)
{
    const struct base_slice key = {request->key, request->key_size};
    struct proto_answer answer;
    size_t line_size = 0;
    const enum proto_parse parsed = proto_text_parse_answer(input, &answer, &line_size);

    if (parsed == PROTO_MORE) {
        return BENCH_REPLAY_MORE;
    }
    if (parsed != PROTO_DONE) {
        return wrong_line(input, complaint);
    }
    if (answer.kind == PROTO_ANSWER_VALUE) {
        if (request->op != BENCH_TRACE_READ || !base_slice_equal(answer.key, key)) {
            return wrong_line(input, complaint);
        }
        return read_value(request, input, line_size, answer.value_size, "\r\nEND\r\n", ret_consumed,
                          ret_size, complaint);
    }
    *ret_consumed = line_size;
    *ret_size = 0;
    return text_status(request, input, &answer, complaint);
}

static bool has_code(const struct proto_meta_answer *answer, const char *code)
{
    return answer->code[0] == code[0] && answer->code[1] == code[1];
}

static enum bench_replay_answer read_meta(const struct bench_source_request *request,
                                          struct base_slice input, size_t *ret_consumed,
                                          uint64_t *ret_size, char *complaint)
{
    struct proto_meta_answer answer;
    size_t line_size = 0;
    const enum proto_parse parsed = proto_meta_parse_answer(input, &answer, &line_size);

    if (parsed == PROTO_MORE) {
        return BENCH_REPLAY_MORE;
    }
    if (parsed != PROTO_DONE) {
        return wrong_line(input, complaint);
    }
    *ret_consumed = line_size;
    *ret_size = 0;
    if (answer.is_error) {
        (void)wrong_line(input, complaint);
        return is_store(request) ? BENCH_REPLAY_REFUSED : BENCH_REPLAY_WRONG;
    }
    if (request->op == BENCH_TRACE_READ && has_code(&answer, "VA")) {
        return read_value(request, input, line_size, answer.value_size, "\r\n", ret_consumed,
                          ret_size, complaint);
    }
    if (request->op == BENCH_TRACE_READ && has_code(&answer, "EN")) {
        return BENCH_REPLAY_MISS;
    }
    if (request->op != BENCH_TRACE_READ && has_code(&answer, "HD")) {
        return BENCH_REPLAY_DONE;
    }
    if (request->op == BENCH_TRACE_DELETE && has_code(&answer, "NF")) {
        return BENCH_REPLAY_MISS;
    }
    return is_store(request) && has_code(&answer, "NS") ? BENCH_REPLAY_NOT
                                                        : wrong_line(input, complaint);
}

enum bench_replay_answer bench_replay_read(enum bench_protocol protocol,
                                           const struct bench_source_request *request,
                                           struct base_slice input, size_t *ret_consumed,
                                           uint64_t *ret_size,
                                           char complaint[static BENCH_REPLAY_ANSWER_ERROR_MAX])
{
    if (input.size == 0) {
        return BENCH_REPLAY_MORE;
    }
    return protocol == BENCH_META ? read_meta(request, input, ret_consumed, ret_size, complaint)
                                  : read_text(request, input, ret_consumed, ret_size, complaint);
}
