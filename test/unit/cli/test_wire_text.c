/* SPDX-License-Identifier: BSD-3-Clause */
/* The text protocol: what is asked, byte for byte, and what is an answer to it. */
#include "wire_rig.h"

static struct rig_text text;

/* Adds "VALUE ...", the value. */
static void add_hit(const struct bench_work *work, uint64_t number)
{
    rig_add(&text, "VALUE %s %d %u\r\n", rig_key(work, BENCH_SPACE_VALUES, number),
            rig_flags(number), bench_keys_value_size(work, number));
    rig_add_value(&text, work, number);
}

static void restart(void)
{
    text.size = 0;
}

/* ---- requests ---- */

static void test_requests(void **state)
{
    static const uint64_t numbers[] = {0x2a, 0x2b, 0x2a};
    struct bench_work work = rig_work(BENCH_TEXT);
    struct bench_request request = rig_request(BENCH_GET, 0x2a);

    (void)state;
    restart();
    rig_add(&text, "get bench:v:aaaaaack................\r\n");
    rig_assert_written(&work, &request, &text);

    work.key_sizes.min = 16;
    restart();
    rig_add(&text, "get bench:v:aaaaaack bench:v:aaaaaacl bench:v:aaaaaack\r\n");
    request = rig_many(3, numbers);
    rig_assert_written(&work, &request, &text);

    restart();
    request = rig_request(BENCH_SET, 0x2a);
    request.ttl_s = 60;
    rig_add(&text, "set bench:v:aaaaaack 3 60 100\r\n");
    bench_value_write(BENCH_SPACE_VALUES, 0x2a, 99, text.data + text.size, 100);
    text.size += 100;
    rig_add(&text, "\r\n");
    rig_assert_written(&work, &request, &text);

    restart();
    work.value_sizes.min = 10;
    request.quiet = true;
    request.ttl_s = 0;
    rig_add(&text, "set bench:v:aaaaaack 3 0 10 noreply\r\n");
    bench_value_write(BENCH_SPACE_VALUES, 0x2a, 0, text.data + text.size, 10);
    text.size += 10;
    rig_add(&text, "\r\n");
    rig_assert_written(&work, &request, &text);

    restart();
    request = rig_request(BENCH_DELETE, 0x2a);
    rig_add(&text, "delete bench:d:aaaaaack\r\n");
    rig_assert_written(&work, &request, &text);

    restart();
    request = rig_request(BENCH_INCR, 0x2a);
    rig_add(&text, "incr bench:c:aaaaaack 1\r\n");
    rig_assert_written(&work, &request, &text);

    restart();
    request = rig_request(BENCH_SET, 0x2a);
    request.space = BENCH_SPACE_COUNTERS;
    rig_add(&text, "set bench:c:aaaaaack 3 0 14\r\n43000000000000\r\n");
    rig_assert_written(&work, &request, &text);
}

static void test_room(void **state)
{
    struct bench_work work = rig_work(BENCH_TEXT);

    (void)state;
    rig_assert_room(&work, true);
}

/* ---- answers ---- */

static void check_get(const struct bench_work *work, uint64_t number)
{
    const struct bench_request request = rig_request(BENCH_GET, number);

    restart();
    add_hit(work, number);
    rig_add(&text, "END\r\n");
    rig_assert_answer(work, request, &text, BENCH_ANSWER_DONE, 1, 0);
    if (text.size < 2000) {
        rig_assert_splits(work, &request, &text, BENCH_ANSWER_DONE);
        rig_assert_corruptions(work, &request, &text, 0, 0);
    }
}

/* All sizes on either side of where the wire goes another way. */
static void test_get(void **state)
{
    static const uint32_t key_sizes[] = {16, 17, 24, 31, 32, 33, 250};
    static const uint32_t value_sizes[] = {0,  1,   9,   10,  11,   23,    24,   25,
                                           99, 100, 101, 999, 1000, 10000, 65536};
    struct bench_work work = rig_work(BENCH_TEXT);

    (void)state;
    for (size_t i = 0; i < sizeof key_sizes / sizeof key_sizes[0]; i++) {
        for (size_t j = 0; j < sizeof value_sizes / sizeof value_sizes[0]; j++) {
            work.key_sizes.min = key_sizes[i];
            work.value_sizes.min = value_sizes[j];
            if (i == 4 || j == 9) {
                check_get(&work, 0x2a + j);
            } else {
                const struct bench_request request = rig_request(BENCH_GET, 0xfedcba98);

                restart();
                add_hit(&work, 0xfedcba98);
                rig_add(&text, "END\r\n");
                rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 1, 0);
            }
        }
    }
    work = rig_work(BENCH_TEXT);
    work.key_sizes.kind = BENCH_SIZE_ETC;
    work.value_sizes.kind = BENCH_SIZE_ETC;
    for (uint64_t number = 0; number < 30; number++) {
        check_get(&work, number);
    }
}

static void test_miss(void **state)
{
    const struct bench_work work = rig_work(BENCH_TEXT);
    const struct bench_request request = rig_request(BENCH_GET, 0x2a);
    static struct bench_outcome outcome;
    struct bench_request copy = request;
    size_t consumed;

    (void)state;
    restart();
    rig_add(&text, "END\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 0, 1);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
    rig_assert_corruptions(&work, &request, &text, 0, 0);
    assert_int_equal(rig_read(&work, &copy, text.data, text.size, &consumed, &outcome),
                     BENCH_ANSWER_DONE);
    assert_int_equal(outcome.missed[0], 0x2a);
}

/* Every set of hits of four keys, one of which is asked for twice. */
static void test_many_keys(void **state)
{
    static const uint64_t numbers[] = {1, 9, 0x2a, 1, 17};
    struct bench_work work = rig_work(BENCH_TEXT);
    const struct bench_request request = rig_many(5, numbers);

    (void)state;
    work.value_sizes.min = 30;
    for (uint32_t set = 0; set < 32; set++) {
        static struct bench_outcome outcome;
        struct bench_request copy = request;
        uint32_t hits = 0;
        uint32_t misses = 0;
        size_t consumed;

        restart();
        for (uint32_t i = 0; i < 5; i++) {
            if (set >> i & 1) {
                add_hit(&work, numbers[i]);
                hits++;
            }
        }
        rig_add(&text, "END\r\n");
        rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, hits, 5 - hits);
        rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
        if (set == 0x1f || set == 0x14) {
            rig_assert_corruptions(&work, &request, &text, 0, 0);
        }
        outcome = (struct bench_outcome){0};
        (void)rig_read(&work, &copy, text.data, text.size, &consumed, &outcome);
        assert_int_equal(outcome.value_bytes, hits * 30);
        for (uint32_t i = 0; i < 5; i++) {
            /* Of two equal keys without a hit between them the first is said to be the one that hit. */
            const uint32_t said = (set & 15) == 8 ? (set & ~8u) | 1 : set;

            if ((said >> i & 1) == 0) {
                assert_int_equal(outcome.missed[misses++], numbers[i]);
            }
        }
    }
}

static void test_answers_to_others(void **state)
{
    static const uint64_t numbers[] = {1, 2, 3};
    struct bench_work work = rig_work(BENCH_TEXT);
    struct bench_request request = rig_many(3, numbers);

    (void)state;
    /* In another order, a key twice, a key that was not asked for. */
    restart();
    add_hit(&work, 2);
    add_hit(&work, 1);
    rig_add(&text, "END\r\n");
    text.data[text.size] = '\0';
    rig_assert_complaint(&work, request, "VALUE bench:v:aaaaaaae................ 1 100\r\n",
                         BENCH_ANSWER_WRONG, "expected VALUE bench:v:aaaaaaab");
    {
        static struct bench_outcome outcome;
        size_t consumed;

        assert_int_equal(rig_read(&work, &request, text.data, text.size, &consumed, &outcome),
                         BENCH_ANSWER_WRONG);
    }
    request = rig_request(BENCH_GET, 1);
    restart();
    add_hit(&work, 1);
    add_hit(&work, 1);
    {
        static struct bench_outcome outcome;
        size_t consumed;

        assert_int_equal(rig_read(&work, &request, text.data, text.size, &consumed, &outcome),
                         BENCH_ANSWER_WRONG);
        assert_non_null(strstr(outcome.complaint, "expected END, got 'VALUE bench:v:aaaaaaab"));
    }
}

static void test_set(void **state)
{
    const struct bench_work work = rig_work(BENCH_TEXT);
    struct bench_request request = rig_request(BENCH_SET, 0x2a);

    (void)state;
    restart();
    rig_add(&text, "STORED\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 0, 0);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
    rig_assert_corruptions(&work, &request, &text, 0, 0);
    request.quiet = true;
    restart();
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 0, 0);
}

static void test_delete(void **state)
{
    const struct bench_work work = rig_work(BENCH_TEXT);
    const struct bench_request request = rig_request(BENCH_DELETE, 0x2a);

    (void)state;
    restart();
    rig_add(&text, "DELETED\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 0, 0);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
    rig_assert_corruptions(&work, &request, &text, 0, 0);
    restart();
    rig_add(&text, "NOT_FOUND\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 0, 0);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
    rig_assert_corruptions(&work, &request, &text, 0, 0);
}

static void test_incr(void **state)
{
    const struct bench_work work = rig_work(BENCH_TEXT);
    const struct bench_request request = rig_request(BENCH_INCR, 0x2a);

    (void)state;
    restart();
    rig_add(&text, "43000000000001\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 1, 0);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
    /* The count may be any, the first two digits say whose it is. */
    rig_assert_corruptions(&work, &request, &text, 2, 12);
    restart();
    rig_add(&text, "43999999999999\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 1, 0);
    rig_assert_complaint(&work, request, "43000000000000\r\n", BENCH_ANSWER_WRONG, "counter");
    rig_assert_complaint(&work, request, "44000000000000\r\n", BENCH_ANSWER_WRONG, "counter");
    rig_assert_complaint(&work, request, "4300000000000x\r\n", BENCH_ANSWER_WRONG, "counter");
    rig_assert_complaint(&work, request, "1\r\n", BENCH_ANSWER_WRONG, "got '1\\r\\n'");
    restart();
    rig_add(&text, "NOT_FOUND\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 0, 1);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
    rig_assert_corruptions(&work, &request, &text, 0, 0);
}

static void test_errors(void **state)
{
    static const char *const wrong[] = {"ERROR\r\n",
                                        "CLIENT_ERROR bad command line format\r\n",
                                        "ERROR Too many open connections\r\n",
                                        "OK\r\n",
                                        "\r\n",
                                        "EXISTS\r\n",
                                        "NOT_STORED\r\n",
                                        "STORED \r\n",
                                        "42\r\n"};
    const struct bench_work work = rig_work(BENCH_TEXT);

    (void)state;
    for (int verb = BENCH_GET; verb < BENCH_VERB_COUNT; verb++) {
        const struct bench_request request = rig_request((enum bench_verb)verb, 0x2a);

        rig_assert_complaint(&work, request, "SERVER_ERROR out of memory storing object\r\n",
                             BENCH_ANSWER_REFUSED, "got 'SERVER_ERROR out of memory");
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            rig_assert_complaint(&work, request, wrong[i], BENCH_ANSWER_WRONG, ": expected ");
        }
        restart();
        rig_add(&text, "SERVER_ERROR x\r\n");
        rig_assert_splits(&work, &request, &text, BENCH_ANSWER_REFUSED);
    }
}

/* A refusal in the middle of a get of many keys ends it. */
static void test_refused_in_the_middle(void **state)
{
    static const uint64_t numbers[] = {1, 2, 3};
    const struct bench_work work = rig_work(BENCH_TEXT);
    const struct bench_request request = rig_many(3, numbers);

    (void)state;
    restart();
    add_hit(&work, 1);
    rig_add(&text, "SERVER_ERROR out of memory writing get response\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_REFUSED, 1, 0);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_REFUSED);
}

static void test_complaints(void **state)
{
    const struct bench_work work = rig_work(BENCH_TEXT);
    const struct bench_request request = rig_request(BENCH_GET, 0x2a);
    static struct bench_outcome outcome;
    struct bench_request copy = request;
    size_t consumed;
    char *value;

    (void)state;
    rig_assert_complaint(&work, request, "VALUE bench:v:aaaaaack................ 4 100\r\n",
                         BENCH_ANSWER_WRONG,
                         "bench:v:aaaaaack: expected VALUE bench:v:aaaaaack................ 3 100, "
                         "got 'VALUE bench:v:aaaaaack................ 4 100\\r\\n'");
    rig_assert_complaint(&work, request, "\x01\xff\r\n", BENCH_ANSWER_WRONG,
                         "got '\\x01\\xff\\r\\n'");
    restart();
    add_hit(&work, 0x2a);
    rig_add(&text, "END\r\n");
    value = text.data + text.size - 5 - 2 - 100;
    value[50] ^= 1;
    assert_int_equal(rig_read(&work, &copy, text.data, text.size, &consumed, &outcome),
                     BENCH_ANSWER_WRONG);
    assert_non_null(strstr(outcome.complaint, "its value (this one has other bytes than its head"));
    value[50] ^= 1;
    value[100] = 'x';
    assert_int_equal(rig_read(&work, &copy, text.data, text.size, &consumed, &outcome),
                     BENCH_ANSWER_WRONG);
    assert_non_null(strstr(outcome.complaint, "expected the value to end, got 'x\\nEND"));
}

static void test_trusted_values(void **state)
{
    struct bench_work work = rig_work(BENCH_TEXT);
    const struct bench_request request = rig_request(BENCH_GET, 0x2a);

    (void)state;
    work.trust_values = true;
    restart();
    add_hit(&work, 0x2a);
    rig_add(&text, "END\r\n");
    memset(text.data + text.size - 107, 'x', 100);
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 1, 0);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
    rig_assert_corruptions(&work, &request, &text, text.size - 107, 100);
}

/* A line without end is not waited for for ever. */
static void test_line_without_end(void **state)
{
    const struct bench_work work = rig_work(BENCH_TEXT);
    struct bench_request request = rig_request(BENCH_GET, 0x2a);
    static struct bench_outcome outcome;
    size_t consumed;

    (void)state;
    memset(text.data, 'E', 3000);
    assert_int_equal(rig_read(&work, &request, text.data, 1000, &consumed, &outcome),
                     BENCH_ANSWER_MORE);
    assert_int_equal(rig_read(&work, &request, text.data, 3000, &consumed, &outcome),
                     BENCH_ANSWER_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_miss),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_answers_to_others),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_incr),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_refused_in_the_middle),
        cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_trusted_values),
        cmocka_unit_test(test_line_without_end),
    };

    return cmocka_run_group_tests_name("mcbench/wire_text", tests, NULL, NULL);
}
