/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of words, and the copy of a request. */
#include "show.h"

static void no_two_errors_share_their_words(void **state)
{
    (void)state;
    assert_int_equal(proto_error_line(PROTO_ERROR_NONE).size, 0);
    for (size_t i = 1; i < PROTO_ERROR_COUNT; i++) {
        const struct base_slice line = proto_error_line((enum proto_error)i);

        assert_true(line.size > 2);
        assert_memory_equal(line.data + line.size - 2, "\r\n", 2);
        assert_ptr_equal(memchr(line.data, '\n', line.size), line.data + line.size - 1);
        for (size_t j = i + 1; j < PROTO_ERROR_COUNT; j++) {
            assert_false(base_slice_equal(line, proto_error_line((enum proto_error)j)));
        }
    }
    assert_string_equal(proto_error_name(PROTO_ERROR_BAD_DATA_CHUNK), "BAD_DATA_CHUNK");
    assert_string_equal(proto_error_name(PROTO_ERROR_NONE), "NONE");
}

static void every_operation_has_a_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROTO_OP_COUNT; i++) {
        assert_non_null(proto_op_name((enum proto_op)i));
    }
    assert_string_equal(proto_op_name(PROTO_OP_LRU_CRAWLER), "LRU_CRAWLER");
}

static void kept_requests_own_their_key(void **state)
{
    char line[] = "ms Zm9v 5 b k Oabc\r\nms key 5 k\r\n";
    const struct base_slice input = {line, sizeof(line) - 1};
    struct proto_request request;
    struct proto_request kept[2];
    size_t consumed = 0;
    size_t first;
    enum proto_error error;
    uint64_t swallow;

    (void)state;
    assert_int_equal(proto_text_parse(input, &request, &consumed, &error, &swallow), PROTO_DONE);
    proto_request_keep(&kept[0], &request);
    first = consumed;
    assert_int_equal(proto_text_parse((struct base_slice){line + first, input.size - first},
                                      &request, &consumed, &error, &swallow),
                     PROTO_DONE);
    proto_request_keep(&kept[1], &request);
    memset(line, 0, sizeof(line));
    memset(&request, 0, sizeof(request));
    assert_true(base_slice_equal(kept[0].key, BASE_SLICE("foo")));
    assert_ptr_equal(kept[0].key.data, kept[0].key_bytes);
    assert_int_equal(kept[0].opaque_size, 3);
    assert_memory_equal(kept[0].opaque, "abc", 3);
    assert_int_equal(kept[0].value_size, 5);
    assert_true(base_slice_equal(kept[1].key, BASE_SLICE("key")));
    assert_ptr_equal(kept[1].key.data, kept[1].key_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_errors_share_their_words),
        cmocka_unit_test(every_operation_has_a_name),
        cmocka_unit_test(kept_requests_own_their_key),
    };

    return cmocka_run_group_tests_name("proto-request", tests, NULL, NULL);
}
