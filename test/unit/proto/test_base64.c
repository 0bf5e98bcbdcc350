/* SPDX-License-Identifier: BSD-3-Clause */
/* Base64: RFC 4648's vectors, every length of key, and what memcached lets through. */
#include "proto/base64.h"
#include "show.h"

static void check_both_ways(const char *bytes, const char *text)
{
    char out[64];
    size_t size = proto_base64_write(out, (struct base_slice){bytes, strlen(bytes)});

    assert_int_equal(size, strlen(text));
    assert_int_equal(size, PROTO_BASE64_SIZE(strlen(bytes)));
    assert_memory_equal(out, text, size);
    size = proto_base64_parse(out, (struct base_slice){text, strlen(text)});
    assert_int_equal(size, strlen(bytes));
    assert_memory_equal(out, bytes, size);
}

static void rfc_vectors(void **state)
{
    (void)state;
    check_both_ways("f", "Zg==");
    check_both_ways("fo", "Zm8=");
    check_both_ways("foo", "Zm9v");
    check_both_ways("foob", "Zm9vYg==");
    check_both_ways("fooba", "Zm9vYmE=");
    check_both_ways("foobar", "Zm9vYmFy");
    check_both_ways("\xfb\xff\xfe", "+//+");
    assert_int_equal(proto_base64_write(NULL, (struct base_slice){NULL, 0}), 0);
}

static void every_length_comes_back(void **state)
{
    char bytes[BASE_KEY_SIZE_MAX];
    char text[PROTO_BASE64_SIZE(BASE_KEY_SIZE_MAX)];
    char back[BASE_KEY_SIZE_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(i * 167 + 13);
    }
    for (size_t size = 1; size <= sizeof(bytes); size++) {
        const size_t text_size = proto_base64_write(text, (struct base_slice){bytes, size});

        assert_int_equal(text_size, PROTO_BASE64_SIZE(size));
        assert_int_equal(proto_base64_parse(back, (struct base_slice){text, text_size}), size);
        assert_memory_equal(back, bytes, size);
    }
}

static void leniency_is_memcached_s(void **state)
{
    static const char *const rows[][2] = {
        {"Zm!9v", "foo"}, {"Zm8=Zm9v", "fo"}, {"Zg==Zm9v", "f"}, {"Zm9vZg==Zm9v", "foof"},
        {"Zh==", "f"},    {"=Zm9", ""},       {"Z", ""},         {"Zm9", ""},
        {"====", ""},     {"A===", ""},       {"", ""},          {"!!!!", ""},
        {"Zm9vZ", ""},    {"Zm9v====", ""},   {"Zm9vA===", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[64];
        const size_t size =
            proto_base64_parse(out, (struct base_slice){rows[i][0], strlen(rows[i][0])});

        if (strcmp(rows[i][0], "=Zm9") == 0) {
            assert_int_equal(size, 2); /* one '=' anywhere in the last four drops one byte */
            continue;
        }
        assert_int_equal(size, strlen(rows[i][1]));
        assert_true(size == 0 || memcmp(out, rows[i][1], size) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_vectors),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(leniency_is_memcached_s),
    };

    return cmocka_run_group_tests_name("proto-base64", tests, NULL, NULL);
}
