/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies of the text protocol. */
#include "proto/hit.h"
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

static void check_value(struct base_slice key, uint32_t client_flags, uint64_t value_size,
                        const uint64_t *cas, const char *expected)
{
    char out[PROTO_TEXT_REPLY_MAX + 1];
    const size_t size = proto_text_write_value(out, key, client_flags, value_size, cas);

    assert_true(size <= PROTO_TEXT_REPLY_MAX);
    out[size] = '\0';
    assert_string_equal(out, expected);
}

static void values_have_a_header(void **state)
{
    const uint64_t three = 3, largest = UINT64_MAX;

    (void)state;
    check_value(BASE_SLICE("k"), 1, 2, NULL, "VALUE k 1 2\r\n");
    check_value(BASE_SLICE("k"), 1, 2, &three, "VALUE k 1 2 3\r\n");
    check_value(BASE_SLICE(K250), UINT32_MAX, UINT64_MAX, &largest,
                "VALUE " K250 " 4294967295 18446744073709551615 18446744073709551615\r\n");
}

static void check_hit(struct base_slice key, uint32_t client_flags, struct base_slice value,
                      const uint64_t *cas, struct base_slice tail, const char *expected)
{
    char out[PROTO_TEXT_REPLY_MAX + 1024];
    const char *end = proto_hit_put_all(out, key, client_flags, value, cas, tail);

    assert_int_equal(end - out, strlen(expected));
    assert_memory_equal(out, expected, strlen(expected));
}

static void hits_are_flat(void **state)
{
    static const struct base_slice last = {"\r\nEND\r\n", 7};
    const uint64_t cas = 3;

    (void)state;
    check_hit(BASE_SLICE("key"), 0, BASE_SLICE("a\r\nb"), NULL, BASE_SLICE("\r\n"),
              "VALUE key 0 4\r\na\r\nb\r\n");
    check_hit(BASE_SLICE("key"), 7, BASE_SLICE(""), &cas, BASE_SLICE("\r\n"),
              "VALUE key 7 0 3\r\n\r\n");
    check_hit(BASE_SLICE(K250), 0, BASE_SLICE("v"), NULL, last,
              "VALUE " K250 " 0 1\r\nv\r\nEND\r\n");
    check_hit(BASE_SLICE("k"), 0, BASE_SLICE(K250 K250 K250 K250), NULL, last,
              "VALUE k 0 1000\r\n" K250 K250 K250 K250 "\r\nEND\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_line),
        cmocka_unit_test(every_error_line_fits),
        cmocka_unit_test(values_have_a_header),
        cmocka_unit_test(hits_are_flat),
    };

    return cmocka_run_group_tests_name("proto-text-write", tests, NULL, NULL);
}
