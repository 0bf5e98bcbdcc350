/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers as clients write them: strtol() without its cut to 32 bits. */
#include "proto/number.h"
#include "show.h"

static struct base_slice slice(const char *text)
{
    return (struct base_slice){text, strlen(text)};
}

static void good_numbers(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } rows[] = {
        {"0", 0},
        {"1", 1},
        {"007", 7},
        {"+5", 5},
        {"-0", 0},
        {"\t12", 12},
        {"12\t", 12},
        {"12\rz", 12},
        {"\v\f\r+3\v", 3},
        {"00000000000000000000000000000001", 1},
        {"18446744073709551615", UINT64_MAX},
        {"+18446744073709551615", UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 99;

        assert_true(proto_number_u64(slice(rows[i].text), &value));
        assert_true(value == rows[i].value);
    }
}

static void bad_numbers(void **state)
{
    static const char *const rows[] = {
        "",
        "x",
        "-",
        "+",
        "1x",
        "x1",
        "1.5",
        "0x1",
        "--1",
        "+-1",
        "- 1",
        "1 2",
        "\t",
        "1-",
        "1e3",
        "+\t1",
        " 1",
        "18446744073709551616",
        "99999999999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 99;
        int64_t number = 99;
        uint32_t small = 99;

        assert_false(proto_number_u64(slice(rows[i]), &value));
        assert_false(proto_number_i32(slice(rows[i]), &number));
        assert_false(proto_number_u32(slice(rows[i]), &small));
        assert_true(value == 99 && number == 99 && small == 99);
    }
}

static void ranges_are_kept(void **state)
{
    uint64_t value = 99;
    int64_t number = 99;
    uint32_t small = 99;

    (void)state;
    assert_false(proto_number_u64(slice("-1"), &value));
    assert_false(proto_number_u64(slice("-18446744073709551615"), &value));
    assert_false(proto_number_u32(slice("4294967296"), &small));
    assert_false(proto_number_i32(slice("2147483648"), &number));
    assert_false(proto_number_i32(slice("+2147483648"), &number));
    assert_false(proto_number_i32(slice("-2147483649"), &number));
    assert_true(value == 99 && number == 99 && small == 99);
    assert_true(proto_number_u32(slice("4294967295"), &small));
    assert_true(small == UINT32_MAX);
    assert_true(proto_number_i32(slice("2147483647"), &number));
    assert_true(number == INT32_MAX);
    assert_true(proto_number_i32(slice("-2147483648\t"), &number));
    assert_true(number == INT32_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_numbers),
        cmocka_unit_test(bad_numbers),
        cmocka_unit_test(ranges_are_kept),
    };

    return cmocka_run_group_tests_name("proto-number", tests, NULL, NULL);
}
