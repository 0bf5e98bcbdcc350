/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text protocol: get, set, delete, incr.
 *
 * An answer is first compared with the one bytes that are right. Whatever is otherwise (a miss, an answer that is not all there, a
 * wrong one) is left to the parser of src/proto, slowly and with words.
 */
#include "base/check.h"
#include "base/num.h"
#include "cli/mcbench/value.h"
#include "cli/mcbench/wire_parts.h"
#include "proto/text.h"

#define END "END\r\n"

enum {
    END_SIZE = sizeof END - 1, /* bytes */
    /* "set " " F " "TTL " "SIZE" " noreply\r\n" */
    SET_LINE_MAX = 4 + BENCH_KEY_SIZE_MAX + 3 + 11 + 10 + 10,
    /* "VALUE " " F " "SIZE" "\r\n" */
    VALUE_LINE_MAX = 6 + BENCH_KEY_SIZE_MAX + 3 + 10 + 2,
};

/* ---- requests ---- */

static size_t request_size_max(const struct bench_work *work)
{
    const size_t set = SET_LINE_MAX + bench_wire_value_size_max(work);
    const size_t get = 3 + (size_t)work->keys_per_get_max * (BENCH_KEY_SIZE_MAX + 1) + 2;

    return (set > get ? set : get) + BENCH_WIRE_SLACK;
}

static char *put_key(const struct bench_work *work, const struct bench_request *request,
                     uint32_t index, char *out)
{
    return bench_key_put(work, request->space, bench_wire_number(request, index), out);
}

static char *put_get(const struct bench_work *work, const struct bench_request *request, char *out)
{
    out = bench_wire_put(out, BASE_SLICE("get"));
    for (uint32_t i = 0; i < request->key_count; i++) {
        *out++ = ' ';
        out = put_key(work, request, i, out);
    }
    return bench_wire_put(out, BASE_SLICE("\r\n"));
}

static char *put_set(const struct bench_work *work, const struct bench_request *request, char *out)
{
    const uint32_t size = bench_wire_set_size(work, request);

    out = bench_wire_put(out, BASE_SLICE("set "));
    out = put_key(work, request, 0, out);
    *out++ = ' ';
    *out++ = bench_wire_flags_digit(request->numbers[0]);
    *out++ = ' ';
    out += base_num_write_u64(out, request->ttl_s);
    *out++ = ' ';
    out += base_num_write_u64(out, size);
    if (request->quiet) {
        out = bench_wire_put(out, BASE_SLICE(" noreply"));
    }
    out = bench_wire_put(out, BASE_SLICE("\r\n"));
    return bench_wire_put_value(request, size, out);
}

static char *put_delete(const struct bench_work *work, const struct bench_request *request,
                        char *out)
{
    out = bench_wire_put(out, BASE_SLICE("delete "));
    out = put_key(work, request, 0, out);
    if (request->quiet) {
        out = bench_wire_put(out, BASE_SLICE(" noreply"));
    }
    return bench_wire_put(out, BASE_SLICE("\r\n"));
}

static char *put_incr(const struct bench_work *work, const struct bench_request *request, char *out)
{
    out = bench_wire_put(out, BASE_SLICE("incr "));
    out = put_key(work, request, 0, out);
    out = bench_wire_put(out, BASE_SLICE(" 1"));
    if (request->quiet) {
        out = bench_wire_put(out, BASE_SLICE(" noreply"));
    }
    return bench_wire_put(out, BASE_SLICE("\r\n"));
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

/* "VALUE <key> <flags> <size>\r\n" of the key whose turn it is; returns its length. */
static size_t expected_hit(const struct bench_work *work, const struct bench_request *request,
                           uint32_t value_size, char *out)
{
    char *end = bench_wire_put(out, BASE_SLICE("VALUE "));

    end = put_key(work, request, request->answered_count, end);
    *end++ = ' ';
    *end++ = bench_wire_flags_digit(bench_wire_number(request, request->answered_count));
    *end++ = ' ';
    end += base_num_write_u64(end, value_size);
    end = bench_wire_put(end, BASE_SLICE("\r\n"));
    return (size_t)(end - out);
}

/* A VALUE line of a key that was asked for later than the one whose turn it is: the keys between were misses. */
static bool take_misses(const struct bench_work *work, struct bench_request *request,
                        struct base_slice input, struct bench_outcome *outcome)
{
    char key[BENCH_KEY_SIZE_MAX + BENCH_WIRE_SLACK];
    struct proto_answer answer;
    size_t line_size;
    uint32_t index = request->answered_count;
    uint32_t key_size = 0;

    if (!bench_wire_begins_with(input, BASE_SLICE("VALUE ")) ||
        proto_text_parse_answer(input, &answer, &line_size) != PROTO_DONE) {
        return false;
    }
    do {
        index++;
        if (index >= request->key_count) {
            return false;
        }
        key_size = bench_keys_write(work, request->space, bench_wire_number(request, index), key);
    } while (!base_slice_equal(answer.key, (struct base_slice){key, key_size}));
    while (request->answered_count < index) {
        bench_wire_miss(request, outcome);
    }
    return true;
}

/* An answer that is not the one expected: REFUSED, MORE, or WRONG. */
static enum bench_answer explain(const struct bench_work *work, const struct bench_request *request,
                                 const char *expected, struct base_slice *input,
                                 struct bench_outcome *outcome)
{
    struct proto_answer answer;
    size_t line_size;

    if (bench_wire_take_refusal(work, request, expected, input, outcome)) {
        return BENCH_ANSWER_REFUSED;
    }
    if (proto_text_parse_answer(*input, &answer, &line_size) == PROTO_MORE &&
        !bench_wire_is_broken_line(*input)) {
        return BENCH_ANSWER_MORE;
    }
    return bench_wire_complain(work, request, expected, *input, outcome);
}

/* "VALUE " " F " "D" "\r\n": a line that announces less than 10 bytes, without its key. */
enum { VALUE_LINE_REST = 6 + 3 + 1 + 2 };

/*
 * The value of a hit whose key stands before `text`, when all of it is there and what is around it
 * is right; otherwise NULL. text  its first bytes are there, for a size of one digit; the others of a size are
 * never more than the bytes of the value
 */
static BASE_ALWAYS_INLINE const char *match_value(uint64_t number, uint32_t value_size,
                                                  const char *text, const char *end)
{
    if (text[0] != ' ' || text[1] != bench_wire_flags_digit(number) || text[2] != ' ') {
        return NULL;
    }
    text = bench_wire_match_number(value_size, text + 3);
    if (text == NULL || end - text < 2 + (ptrdiff_t)value_size + 2 ||
        memcmp(text, "\r\n", 2) != 0 || memcmp(text + 2 + value_size, "\r\n", 2) != 0) {
        return NULL;
    }
    return text + 2;
}

/* Takes the hit of that key, when all of it is there and every byte is right. */
static bool take_hit(const struct bench_work *work, struct bench_request *request,
                     struct base_slice *input, struct bench_outcome *outcome)
{
    const uint64_t number = bench_wire_number(request, request->answered_count);
    const uint32_t value_size = bench_keys_value_size(work, number);
    const uint32_t key_size = bench_key_size(work, number);
    const char *key = input->data + 6;
    const char *value;

    if (input->size < (size_t)VALUE_LINE_REST + key_size + value_size + 2 ||
        memcmp(input->data, "VALUE ", 6) != 0 ||
        !bench_key_is(request->space, number, key, key_size)) {
        return false;
    }
    value = match_value(number, value_size, key + key_size, input->data + input->size);
    if (value == NULL || !bench_wire_is_value(work, request->space, number, value, value_size)) {
        return false;
    }
    bench_wire_skip(input, (size_t)(value - input->data) + value_size + 2);
    bench_wire_hit(request, value_size, outcome);
    return true;
}

/* An answer that take_hit() did not take. DONE when misses were found out. */
static enum bench_answer explain_value(const struct bench_work *work, struct bench_request *request,
                                       struct base_slice *input, struct bench_outcome *outcome)
{
    const uint64_t number = bench_wire_number(request, request->answered_count);
    const uint32_t value_size = bench_keys_value_size(work, number);
    char line[VALUE_LINE_MAX + BENCH_WIRE_SLACK];
    const size_t line_size = expected_hit(work, request, value_size, line);

    if (bench_wire_begins_with(*input, (struct base_slice){line, line_size})) {
        const struct base_slice block = {input->data + line_size, input->size - line_size};

        return bench_wire_explain_block(work, request, value_size, block, outcome);
    }
    if (take_misses(work, request, *input, outcome)) {
        return BENCH_ANSWER_DONE;
    }
    line[line_size - 2] = '\0';
    return explain(work, request, line, input, outcome);
}

static enum bench_answer read_get(const struct bench_work *work, struct bench_request *request,
                                  struct base_slice *input, struct bench_outcome *outcome)
{
    while (request->answered_count < request->key_count) {
        enum bench_answer answer;

        if (take_hit(work, request, input, outcome)) {
            continue;
        }
        if (bench_wire_begins_with(*input, BASE_SLICE(END))) {
            break;
        }
        answer = explain_value(work, request, input, outcome);
        if (answer != BENCH_ANSWER_DONE) {
            return answer;
        }
    }
    if (!bench_wire_begins_with(*input, BASE_SLICE(END))) {
        return explain(work, request, "END", input, outcome);
    }
    bench_wire_skip(input, END_SIZE);
    while (request->answered_count < request->key_count) {
        bench_wire_miss(request, outcome);
    }
    return BENCH_ANSWER_DONE;
}

static bool take_line(struct base_slice line, struct base_slice *input)
{
    if (!bench_wire_begins_with(*input, line)) {
        return false;
    }
    bench_wire_skip(input, line.size);
    return true;
}

static enum bench_answer read_counter(const struct bench_work *work, struct bench_request *request,
                                      struct base_slice *input, struct bench_outcome *outcome)
{
    const uint32_t digit_count = bench_wire_set_size(work, request);
    const struct base_slice digits = {input->data, digit_count};

    if (take_line(BASE_SLICE("NOT_FOUND\r\n"), input)) {
        bench_wire_miss(request, outcome);
        return BENCH_ANSWER_DONE;
    }
    if (input->size >= digit_count + 2 && memcmp(digits.data + digit_count, "\r\n", 2) == 0 &&
        bench_wire_counter_is_right(request->numbers[0], digits)) {
        bench_wire_skip(input, digit_count + 2);
        outcome->hits++;
        return BENCH_ANSWER_DONE;
    }
    return explain(work, request, "a number of this counter, or NOT_FOUND", input, outcome);
}

static enum bench_answer read_any(const struct bench_work *work, struct bench_request *request,
                                  struct base_slice *input, struct bench_outcome *outcome)
{
    switch (request->verb) {
    case BENCH_GET:
        return read_get(work, request, input, outcome);
    case BENCH_SET:
        return take_line(BASE_SLICE("STORED\r\n"), input)
                   ? BENCH_ANSWER_DONE
                   : explain(work, request, "STORED", input, outcome);
    case BENCH_DELETE:
        return take_line(BASE_SLICE("DELETED\r\n"), input) ||
                       take_line(BASE_SLICE("NOT_FOUND\r\n"), input)
                   ? BENCH_ANSWER_DONE
                   : explain(work, request, "DELETED or NOT_FOUND", input, outcome);
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
    const uint32_t value_size = work->value_sizes.min;

    *ret_form = (struct bench_form){.end = "\r\n" END, .end_size = 2 + END_SIZE};
    ret_form->get_size = (uint32_t)(put_get(work, &get, ret_form->get) - ret_form->get);
    ret_form->get_key = 4 + BENCH_KEY_NAME_SIZE;
    ret_form->hit_size = (uint32_t)expected_hit(work, &get, value_size, ret_form->hit);
    ret_form->hit_key = 6 + BENCH_KEY_NAME_SIZE;
    ret_form->hit_flags = 6 + work->key_sizes.min + 1;
}

const struct bench_wire BENCH_WIRE_TEXT = {
    .name = "text",
    .request_size_max = request_size_max,
    .write = write_request,
    .read = read_answer,
    .form = form,
};
