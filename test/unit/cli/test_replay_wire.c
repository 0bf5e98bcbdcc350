/* SPDX-License-Identifier: BSD-3-Clause */
/* A replay's requests as bytes, and every answer there is to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/mcbench/replay_wire.h"
#include "cli/mcbench/value.h"

static struct bench_source_request request_of(enum bench_trace_op op, uint32_t value_size)
{
    struct bench_source_request request = {
        .number = 7, .key_size = 3, .value_size = value_size, .op = op};

    memcpy(request.key, "key", 3);
    return request;
}

static void expect_line(enum bench_protocol protocol, const struct bench_source_request *request,
                        const char *line)
{
    char out[BENCH_REPLAY_LINE_MAX + 100];
    char value[100];
    const size_t size = bench_replay_write(protocol, request, out);
    const size_t line_size = strlen(line);
    const bool has_value = request->op != BENCH_TRACE_READ && request->op != BENCH_TRACE_DELETE;

    assert_int_equal(size, line_size + (has_value ? request->value_size + 2 : 0));
    assert_memory_equal(out, line, line_size);
    if (has_value) {
        bench_value_write(BENCH_SPACE_VALUES, request->number, 0, value, request->value_size);
        assert_memory_equal(out + line_size, value, request->value_size);
        assert_memory_equal(out + size - 2, "\r\n", 2);
    }
}

static void test_requests(void **state)
{
    struct bench_source_request request = request_of(BENCH_TRACE_READ, 30);

    (void)state;
    expect_line(BENCH_TEXT, &request, "get key\r\n");
    expect_line(BENCH_META, &request, "mg key v\r\n");
    request.op = BENCH_TRACE_DELETE;
    expect_line(BENCH_TEXT, &request, "delete key\r\n");
    expect_line(BENCH_META, &request, "md key\r\n");
    request.op = BENCH_TRACE_WRITE;
    expect_line(BENCH_TEXT, &request, "set key 0 0 30\r\n");
    expect_line(BENCH_META, &request, "ms key 30\r\n");
    request.op = BENCH_TRACE_ADD;
    request.ttl_s = 60;
    expect_line(BENCH_TEXT, &request, "add key 0 60 30\r\n");
    expect_line(BENCH_META, &request, "ms key 30 T60 ME\r\n");
    request.op = BENCH_TRACE_CHANGE;
    request.ttl_s = 40000000; /* longer than a server takes for a span */
    expect_line(BENCH_TEXT, &request, "replace key 0 2592000 30\r\n");
    expect_line(BENCH_META, &request, "ms key 30 T2592000 MR\r\n");
}

/* Every cut of the answer is MORE; the whole is `answer`, with bytes of the next behind it or not. */
static void expect_answer(enum bench_protocol protocol, const struct bench_source_request *request,
                          struct base_slice bytes, enum bench_replay_answer answer)
{
    char input[300];
    char complaint[BENCH_REPLAY_ANSWER_ERROR_MAX] = "";
    size_t consumed = 0;
    uint64_t size = 99;

    memcpy(input, bytes.data, bytes.size);
    memcpy(input + bytes.size, "NEXT", 4);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        assert_int_equal(bench_replay_read(protocol, request, (struct base_slice){input, cut},
                                           &consumed, &size, complaint),
                         BENCH_REPLAY_MORE);
    }
    for (size_t behind = 0; behind <= 4; behind += 4) {
        assert_int_equal(bench_replay_read(protocol, request,
                                           (struct base_slice){input, bytes.size + behind},
                                           &consumed, &size, complaint),
                         answer);
        assert_int_equal(consumed, bytes.size);
        assert_int_equal(size, answer == BENCH_REPLAY_HIT ? request->value_size : 0);
    }
}

static struct base_slice slice(const char *text)
{
    return (struct base_slice){text, strlen(text)};
}

static void test_lines_that_answer(void **state)
{
    static const struct {
        enum bench_protocol protocol;
        enum bench_trace_op op;
        const char *line;
        enum bench_replay_answer answer;
    } rows[] = {
        {BENCH_TEXT, BENCH_TRACE_READ, "END\r\n", BENCH_REPLAY_MISS},
        {BENCH_TEXT, BENCH_TRACE_WRITE, "STORED\r\n", BENCH_REPLAY_DONE},
        {BENCH_TEXT, BENCH_TRACE_ADD, "NOT_STORED\r\n", BENCH_REPLAY_NOT},
        {BENCH_TEXT, BENCH_TRACE_WRITE, "SERVER_ERROR out of memory storing object\r\n",
         BENCH_REPLAY_REFUSED},
        {BENCH_TEXT, BENCH_TRACE_DELETE, "DELETED\r\n", BENCH_REPLAY_DONE},
        {BENCH_TEXT, BENCH_TRACE_DELETE, "NOT_FOUND\r\n", BENCH_REPLAY_MISS},
        {BENCH_META, BENCH_TRACE_READ, "EN\r\n", BENCH_REPLAY_MISS},
        {BENCH_META, BENCH_TRACE_WRITE, "HD\r\n", BENCH_REPLAY_DONE},
        {BENCH_META, BENCH_TRACE_CHANGE, "NS\r\n", BENCH_REPLAY_NOT},
        {BENCH_META, BENCH_TRACE_DELETE, "HD\r\n", BENCH_REPLAY_DONE},
        {BENCH_META, BENCH_TRACE_DELETE, "NF\r\n", BENCH_REPLAY_MISS},
        {BENCH_META, BENCH_TRACE_WRITE, "SERVER_ERROR out of memory storing object\r\n",
         BENCH_REPLAY_REFUSED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct bench_source_request request = request_of(rows[i].op, 30);

        expect_answer(rows[i].protocol, &request, slice(rows[i].line), rows[i].answer);
    }
}

static size_t hit(enum bench_protocol protocol, const struct bench_source_request *request,
                  char *out)
{
    size_t size =
        (size_t)(protocol == BENCH_META ? sprintf(out, "VA %u\r\n", request->value_size)
                                        : sprintf(out, "VALUE key 0 %u\r\n", request->value_size));

    bench_value_write(BENCH_SPACE_VALUES, request->number, 0, out + size, request->value_size);
    size += request->value_size;
    return size +
           (size_t)sprintf(out + size, "%s", protocol == BENCH_META ? "\r\n" : "\r\nEND\r\n");
}

static void test_hits_are_verified(void **state)
{
    (void)state;
    for (uint32_t protocol = BENCH_TEXT; protocol <= BENCH_META; protocol++) {
        for (uint32_t value_size = 0; value_size <= 60; value_size += 15) {
            struct bench_source_request request = request_of(BENCH_TRACE_READ, value_size);
            char bytes[200];
            char complaint[BENCH_REPLAY_ANSWER_ERROR_MAX];
            size_t consumed;
            uint64_t ret_size;
            struct base_slice input = {bytes, hit((enum bench_protocol)protocol, &request, bytes)};

            expect_answer((enum bench_protocol)protocol, &request, input, BENCH_REPLAY_HIT);
            if (value_size == 0) {
                continue;
            }
            /* Another size than expected; unless the trace has its own, then the value tells. */
            request.value_size++;
            assert_int_equal(bench_replay_read((enum bench_protocol)protocol, &request, input,
                                               &consumed, &ret_size, complaint),
                             BENCH_REPLAY_WRONG);
            request.is_sized = true;
            assert_int_equal(bench_replay_read((enum bench_protocol)protocol, &request, input,
                                               &consumed, &ret_size, complaint),
                             BENCH_REPLAY_HIT);
            assert_int_equal(ret_size, value_size);
            /* Another key's value, and one wrong byte. */
            request.number++;
            assert_int_equal(bench_replay_read((enum bench_protocol)protocol, &request, input,
                                               &consumed, &ret_size, complaint),
                             BENCH_REPLAY_WRONG);
            request.number--;
            bytes[input.size - (protocol == BENCH_META ? 3 : 8)] ^= 1;
            assert_int_equal(bench_replay_read((enum bench_protocol)protocol, &request, input,
                                               &consumed, &ret_size, complaint),
                             BENCH_REPLAY_WRONG);
        }
    }
}

static void test_answers_to_something_else_are_wrong(void **state)
{
    static const struct {
        enum bench_protocol protocol;
        enum bench_trace_op op;
        const char *line;
    } rows[] = {
        {BENCH_TEXT, BENCH_TRACE_READ, "STORED\r\n"},
        {BENCH_TEXT, BENCH_TRACE_READ, "VALUE kez 0 1\r\nx\r\nEND\r\n"},
        {BENCH_TEXT, BENCH_TRACE_READ, "SERVER_ERROR no\r\n"},
        {BENCH_TEXT, BENCH_TRACE_WRITE, "END\r\n"},
        {BENCH_TEXT, BENCH_TRACE_WRITE, "DELETED\r\n"},
        {BENCH_TEXT, BENCH_TRACE_WRITE, "VALUE key 0 1\r\nx\r\nEND\r\n"},
        {BENCH_TEXT, BENCH_TRACE_DELETE, "STORED\r\n"},
        {BENCH_META, BENCH_TRACE_READ, "HD\r\n"},
        {BENCH_META, BENCH_TRACE_WRITE, "EN\r\n"},
        {BENCH_META, BENCH_TRACE_DELETE, "NS\r\n"},
        {BENCH_META, BENCH_TRACE_READ, "CLIENT_ERROR bad\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct bench_source_request request = request_of(rows[i].op, 1);
        char complaint[BENCH_REPLAY_ANSWER_ERROR_MAX] = "";
        size_t consumed;
        uint64_t size;

        assert_int_equal(bench_replay_read(rows[i].protocol, &request, slice(rows[i].line),
                                           &consumed, &size, complaint),
                         BENCH_REPLAY_WRONG);
        assert_true(strlen(complaint) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_lines_that_answer),
        cmocka_unit_test(test_hits_are_verified),
        cmocka_unit_test(test_answers_to_something_else_are_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
