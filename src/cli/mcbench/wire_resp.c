/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Redis's protocol (RESP 2), for a peer that is asked for often: GET, MGET, SET, DEL, INCR.
 *
 *     GET key                  $100\r\n<value>\r\n, or $-1\r\n
 *     MGET key key ...         *N\r\n and N of those
 *     SET key value [EX ttl]   +OK\r\n
 *     DEL key                  :1\r\n or :0\r\n
 *     INCR key                 :<number>\r\n
 *
 * Requests are arrays of strings, as redis's own clients send them. There are neither client flags nor quiet requests, and no
 * answer has its key: that it is the right one is said by the value alone.
 */
#include "base/check.h"
#include "base/num.h"
#include "cli/mcbench/wire_parts.h"

enum {
    STRING_MAX = 1 + BASE_NUM_TEXT_MAX + 2, /* "$SIZE\r\n" */
    /* Array, SET, key, value's size, EX, seconds: each with its size and its end, but the value. */
    SET_HEAD_MAX = 7 * STRING_MAX + 3 + BENCH_KEY_SIZE_MAX + 2 + BASE_NUM_TEXT_MAX + 8,
    KEY_MAX = STRING_MAX + BENCH_KEY_SIZE_MAX + 2,
};

/* ---- requests ---- */

static size_t request_size_max(const struct bench_work *work)
{
    const size_t set = SET_HEAD_MAX + bench_wire_value_size_max(work);
    const size_t get = 2 * STRING_MAX + 6 + (size_t)work->keys_per_get_max * KEY_MAX;

    return (set > get ? set : get) + BENCH_WIRE_SLACK;
}

/* "*3\r\n" or "$3\r\n" */
static char *put_size(char kind, uint64_t size, char *out)
{
    *out++ = kind;
    out += base_num_write_u64(out, size);
    return bench_wire_put(out, BASE_SLICE("\r\n"));
}

static char *put_key(const struct bench_work *work, const struct bench_request *request,
                     uint32_t index, char *out)
{
    char key[BENCH_KEY_SIZE_MAX + BENCH_WIRE_SLACK];
    const uint32_t size =
        bench_keys_write(work, request->space, bench_wire_number(request, index), key);

    out = put_size('$', size, out);
    out = bench_wire_put(out, (struct base_slice){key, size});
    return bench_wire_put(out, BASE_SLICE("\r\n"));
}

static char *put_get(const struct bench_work *work, const struct bench_request *request, char *out)
{
    if (request->key_count == 1) {
        out = bench_wire_put(out, BASE_SLICE("*2\r\n$3\r\nGET\r\n"));
        return put_key(work, request, 0, out);
    }
    out = put_size('*', (uint64_t)request->key_count + 1, out);
    out = bench_wire_put(out, BASE_SLICE("$4\r\nMGET\r\n"));
    for (uint32_t i = 0; i < request->key_count; i++) {
        out = put_key(work, request, i, out);
    }
    return out;
}

static char *put_set(const struct bench_work *work, const struct bench_request *request, char *out)
{
    const uint32_t size = bench_wire_set_size(work, request);
    char ttl[BASE_NUM_TEXT_MAX];

    out = put_size('*', request->ttl_s != 0 ? 5 : 3, out);
    out = bench_wire_put(out, BASE_SLICE("$3\r\nSET\r\n"));
    out = put_key(work, request, 0, out);
    out = put_size('$', size, out);
    out = bench_wire_put_value(request, size, out);
    if (request->ttl_s != 0) {
        const size_t ttl_size = base_num_write_u64(ttl, request->ttl_s);

        out = bench_wire_put(out, BASE_SLICE("$2\r\nEX\r\n"));
        out = put_size('$', ttl_size, out);
        out = bench_wire_put(out, (struct base_slice){ttl, ttl_size});
        out = bench_wire_put(out, BASE_SLICE("\r\n"));
    }
    return out;
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
        end = bench_wire_put(out, BASE_SLICE("*2\r\n$3\r\nDEL\r\n"));
        end = put_key(work, request, 0, end);
        break;
    case BENCH_INCR:
        end = bench_wire_put(out, BASE_SLICE("*2\r\n$4\r\nINCR\r\n"));
        end = put_key(work, request, 0, end);
        break;
    case BENCH_VERB_COUNT:
        NEVER("a request has a verb");
    }
    return (size_t)(end - out);
}

/* ---- answers ---- */

/* Is what is there the beginning of these bytes? Then the rest may still come. */
static bool is_begun(struct base_slice input, struct base_slice bytes)
{
    return input.size < bytes.size && memcmp(input.data, bytes.data, input.size) == 0;
}

static bool take(struct base_slice bytes, struct base_slice *input)
{
    if (!bench_wire_begins_with(*input, bytes)) {
        return false;
    }
    bench_wire_skip(input, bytes.size);
    return true;
}

/* Errors of a server that has no memory left, or that has something else to do just now. */
static bool is_refusal(struct base_slice input)
{
    return bench_wire_begins_with(input, BASE_SLICE("-OOM ")) ||
           bench_wire_begins_with(input, BASE_SLICE("-BUSY ")) ||
           bench_wire_begins_with(input, BASE_SLICE("-LOADING "));
}

/* An answer that is not the one expected: REFUSED, MORE as long as its line has no end, or WRONG. */
static enum bench_answer explain(const struct bench_work *work, const struct bench_request *request,
                                 const char *expected, struct base_slice *input,
                                 struct bench_outcome *outcome)
{
    const char *end = input->size == 0 ? NULL : memchr(input->data, '\n', input->size);

    if (end == NULL && input->size < BENCH_WIRE_ERROR_MAX && !bench_wire_is_broken_line(*input)) {
        return BENCH_ANSWER_MORE;
    }
    (void)bench_wire_complain(work, request, expected, *input, outcome);
    if (end != NULL && is_refusal(*input)) {
        bench_wire_skip(input, (size_t)(end - input->data) + 1);
        return BENCH_ANSWER_REFUSED;
    }
    return BENCH_ANSWER_WRONG;
}

/* One key's value, or that there is none; `head` has to come before it, and is done with when that is. */
static enum bench_answer read_value(const struct bench_work *work, struct bench_request *request,
                                    struct base_slice head, struct base_slice *input,
                                    struct bench_outcome *outcome)
{
    const uint64_t number = bench_wire_number(request, request->answered_count);
    const uint32_t value_size = bench_keys_value_size(work, number);
    char miss[2 * STRING_MAX];
    char hit[2 * STRING_MAX];
    const char *miss_end = bench_wire_put(bench_wire_put(miss, head), BASE_SLICE("$-1\r\n"));
    const char *hit_end = put_size('$', value_size, bench_wire_put(hit, head));
    const struct base_slice miss_line = {miss, (size_t)(miss_end - miss)};
    const struct base_slice hit_line = {hit, (size_t)(hit_end - hit)};
    struct base_slice block = *input;

    if (!take(hit_line, &block)) {
        if (take(miss_line, input)) {
            bench_wire_miss(request, outcome);
            return BENCH_ANSWER_DONE;
        }
        return is_begun(*input, hit_line) || is_begun(*input, miss_line)
                   ? BENCH_ANSWER_MORE
                   : explain(work, request, "its value, of the right size", input, outcome);
    }
    if (block.size < (size_t)value_size + 2) {
        return BENCH_ANSWER_MORE;
    }
    if (memcmp(block.data + value_size, "\r\n", 2) != 0 ||
        !bench_wire_is_value(work, request->space, number, block.data, value_size)) {
        return bench_wire_explain_block(work, request, value_size, block, outcome);
    }
    bench_wire_skip(input, hit_line.size + value_size + 2);
    bench_wire_hit(request, value_size, outcome);
    return BENCH_ANSWER_DONE;
}

static enum bench_answer read_get(const struct bench_work *work, struct bench_request *request,
                                  struct base_slice *input, struct bench_outcome *outcome)
{
    char array[STRING_MAX];
    const size_t array_size =
        request->key_count == 1 ? 0 : (size_t)(put_size('*', request->key_count, array) - array);

    while (request->answered_count < request->key_count) {
        const struct base_slice head = {array, request->answered_count == 0 ? array_size : 0};
        const enum bench_answer answer = read_value(work, request, head, input, outcome);

        if (answer != BENCH_ANSWER_DONE) {
            return answer;
        }
    }
    return BENCH_ANSWER_DONE;
}

static enum bench_answer read_counter(const struct bench_work *work, struct bench_request *request,
                                      struct base_slice *input, struct bench_outcome *outcome)
{
    const uint32_t digit_count = bench_wire_set_size(work, request);
    const struct base_slice digits = {input->data + 1, digit_count};

    if (input->size >= digit_count + 3 && input->data[0] == ':' &&
        memcmp(digits.data + digit_count, "\r\n", 2) == 0 &&
        bench_wire_counter_is_right(request->numbers[0], digits)) {
        bench_wire_skip(input, digit_count + 3);
        outcome->hits++;
        return BENCH_ANSWER_DONE;
    }
    return explain(work, request, "a number of this counter", input, outcome);
}

static enum bench_answer read_answer(const struct bench_work *work, struct bench_request *request,
                                     struct base_slice input, size_t *ret_consumed,
                                     struct bench_outcome *outcome)
{
    struct base_slice rest = input;
    enum bench_answer answer = BENCH_ANSWER_DONE;

    switch (request->verb) {
    case BENCH_GET:
        answer = read_get(work, request, &rest, outcome);
        break;
    case BENCH_SET:
        answer = take(BASE_SLICE("+OK\r\n"), &rest) ? BENCH_ANSWER_DONE
                                                    : explain(work, request, "+OK", &rest, outcome);
        break;
    case BENCH_DELETE:
        answer = take(BASE_SLICE(":1\r\n"), &rest) || take(BASE_SLICE(":0\r\n"), &rest)
                     ? BENCH_ANSWER_DONE
                     : explain(work, request, ":1 or :0", &rest, outcome);
        break;
    case BENCH_INCR:
        answer = read_counter(work, request, &rest, outcome);
        break;
    case BENCH_VERB_COUNT:
        NEVER("a request has a verb");
    }
    *ret_consumed = input.size - rest.size;
    return answer;
}

const struct bench_wire BENCH_WIRE_RESP = {
    .name = "resp",
    .request_size_max = request_size_max,
    .write = write_request,
    .read = read_answer,
};
