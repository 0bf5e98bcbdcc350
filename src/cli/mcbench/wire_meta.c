/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The meta protocol: mg, ms, md, ma, with every flag that lets an answer be checked: the key (k), the client flags (f), an
 * opaque (O).
 *
 *     mg <key> k f O<opaque> v      VA <size> k<key> f<flags> O<opaque>, the value; or EN k<key> O<opaque>
 *     ms <key> <size> F<flags> T<ttl> k O<opaque>, the value       HD k<key> O<opaque>
 *     md <key> k O<opaque>          HD or NF, k<key> O<opaque>
 *     ma <key> k O<opaque> v        VA <size> k<key> O<opaque>, the number; or NF k<key> O<opaque>
 *
 * A get of many keys is so many mg. Where sets are quiet (q), a set that is not is quiet, too, and has an mn behind it: what comes
 * before its MN is about the quiet ones, so no error line can be taken for the answer to something else.
 *
 * As in wire_text.c an answer is first compared with the one that is right.
 */
#include "base/check.h"
#include "base/num.h"
#include "cli/mcbench/value.h"
#include "cli/mcbench/wire_parts.h"
#include "proto/meta.h"

enum {
    /* "mg " " k f O12345678 v\r\n" */
    GET_LINE_MAX = 3 + BENCH_KEY_SIZE_MAX + 19,
    /* "ms " " SIZE" " F1" " TTTL" " k O12345678" " q" "\r\n" "mn\r\n" */
    SET_LINE_MAX = 3 + BENCH_KEY_SIZE_MAX + 11 + 3 + 12 + 12 + 2 + 2 + 4,
    /* "VA SIZE" " kKEY" " f1" " O12345678" "\r\n" */
    ANSWER_LINE_MAX = 3 + 10 + 2 + BENCH_KEY_SIZE_MAX + 3 + 10 + 2,
};

/* ---- requests ---- */

static size_t request_size_max(const struct bench_work *work)
{
    const size_t set = SET_LINE_MAX + bench_wire_value_size_max(work);
    const size_t get = (size_t)work->keys_per_get_max * GET_LINE_MAX;

    return (set > get ? set : get) + BENCH_WIRE_SLACK;
}

static char *put_opaque(const struct bench_request *request, uint32_t index, char *out)
{
    const uint64_t letters =
        bench_wire_opaque(bench_wire_number(request, index), request->verb, index);

    *out++ = 'O';
    memcpy(out, &letters, sizeof letters);
    return out + sizeof letters;
}

static char *put_key(const struct bench_work *work, const struct bench_request *request,
                     uint32_t index, char *out)
{
    return bench_key_put(work, request->space, bench_wire_number(request, index), out);
}

static char *put_get(const struct bench_work *work, const struct bench_request *request, char *out)
{
    for (uint32_t i = 0; i < request->key_count; i++) {
        out = bench_wire_put(out, BASE_SLICE("mg "));
        out = put_key(work, request, i, out);
        out = bench_wire_put(out, BASE_SLICE(" k f "));
        out = put_opaque(request, i, out);
        out = bench_wire_put(out, BASE_SLICE(" v\r\n"));
    }
    return out;
}

/* Has this request a batch of quiet ones to close? */
static bool closes_quiet(const struct bench_work *work, const struct bench_request *request)
{
    return work->noreply && request->verb == BENCH_SET && !request->quiet;
}

static char *put_set(const struct bench_work *work, const struct bench_request *request, char *out)
{
    const uint32_t size = bench_wire_set_size(work, request);

    out = bench_wire_put(out, BASE_SLICE("ms "));
    out = put_key(work, request, 0, out);
    *out++ = ' ';
    out += base_num_write_u64(out, size);
    out = bench_wire_put(out, BASE_SLICE(" F"));
    *out++ = bench_wire_flags_digit(request->numbers[0]);
    if (request->ttl_s != 0) {
        out = bench_wire_put(out, BASE_SLICE(" T"));
        out += base_num_write_u64(out, request->ttl_s);
    }
    out = bench_wire_put(out, BASE_SLICE(" k "));
    out = put_opaque(request, 0, out);
    if (work->noreply) {
        out = bench_wire_put(out, BASE_SLICE(" q"));
    }
    out = bench_wire_put(out, BASE_SLICE("\r\n"));
    out = bench_wire_put_value(request, size, out);
    return closes_quiet(work, request) ? bench_wire_put(out, BASE_SLICE("mn\r\n")) : out;
}

static char *put_delete(const struct bench_work *work, const struct bench_request *request,
                        char *out)
{
    out = bench_wire_put(out, BASE_SLICE("md "));
    out = put_key(work, request, 0, out);
    out = bench_wire_put(out, BASE_SLICE(" k "));
    out = put_opaque(request, 0, out);
    return bench_wire_put(out, BASE_SLICE("\r\n"));
}

static char *put_incr(const struct bench_work *work, const struct bench_request *request, char *out)
{
    out = bench_wire_put(out, BASE_SLICE("ma "));
    out = put_key(work, request, 0, out);
    out = bench_wire_put(out, BASE_SLICE(" k "));
    out = put_opaque(request, 0, out);
    return bench_wire_put(out, BASE_SLICE(" v\r\n"));
}

static char *(*const PUTS[BENCH_VERB_COUNT])(const struct bench_work *,
                                             const struct bench_request *, char *) = {
    [BENCH_GET] = put_get,
    [BENCH_SET] = put_set,
    [BENCH_DELETE] = put_delete,
    [BENCH_INCR] = put_incr,
};

static size_t write_request(const struct bench_work *work, const struct bench_request *request,
                            char *out)
{
    return (size_t)(PUTS[request->verb](work, request, out) - out);
}

/* ---- answers ---- */

/* "<words> k<key>[ f<flags>] O<opaque>\r\n" of the key whose turn it is; returns its length. */
static size_t expected_line(const struct bench_work *work, const struct bench_request *request,
                            struct base_slice words, bool with_flags, char *out)
{
    const uint32_t index = request->answered_count;
    char *end = bench_wire_put(out, words);

    end = bench_wire_put(end, BASE_SLICE(" k"));
    end = put_key(work, request, index, end);
    if (with_flags) {
        end = bench_wire_put(end, BASE_SLICE(" f"));
        *end++ = bench_wire_flags_digit(bench_wire_number(request, index));
    }
    *end++ = ' ';
    end = put_opaque(request, index, end);
    end = bench_wire_put(end, BASE_SLICE("\r\n"));
    return (size_t)(end - out);
}

/* Takes a line that has to be the code and the echo of the key whose turn it is. */
static bool take_line(const struct bench_work *work, const struct bench_request *request,
                      struct base_slice code, struct base_slice *input)
{
    char line[ANSWER_LINE_MAX + BENCH_WIRE_SLACK];
    size_t size;

    if (!bench_wire_begins_with(*input, code)) {
        return false;
    }
    size = expected_line(work, request, code, false, line);
    if (!bench_wire_begins_with(*input, (struct base_slice){line, size})) {
        return false;
    }
    bench_wire_skip(input, size);
    return true;
}

/* A line that nothing has taken: MORE or WRONG. */
static enum bench_answer explain(const struct bench_work *work, const struct bench_request *request,
                                 const char *expected, struct base_slice input,
                                 struct bench_outcome *outcome)
{
    struct proto_meta_answer answer;
    size_t line_size;

    if (proto_meta_parse_answer(input, &answer, &line_size) == PROTO_MORE &&
        !bench_wire_is_broken_line(input)) {
        return BENCH_ANSWER_MORE;
    }
    return bench_wire_complain(work, request, expected, input, outcome);
}

/* "VA <size>" and the rest of the line of the key whose turn it is; returns its length. */
static size_t expected_hit(const struct bench_work *work, const struct bench_request *request,
                           uint32_t value_size, bool with_flags, char *out)
{
    char words[3 + BASE_NUM_TEXT_MAX] = "VA ";
    const size_t size = 3 + base_num_write_u64(words + 3, value_size);

    return expected_line(work, request, (struct base_slice){words, size}, with_flags, out);
}

static enum bench_answer read_value(const struct bench_work *work, struct bench_request *request,
                                    struct base_slice *input, struct bench_outcome *outcome)
{
    const uint64_t number = bench_wire_number(request, request->answered_count);
    const uint32_t value_size = bench_keys_value_size(work, number);
    char line[ANSWER_LINE_MAX + BENCH_WIRE_SLACK];
    const size_t line_size = expected_hit(work, request, value_size, true, line);
    struct base_slice block;

    if (BASE_LIKELY(bench_wire_begins_with(*input, (struct base_slice){line, line_size}))) {
        block = (struct base_slice){input->data + line_size, input->size - line_size};
        if (BASE_UNLIKELY(
                block.size < (size_t)value_size + 2 ||
                memcmp(block.data + value_size, "\r\n", 2) != 0 ||
                !bench_wire_is_value(work, request->space, number, block.data, value_size))) {
            return bench_wire_explain_block(work, request, value_size, block, outcome);
        }
        bench_wire_skip(input, line_size + value_size + 2);
        bench_wire_hit(request, value_size, outcome);
        return BENCH_ANSWER_DONE;
    }
    if (take_line(work, request, BASE_SLICE("EN"), input)) {
        bench_wire_miss(request, outcome);
        return BENCH_ANSWER_DONE;
    }
    if (bench_wire_take_refusal(work, request, "VA or EN", input, outcome)) {
        request->answered_count++;
        return BENCH_ANSWER_REFUSED;
    }
    line[line_size - 2] = '\0';
    return explain(work, request, line, *input, outcome);
}

static enum bench_answer read_get(const struct bench_work *work, struct bench_request *request,
                                  struct base_slice *input, struct bench_outcome *outcome)
{
    while (request->answered_count < request->key_count) {
        const enum bench_answer answer = read_value(work, request, input, outcome);

        if (answer != BENCH_ANSWER_DONE && answer != BENCH_ANSWER_REFUSED) {
            return answer;
        }
    }
    /* A refusal is neither. */
    return outcome->hits + outcome->misses == request->key_count ? BENCH_ANSWER_DONE
                                                                 : BENCH_ANSWER_REFUSED;
}

/* The answers to a batch of quiet sets; answered_count remembers that some were refused. */
static enum bench_answer read_closing(const struct bench_work *work, struct bench_request *request,
                                      struct base_slice *input, struct bench_outcome *outcome)
{
    while (!bench_wire_begins_with(*input, BASE_SLICE("MN\r\n"))) {
        if (!bench_wire_take_refusal(work, request, "MN", input, outcome)) {
            return explain(work, request, "MN", *input, outcome);
        }
        request->answered_count = 1;
    }
    bench_wire_skip(input, 4);
    return request->answered_count == 0 ? BENCH_ANSWER_DONE : BENCH_ANSWER_REFUSED;
}

/* An answer that is HD or, where it may be, NF. */
static enum bench_answer read_status(const struct bench_work *work, struct bench_request *request,
                                     bool may_miss, struct base_slice *input,
                                     struct bench_outcome *outcome)
{
    const char *expected = may_miss ? "HD or NF, its key, its opaque" : "HD, its key, its opaque";

    if (take_line(work, request, BASE_SLICE("HD"), input) ||
        (may_miss && take_line(work, request, BASE_SLICE("NF"), input))) {
        return BENCH_ANSWER_DONE;
    }
    if (bench_wire_take_refusal(work, request, expected, input, outcome)) {
        return BENCH_ANSWER_REFUSED;
    }
    return explain(work, request, expected, *input, outcome);
}

static enum bench_answer read_counter(const struct bench_work *work, struct bench_request *request,
                                      struct base_slice *input, struct bench_outcome *outcome)
{
    const uint32_t digit_count = bench_wire_set_size(work, request);
    char line[ANSWER_LINE_MAX + BENCH_WIRE_SLACK];
    const size_t line_size = expected_hit(work, request, digit_count, false, line);
    const struct base_slice digits = {input->data + line_size, digit_count};

    if (take_line(work, request, BASE_SLICE("NF"), input)) {
        bench_wire_miss(request, outcome);
        return BENCH_ANSWER_DONE;
    }
    if (bench_wire_take_refusal(work, request, "VA or NF", input, outcome)) {
        return BENCH_ANSWER_REFUSED;
    }
    if (!bench_wire_begins_with(*input, (struct base_slice){line, line_size})) {
        line[line_size - 2] = '\0';
        return explain(work, request, line, *input, outcome);
    }
    if (input->size < line_size + digit_count + 2) {
        return BENCH_ANSWER_MORE;
    }
    bench_wire_skip(input, line_size);
    if (!bench_wire_counter_is_right(request->numbers[0], digits) ||
        memcmp(digits.data + digit_count, "\r\n", 2) != 0) {
        return bench_wire_complain(work, request, "a number of this counter", *input, outcome);
    }
    bench_wire_skip(input, digit_count + 2);
    outcome->hits++;
    return BENCH_ANSWER_DONE;
}

static enum bench_answer read_any(const struct bench_work *work, struct bench_request *request,
                                  struct base_slice *input, struct bench_outcome *outcome)
{
    switch (request->verb) {
    case BENCH_GET:
        return read_get(work, request, input, outcome);
    case BENCH_SET:
        return closes_quiet(work, request) ? read_closing(work, request, input, outcome)
                                           : read_status(work, request, false, input, outcome);
    case BENCH_DELETE:
        return read_status(work, request, true, input, outcome);
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

static void form(const struct bench_work *work, enum bench_space space, struct bench_form *ret_form)
{
    const struct bench_request get = {.verb = BENCH_GET, .space = space, .key_count = 1};
    const uint32_t key_size = work->key_sizes.min;
    const uint32_t value_size = work->value_sizes.min;

    *ret_form = (struct bench_form){.end = "\r\n", .end_size = 2};
    ret_form->get_size = (uint32_t)(put_get(work, &get, ret_form->get) - ret_form->get);
    ret_form->get_key = 3 + BENCH_KEY_NAME_SIZE;
    ret_form->get_opaque = 3 + key_size + 6; /* " k f O" */
    ret_form->hit_size = (uint32_t)expected_hit(work, &get, value_size, true, ret_form->hit);
    ret_form->hit_opaque = ret_form->hit_size - 2 - 8;
    ret_form->hit_flags = ret_form->hit_opaque - 3; /* "1 O" */
    ret_form->hit_key = ret_form->hit_flags - 2 - key_size + BENCH_KEY_NAME_SIZE;
}

const struct bench_wire BENCH_WIRE_META = {
    .name = "meta",
    .request_size_max = request_size_max,
    .write = write_request,
    .read = read_answer,
    .form = form,
};
