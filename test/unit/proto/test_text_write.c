/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies of the text protocol. */
#include "show.h"

static void check_reply(const struct proto_reply *reply, const char *expected)
{
    static const struct proto_request loud = {.noreply = false};
    static const struct proto_request silent = {.noreply = true};
    char out[PROTO_TEXT_REPLY_MAX + 1];
    const size_t size = proto_text_write_reply(out, &loud, reply);

    assert_true(size <= PROTO_TEXT_REPLY_MAX);
    out[size] = '\0';
    assert_string_equal(out, expected);
    assert_int_equal(proto_text_write_reply(out, &silent, reply), 0);
}

static void every_status_has_its_line(void **state)
{
    (void)state;
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_MISS}, "NOT_FOUND\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_STORED}, "STORED\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_NOT_STORED}, "NOT_STORED\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_EXISTS}, "EXISTS\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_DELETED}, "DELETED\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_TOUCHED}, "TOUCHED\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_OK}, "OK\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_NUMBER}, "0\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_NUMBER, .number = UINT64_MAX},
                "18446744073709551615\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_ERROR, .error = PROTO_ERROR_UNKNOWN},
                "ERROR\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_ERROR, .error = PROTO_ERROR_TOO_LARGE},
                "SERVER_ERROR object too large for cache\r\n");
    check_reply(&(struct proto_reply){.status = PROTO_STATUS_ERROR, .error = PROTO_ERROR_NONE}, "");
}

static void every_error_line_fits(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROTO_ERROR_COUNT; i++) {
        assert_true(proto_error_line((enum proto_error)i).size <= PROTO_TEXT_REPLY_MAX);
    }
}

static void check_value(struct base_slice key, const struct proto_reply *reply, bool with_cas,
                        const char *expected)
{
    char out[PROTO_TEXT_REPLY_MAX + 1];
    const size_t size = proto_text_write_value(out, key, reply, with_cas);

    assert_true(size <= PROTO_TEXT_REPLY_MAX);
    out[size] = '\0';
    assert_string_equal(out, expected);
}

static void values_have_a_header(void **state)
{
    const struct proto_reply small = {.client_flags = 1, .value_size = 2, .cas = 3};
    const struct proto_reply large = {
        .client_flags = UINT32_MAX, .value_size = UINT64_MAX, .cas = UINT64_MAX};

    (void)state;
    check_value(BASE_SLICE("k"), &small, false, "VALUE k 1 2\r\n");
    check_value(BASE_SLICE("k"), &small, true, "VALUE k 1 2 3\r\n");
    check_value(BASE_SLICE(K250), &large, true,
                "VALUE " K250 " 4294967295 18446744073709551615 18446744073709551615\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_line),
        cmocka_unit_test(every_error_line_fits),
        cmocka_unit_test(values_have_a_header),
    };

    return cmocka_run_group_tests_name("proto-text-write", tests, NULL, NULL);
}
