/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The binary protocol: GET, SET, DELETE, INCREMENT, each with an opaque that says for which key it is.
 *
 *     GET key                              client flags, the value; or "Not found"
 *     GETKQ key, for each of many, NOOP    client flags, key, value of those that are there; NOOP
 *     SET key, flags, time, value          a header
 *     DELETE key                           a header, or "Not found"
 *     INCREMENT key, by 1, not to create   8 bytes, or "Not found"
 *
 * Where sets are quiet all are SETQ, and the one that is not quiet has a NOOP behind it: what comes before the NOOP's answer is about
 * the sets before it. The cas of an answer is the server's own, and is the only thing in it that is not compared.
 */
#include <endian.h>
#include <stdio.h>

#include "base/check.h"
#include "base/num.h"
#include "cli/mcbench/value.h"
#include "cli/mcbench/wire_parts.h"
#include "proto/binary.h"

enum {
    HEADER = PROTO_BINARY_HEADER_SIZE,
    COMPARED = 16, /* bytes of a header: all before the cas */
    FLAGS_SIZE = 4,
    NUMBER_SIZE = 8,
    EXTRAS_MAX = 20,
    ERROR_MAX = 64, /* bytes of the words of an error */
};

/* ---- requests ---- */

static size_t request_size_max(const struct bench_work *work)
{
    const size_t set =
        2 * HEADER + EXTRAS_MAX + BENCH_KEY_SIZE_MAX + bench_wire_value_size_max(work);
    const size_t get = (size_t)work->keys_per_get_max * (HEADER + BENCH_KEY_SIZE_MAX) + HEADER;

    return (set > get ? set : get) + BENCH_WIRE_SLACK;
}

static uint32_t opaque_of(const struct bench_request *request, uint32_t index)
{
    return (uint32_t)bench_wire_number(request, index) * 0x9e3779b1u +
           (uint32_t)request->verb * 0x01000193u + index;
}

static char *put_32(char *out, uint32_t number)
{
    const uint32_t wire = htobe32(number);

    memcpy(out, &wire, sizeof wire);
    return out + sizeof wire;
}

static char *put_64(char *out, uint64_t number)
{
    const uint64_t wire = htobe64(number);

    memcpy(out, &wire, sizeof wire);
    return out + sizeof wire;
}

/* The key is written first, as its size is known then; `extras` is put before it. Returns the end of the key. */
static char *put_head(const struct bench_work *work, const struct bench_request *request,
                      enum proto_binary_opcode opcode, uint32_t index, struct base_slice extras,
                      uint32_t value_size, char *out)
{
    char *key = out + HEADER + extras.size;
    char *end = bench_key_put(work, request->space, bench_wire_number(request, index), key);
    const struct proto_binary_header header = {
        .magic = PROTO_BINARY_REQUEST_MAGIC,
        .opcode = (uint8_t)opcode,
        .key_size = (uint16_t)(end - key),
        .extras_size = (uint8_t)extras.size,
        .body_size = (uint32_t)(extras.size + (size_t)(end - key) + value_size),
        .opaque = opaque_of(request, index),
    };

    (void)proto_binary_put_header(out, &header);
    if (extras.size > 0) {
        memcpy(out + HEADER, extras.data, extras.size);
    }
    return end;
}

/* The packet that closes quiet ones: its opaque is the first key's. */
static char *put_noop(const struct bench_request *request, uint8_t magic, char *out)
{
    return proto_binary_put_header(
        out, &(struct proto_binary_header){
                 .magic = magic, .opcode = PROTO_BINARY_NOOP, .opaque = opaque_of(request, 0)});
}

static char *put_get(const struct bench_work *work, const struct bench_request *request, char *out)
{
    const struct base_slice nothing = {0};

    if (request->key_count == 1) {
        return put_head(work, request, PROTO_BINARY_GET, 0, nothing, 0, out);
    }
    for (uint32_t i = 0; i < request->key_count; i++) {
        out = put_head(work, request, PROTO_BINARY_GETKQ, i, nothing, 0, out);
    }
    return put_noop(request, PROTO_BINARY_REQUEST_MAGIC, out);
}

/* Has this request a batch of quiet ones to close? */
static bool closes_quiet(const struct bench_work *work, const struct bench_request *request)
{
    return work->noreply && request->verb == BENCH_SET && !request->quiet;
}

static enum proto_binary_opcode set_opcode(const struct bench_work *work)
{
    return work->noreply ? PROTO_BINARY_SETQ : PROTO_BINARY_SET;
}

static char *put_set(const struct bench_work *work, const struct bench_request *request, char *out)
{
    const uint32_t size = bench_wire_set_size(work, request);
    char extras[2 * FLAGS_SIZE];

    (void)put_32(put_32(extras, (uint32_t)(bench_wire_flags_digit(request->numbers[0]) - '0')),
                 request->ttl_s);
    out = put_head(work, request, set_opcode(work), 0, (struct base_slice){extras, sizeof extras},
                   size, out);
    out = bench_wire_put_value(request, size, out) - 2; /* without the end of a text's block */
    return closes_quiet(work, request) ? put_noop(request, PROTO_BINARY_REQUEST_MAGIC, out) : out;
}

static char *put_incr(const struct bench_work *work, const struct bench_request *request, char *out)
{
    char extras[EXTRAS_MAX];

    (void)put_32(put_64(put_64(extras, 1), 0), UINT32_MAX); /* all ones: do not create */
    return put_head(work, request, PROTO_BINARY_INCREMENT, 0,
                    (struct base_slice){extras, sizeof extras}, 0, out);
}

static size_t write_request(const struct bench_work *work, const struct bench_request *request,
                            char *out)
{
    char *end = out;

    switch (request->verb) {
    case BENCH_GET:
        end = put_get(work, request, out);
        break;
    case BENCH_SET:
        end = put_set(work, request, out);
        break;
    case BENCH_DELETE:
        end = put_head(work, request, PROTO_BINARY_DELETE, 0, (struct base_slice){0}, 0, out);
        break;
    case BENCH_INCR:
        end = put_incr(work, request, out);
        break;
    case BENCH_VERB_COUNT:
        NEVER("a request has a verb");
    }
    return (size_t)(end - out);
}

/* ---- answers ---- */

/* The header of an answer about one key. */
static struct proto_binary_header answer_header(const struct bench_request *request, uint32_t index,
                                                enum proto_binary_opcode opcode)
{
    return (struct proto_binary_header){
        .magic = PROTO_BINARY_RESPONSE_MAGIC,
        .opcode = (uint8_t)opcode,
        .opaque = opaque_of(request, index),
    };
}

/* Does the input, a header at least, begin with this one, whatever its cas? */
static bool is_header(struct base_slice input, const struct proto_binary_header *header)
{
    char bytes[HEADER];

    (void)proto_binary_put_header(bytes, header);
    return memcmp(input.data, bytes, COMPARED) == 0;
}

/*
 * A packet that is not the one expected: a server without memory says so, everything else is wrong. REFUSED: it is taken off the
 * input, and its words are the complaint. MORE until all of them are there.
 */
BASE_COLD static enum bench_answer explain(const struct bench_work *work,
                                           const struct bench_request *request,
                                           struct proto_binary_header header, const char *expected,
                                           struct base_slice *input, struct bench_outcome *outcome)
{
    const struct proto_binary_header got = proto_binary_read_header(input->data);

    header.status = PROTO_BINARY_STATUS_NO_MEMORY;
    header.key_size = 0;
    header.extras_size = 0;
    header.body_size = got.body_size;
    if (got.body_size == 0 || got.body_size > ERROR_MAX || !is_header(*input, &header)) {
        return bench_wire_complain(work, request, expected, *input, outcome);
    }
    if (input->size < HEADER + got.body_size) {
        return BENCH_ANSWER_MORE;
    }
    bench_wire_skip(input, HEADER);
    (void)bench_wire_complain(work, request, expected,
                              (struct base_slice){input->data, got.body_size}, outcome);
    bench_wire_skip(input, got.body_size);
    return BENCH_ANSWER_REFUSED;
}

/* "Not found", all of it: DONE. MORE when it has only begun; WRONG: it is something else. */
static enum bench_answer take_miss(struct proto_binary_header header, struct base_slice *input)
{
    static const struct base_slice words = {"Not found", 9};

    header.status = PROTO_BINARY_STATUS_NOT_FOUND;
    header.body_size = (uint32_t)words.size;
    if (!is_header(*input, &header)) {
        return BENCH_ANSWER_WRONG;
    }
    if (input->size < HEADER + words.size) {
        return BENCH_ANSWER_MORE;
    }
    if (memcmp(input->data + HEADER, words.data, words.size) != 0) {
        return BENCH_ANSWER_WRONG;
    }
    bench_wire_skip(input, HEADER + words.size);
    return BENCH_ANSWER_DONE;
}

/* The body of a hit whose header was right: flags, key (of GETKQ), value. */
static enum bench_answer read_body(const struct bench_work *work, struct bench_request *request,
                                   struct base_slice before_value, uint32_t value_size,
                                   struct base_slice *input, struct bench_outcome *outcome)
{
    const uint64_t number = bench_wire_number(request, request->answered_count);
    struct base_slice rest = {input->data + HEADER, input->size - HEADER};
    char expected[80];
    uint64_t version;

    if (rest.size < before_value.size + value_size) {
        return BENCH_ANSWER_MORE;
    }
    if (!bench_wire_begins_with(rest, before_value)) {
        return bench_wire_complain(work, request, "its flags and its key", rest, outcome);
    }
    bench_wire_skip(&rest, before_value.size);
    if (BASE_UNLIKELY(!bench_wire_is_value(work, request->space, number, rest.data, value_size))) {
        (void)snprintf(expected, sizeof expected, "its value (this one %s)",
                       bench_value_verdict_text(bench_value_check(
                           request->space, number, value_size,
                           (struct base_slice){rest.data, value_size}, &version)));
        return bench_wire_complain(work, request, expected, rest, outcome);
    }
    bench_wire_skip(&rest, value_size);
    *input = rest;
    bench_wire_hit(request, value_size, outcome);
    return BENCH_ANSWER_DONE;
}

/* A hit of the key whose turn it is, if its header is there. WRONG without a complaint: it is another packet. */
static enum bench_answer read_hit(const struct bench_work *work, struct bench_request *request,
                                  enum proto_binary_opcode opcode, struct base_slice *input,
                                  struct bench_outcome *outcome)
{
    const uint32_t index = request->answered_count;
    const uint64_t number = bench_wire_number(request, index);
    const uint32_t value_size = bench_keys_value_size(work, number);
    struct proto_binary_header header = answer_header(request, index, opcode);
    char before_value[FLAGS_SIZE + BENCH_KEY_SIZE_MAX + BENCH_WIRE_SLACK];
    char *end = put_32(before_value, (uint32_t)(bench_wire_flags_digit(number) - '0'));

    if (opcode == PROTO_BINARY_GETKQ) {
        char *key = end;

        end = bench_key_put(work, request->space, number, key);
        header.key_size = (uint16_t)(end - key);
    }
    const size_t before_size = (size_t)(end - before_value);

    header.extras_size = FLAGS_SIZE;
    header.body_size = (uint32_t)before_size + value_size;
    if (!is_header(*input, &header)) {
        outcome->complaint[0] = '\0';
        return BENCH_ANSWER_WRONG;
    }
    return read_body(work, request, (struct base_slice){before_value, before_size}, value_size,
                     input, outcome);
}

static enum bench_answer read_get(const struct bench_work *work, struct bench_request *request,
                                  struct base_slice *input, struct bench_outcome *outcome)
{
    if (input->size < HEADER) {
        return BENCH_ANSWER_MORE;
    }
    enum bench_answer answer = read_hit(work, request, PROTO_BINARY_GET, input, outcome);

    if (BASE_LIKELY(answer != BENCH_ANSWER_WRONG) || outcome->complaint[0] != '\0') {
        return answer;
    }
    const struct proto_binary_header header = answer_header(request, 0, PROTO_BINARY_GET);

    answer = take_miss(header, input);
    if (answer == BENCH_ANSWER_DONE) {
        bench_wire_miss(request, outcome);
    }
    return answer == BENCH_ANSWER_WRONG
               ? explain(work, request, header, "a value of its size, or Not found", input, outcome)
               : answer;
}

/* The answer to the NOOP behind quiet requests. */
static bool take_noop(const struct bench_request *request, struct base_slice *input)
{
    char noop[HEADER];

    (void)put_noop(request, PROTO_BINARY_RESPONSE_MAGIC, noop);
    if (!bench_wire_begins_with(*input, (struct base_slice){noop, HEADER})) {
        return false;
    }
    bench_wire_skip(input, HEADER);
    return true;
}

/* The key that a packet is about, of those whose turn has not passed; key_count: none of them. */
static uint32_t find_key(const struct bench_request *request, struct base_slice input)
{
    const uint32_t opaque = proto_binary_read_header(input.data).opaque;
    uint32_t index = request->answered_count;

    while (index < request->key_count && opaque_of(request, index) != opaque) {
        index++;
    }
    return index;
}

/* Hits come in the order of their keys; those that are passed over are not there. */
static enum bench_answer read_many(const struct bench_work *work, struct bench_request *request,
                                   struct base_slice *input, struct bench_outcome *outcome)
{
    for (;;) {
        if (input->size < HEADER) {
            return BENCH_ANSWER_MORE;
        }
        const bool is_over = take_noop(request, input);
        const uint32_t index = is_over ? request->key_count : find_key(request, *input);

        if (!is_over && index == request->key_count) {
            return bench_wire_complain(work, request, "one of its keys, or NOOP", *input, outcome);
        }
        while (request->answered_count < index) {
            bench_wire_miss(request, outcome);
        }
        if (is_over) {
            /* A refusal is neither. */
            return outcome->hits + outcome->misses == request->key_count ? BENCH_ANSWER_DONE
                                                                         : BENCH_ANSWER_REFUSED;
        }
        enum bench_answer answer = read_hit(work, request, PROTO_BINARY_GETKQ, input, outcome);

        if (answer == BENCH_ANSWER_WRONG && outcome->complaint[0] == '\0') {
            answer = explain(work, request, answer_header(request, index, PROTO_BINARY_GETKQ),
                             "a hit of this key", input, outcome);
            if (answer == BENCH_ANSWER_REFUSED) {
                request->answered_count++;
            }
        }
        if (answer != BENCH_ANSWER_DONE && answer != BENCH_ANSWER_REFUSED) {
            return answer;
        }
    }
}

/* An answer that is a header or, where it may be, "Not found". */
static enum bench_answer read_status(const struct bench_work *work,
                                     const struct bench_request *request,
                                     enum proto_binary_opcode opcode, bool may_miss,
                                     struct base_slice *input, struct bench_outcome *outcome)
{
    const struct proto_binary_header header = answer_header(request, 0, opcode);
    enum bench_answer answer = BENCH_ANSWER_WRONG;

    if (input->size < HEADER) {
        return BENCH_ANSWER_MORE;
    }
    if (is_header(*input, &header)) {
        bench_wire_skip(input, HEADER);
        return BENCH_ANSWER_DONE;
    }
    if (may_miss) {
        answer = take_miss(header, input);
    }
    return answer == BENCH_ANSWER_WRONG
               ? explain(work, request, header, may_miss ? "done, or Not found" : "done", input,
                         outcome)
               : answer;
}

/* What comes before the NOOP is about the quiet sets before; answered_count remembers that some were refused. */
static enum bench_answer read_closing(const struct bench_work *work, struct bench_request *request,
                                      struct base_slice *input, struct bench_outcome *outcome)
{
    for (;;) {
        if (input->size < HEADER) {
            return BENCH_ANSWER_MORE;
        }
        if (take_noop(request, input)) {
            return request->answered_count == 0 ? BENCH_ANSWER_DONE : BENCH_ANSWER_REFUSED;
        }
        struct proto_binary_header header = answer_header(request, 0, PROTO_BINARY_SETQ);

        header.opaque = proto_binary_read_header(input->data).opaque; /* any set's */
        const enum bench_answer answer = explain(work, request, header, "NOOP", input, outcome);

        if (answer != BENCH_ANSWER_REFUSED) {
            return answer;
        }
        request->answered_count = 1;
    }
}

static enum bench_answer read_counter(const struct bench_work *work, struct bench_request *request,
                                      struct base_slice *input, struct bench_outcome *outcome)
{
    struct proto_binary_header header = answer_header(request, 0, PROTO_BINARY_INCREMENT);
    char digits[BASE_NUM_TEXT_MAX];
    uint64_t number;

    if (input->size < HEADER) {
        return BENCH_ANSWER_MORE;
    }
    header.body_size = NUMBER_SIZE;
    if (!is_header(*input, &header)) {
        header.body_size = 0;
        const enum bench_answer answer = take_miss(header, input);

        if (answer == BENCH_ANSWER_DONE) {
            bench_wire_miss(request, outcome);
        }
        return answer == BENCH_ANSWER_WRONG
                   ? explain(work, request, header, "a number, or Not found", input, outcome)
                   : answer;
    }
    if (input->size < HEADER + NUMBER_SIZE) {
        return BENCH_ANSWER_MORE;
    }
    bench_wire_skip(input, HEADER);
    memcpy(&number, input->data, sizeof number);
    const size_t digit_count = base_num_write_u64(digits, be64toh(number));

    if (!bench_wire_counter_is_right(request->numbers[0],
                                     (struct base_slice){digits, digit_count})) {
        return bench_wire_complain(work, request, "a number of this counter", *input, outcome);
    }
    bench_wire_skip(input, NUMBER_SIZE);
    outcome->hits++;
    return BENCH_ANSWER_DONE;
}

static enum bench_answer read_any(const struct bench_work *work, struct bench_request *request,
                                  struct base_slice *input, struct bench_outcome *outcome)
{
    switch (request->verb) {
    case BENCH_GET:
        return request->key_count == 1 ? read_get(work, request, input, outcome)
                                       : read_many(work, request, input, outcome);
    case BENCH_SET:
        return closes_quiet(work, request)
                   ? read_closing(work, request, input, outcome)
                   : read_status(work, request, PROTO_BINARY_SET, false, input, outcome);
    case BENCH_DELETE:
        return read_status(work, request, PROTO_BINARY_DELETE, true, input, outcome);
    case BENCH_INCR:
        return read_counter(work, request, input, outcome);
    case BENCH_VERB_COUNT:
        break;
    }
    NEVER("a request has a verb");
}

static enum bench_answer read_answer(const struct bench_work *work, struct bench_request *request,
                                     struct base_slice input, size_t *ret_consumed,
                                     struct bench_outcome *outcome)
{
    struct base_slice rest = input;
    enum bench_answer answer = BENCH_ANSWER_DONE;

    if (!request->quiet) {
        answer = read_any(work, request, &rest, outcome);
    }
    *ret_consumed = input.size - rest.size;
    return answer;
}

const struct bench_wire BENCH_WIRE_BINARY = {
    .name = "binary",
    .request_size_max = request_size_max,
    .write = write_request,
    .read = read_answer,
};
