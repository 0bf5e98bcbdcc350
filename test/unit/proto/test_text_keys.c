/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines longer than a buffer: `get` goes on in parts, everything else ends the connection.
 */
#include <stdio.h>

#include "show.h"

enum { LINE_SIZE_MAX = 65536, KEYS_MAX = 8192 };

static char line[LINE_SIZE_MAX];
static size_t line_size;

static void line_start(const char *text)
{
    line_size = 0;
    line_size = (size_t)snprintf(line, sizeof(line), "%s", text);
}

static void line_add(const char *text)
{
    line_size += (size_t)snprintf(line + line_size, sizeof(line) - line_size, "%s", text);
    assert_true(line_size < sizeof(line));
}

static void line_add_keys(int count)
{
    char key[24];

    for (int i = 0; i < count; i++) {
        (void)snprintf(key, sizeof(key), " key-%d%s", i, i % 7 == 0 ? " " : "");
        line_add(key);
    }
}

/* What a server that sees `chunk` more bytes at a time makes of the line. */
struct outcome {
    size_t keys;    /* taken, in order */
    size_t errors;  /* answered */
    size_t silent;  /* skipped */
    bool is_closed; /* the line was given up */
    bool is_end;    /* END would have been sent */
    size_t consumed;
};

static void take_part(const struct proto_request *request, struct outcome *outcome)
{
    struct base_slice keys = request->keys;
    struct base_slice key;

    for (bool first = true; proto_text_next_key(&keys, &key); first = false) {
        char expected[24];

        if (first) {
            assert_ptr_equal(key.data, request->key.data);
            assert_int_equal(key.size, request->key.size);
        }
        (void)snprintf(expected, sizeof(expected), "key-%zu", outcome->keys++);
        assert_int_equal(key.size, strlen(expected));
        assert_memory_equal(key.data, expected, key.size);
    }
}

static struct outcome run(size_t chunk)
{
    struct outcome outcome = {0};
    struct proto_request request = {0};
    enum proto_error error = PROTO_ERROR_COUNT;
    uint64_t swallow;
    size_t end = 0;

    while (!outcome.is_end && !outcome.is_closed) {
        const struct base_slice input = {line + outcome.consumed, end - outcome.consumed};
        size_t consumed = 0;
        const enum proto_parse result =
            request.keys_continue ? proto_text_parse_keys(input, &request, &consumed, &error)
                                  : proto_text_parse(input, &request, &consumed, &error, &swallow);

        outcome.consumed += result == PROTO_MORE ? 0 : consumed;
        if (result == PROTO_DONE) {
            assert_int_equal(request.op, PROTO_OP_GET);
            take_part(&request, &outcome);
            outcome.is_end = !request.keys_continue;
        } else if (result == PROTO_BAD) {
            outcome.errors += error == PROTO_ERROR_BAD_FORMAT;
            outcome.silent += error == PROTO_ERROR_NONE;
            outcome.is_closed = !request.keys_continue;
        } else if (result == PROTO_CLOSE) {
            outcome.is_closed = true;
        }
        if (result == PROTO_MORE || (result != PROTO_CLOSE && outcome.consumed == end)) {
            if (end == line_size) {
                break;
            }
            end = end + chunk < line_size ? end + chunk : line_size;
        }
        assert_true(outcome.consumed <= end);
    }
    return outcome;
}

static void long_get_gives_every_key_once(void **state)
{
    static const size_t chunks[] = {1, 2, 3, 7, 100, 251, 1000, 2048, 2049, 5000, 16384, 65536};
    static const char *const starts[] = {"get", "gets", "   get"};
    static const char *const ends[] = {"\r\n", "\n", " \r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct outcome outcome;

        line_start(starts[i % 3]);
        line_add_keys(4000);
        line_add(ends[i % 3]);
        outcome = run(chunks[i]);
        assert_int_equal(outcome.keys, 4000);
        assert_int_equal(outcome.errors + outcome.silent, 0);
        assert_true(outcome.is_end);
        assert_int_equal(outcome.consumed, line_size);
    }
}

static void long_get_refuses_a_long_key_once(void **state)
{
    static const size_t chunks[] = {1, 50, 300, 2049, 5000, 65536};

    (void)state;
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct outcome outcome;

        line_start("get");
        line_add_keys(1000);
        line_add(" " K251);
        line_add_keys(1000);
        line_add("\r\n");
        outcome = run(chunks[i]);
        assert_int_equal(outcome.errors, 1);
        assert_true(outcome.keys <= 1000);
        assert_false(outcome.is_end);
        assert_int_equal(outcome.consumed, line_size);
    }
}

static void long_get_takes_a_key_of_250(void **state)
{
    struct proto_request request;
    size_t consumed;
    enum proto_error error;
    uint64_t swallow;
    struct base_slice input;

    (void)state;
    line_start("get");
    line_add_keys(400);
    line_add(" " K250 "\r");
    assert_true(line_size > BASE_REQUEST_LINE_MAX);
    assert_int_equal(proto_text_parse((struct base_slice){line, line_size}, &request, &consumed,
                                      &error, &swallow),
                     PROTO_DONE);
    assert_true(request.keys_continue);
    input = (struct base_slice){line + consumed, line_size - consumed};
    assert_int_equal(input.size, 251);
    assert_int_equal(proto_text_parse_keys(input, &request, &consumed, &error), PROTO_MORE);
    line_add("\n");
    input.size++;
    assert_int_equal(proto_text_parse_keys(input, &request, &consumed, &error), PROTO_DONE);
    assert_int_equal(request.key.size, 250);
    assert_true(request.keys_continued);
    assert_false(request.keys_continue);
}

static void one_endless_key_is_refused(void **state)
{
    struct outcome outcome;

    (void)state;
    line_start("get ");
    while (line_size < 10000) {
        line_add(K250);
    }
    outcome = run(2100);
    assert_int_equal(outcome.errors, 1);
    assert_int_equal(outcome.keys, 0);
    assert_false(outcome.is_end);
    line_add("\r\n");
    outcome = run(2100);
    assert_int_equal(outcome.errors, 1);
    assert_true(outcome.is_closed);
    assert_int_equal(outcome.consumed, line_size);
}

static enum proto_parse parse_padded(const char *start, size_t size)
{
    struct proto_request request;
    size_t consumed;
    enum proto_error error;
    uint64_t swallow;

    memset(line, 'k', sizeof(line));
    memcpy(line, start, strlen(start));
    for (size_t i = 100; i < size; i += 100) {
        line[i + strlen(start)] = ' ';
    }
    return proto_text_parse((struct base_slice){line, size}, &request, &consumed, &error, &swallow);
}

static void only_get_may_be_long(void **state)
{
    char blanks[112];

    (void)state;
    assert_int_equal(parse_padded("get ", 2048), PROTO_MORE);
    assert_int_equal(parse_padded("get ", 2049), PROTO_DONE);
    assert_int_equal(parse_padded("gets ", 2049), PROTO_DONE);
    assert_int_equal(parse_padded("set k", 2048), PROTO_MORE);
    assert_int_equal(parse_padded("set k", 2049), PROTO_CLOSE);
    assert_int_equal(parse_padded("gat 1 ", 2049), PROTO_CLOSE);
    assert_int_equal(parse_padded("bget ", 2049), PROTO_CLOSE);
    assert_int_equal(parse_padded("getk", 2049), PROTO_CLOSE);
    assert_int_equal(parse_padded("mg k ", 2049), PROTO_CLOSE);
    memset(blanks, ' ', sizeof(blanks));
    memcpy(blanks + 100, "get ", 5);
    assert_int_equal(parse_padded(blanks, 2049), PROTO_DONE);
    memcpy(blanks + 100, " get ", 6);
    assert_int_equal(parse_padded(blanks, 2049), PROTO_CLOSE);
    memset(line, ' ', sizeof(line));
    assert_int_equal(parse_padded("", 50), PROTO_MORE);
}

/* Keys of these sizes, each behind one blank or two. */
static enum proto_parse parse_sizes(size_t count, const int *sizes, const char *blanks)
{
    struct proto_request request;
    size_t consumed;
    enum proto_error error;
    uint64_t swallow;

    line_start("get");
    for (size_t i = 0; i < count; i++) {
        line_size += (size_t)snprintf(line + line_size, sizeof(line) - line_size, "%s%0*d", blanks,
                                      sizes[i], 7);
    }
    line_add("\r\n");
    return proto_text_parse((struct base_slice){line, line_size}, &request, &consumed, &error,
                            &swallow);
}

static void a_long_key_is_found_among_any(void **state)
{
    static const int choices[] = {1, 124, 125, 249, 250, 251};
    enum { CHOICE_COUNT = sizeof(choices) / sizeof(choices[0]) };

    (void)state;
    for (size_t i = 0; i < CHOICE_COUNT * CHOICE_COUNT * CHOICE_COUNT; i++) {
        const int sizes[] = {choices[i % CHOICE_COUNT], choices[i / CHOICE_COUNT % CHOICE_COUNT],
                             choices[i / CHOICE_COUNT / CHOICE_COUNT]};
        const bool is_long = sizes[0] > 250 || sizes[1] > 250 || sizes[2] > 250;

        assert_int_equal(parse_sizes(3, sizes, " "), is_long ? PROTO_BAD : PROTO_DONE);
        assert_int_equal(parse_sizes(3, sizes, "  "), is_long ? PROTO_BAD : PROTO_DONE);
    }
}

static void blanks_alone_are_a_part_without_keys(void **state)
{
    struct proto_request request;
    size_t consumed = 0;
    enum proto_error error;
    uint64_t swallow;

    (void)state;
    memset(line, ' ', 3000);
    memcpy(line, "get", 3);
    assert_int_equal(
        proto_text_parse((struct base_slice){line, 3000}, &request, &consumed, &error, &swallow),
        PROTO_DONE);
    assert_true(request.keys_continue);
    assert_int_equal(request.key.size, 0);
    assert_int_equal(consumed, 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_get_gives_every_key_once),
        cmocka_unit_test(long_get_refuses_a_long_key_once),
        cmocka_unit_test(long_get_takes_a_key_of_250),
        cmocka_unit_test(one_endless_key_is_refused),
        cmocka_unit_test(only_get_may_be_long),
        cmocka_unit_test(a_long_key_is_found_among_any),
        cmocka_unit_test(blanks_alone_are_a_part_without_keys),
    };

    return cmocka_run_group_tests_name("proto-text-keys", tests, NULL, NULL);
}
