/* SPDX-License-Identifier: BSD-3-Clause */
/* Redis's protocol: what is asked, byte for byte, and what is an answer to it. */
#include "wire_rig.h"

static struct rig_text text;

static void restart(void)
{
    text.size = 0;
}

static void add_hit(const struct bench_work *work, uint64_t number)
{
    rig_add(&text, "$%u\r\n", bench_keys_value_size(work, number));
    rig_add_value(&text, work, number);
}

/* ---- requests ---- */

static void test_requests(void **state)
{
    static const uint64_t numbers[] = {0x2a, 0x2b};
    struct bench_work work = rig_work(BENCH_RESP);
    struct bench_request request = rig_request(BENCH_GET, 0x2a);

    (void)state;
    work.key_sizes.min = 16;
    restart();
    rig_add(&text, "*2\r\n$3\r\nGET\r\n$16\r\nbench:v:aaaaaack\r\n");
    rig_assert_written(&work, &request, &text);

    restart();
    rig_add(&text, "*3\r\n$4\r\nMGET\r\n$16\r\nbench:v:aaaaaack\r\n$16\r\nbench:v:aaaaaacl\r\n");
    request = rig_many(2, numbers);
    rig_assert_written(&work, &request, &text);

    restart();
    rig_add(&text, "*2\r\n$3\r\nDEL\r\n$16\r\nbench:d:aaaaaack\r\n");
    request = rig_request(BENCH_DELETE, 0x2a);
    rig_assert_written(&work, &request, &text);

    restart();
    rig_add(&text, "*2\r\n$4\r\nINCR\r\n$16\r\nbench:c:aaaaaack\r\n");
    request = rig_request(BENCH_INCR, 0x2a);
    rig_assert_written(&work, &request, &text);
}

static void test_sets(void **state)
{
    struct bench_work work = rig_work(BENCH_RESP);
    struct bench_request request = rig_request(BENCH_SET, 0x2a);

    (void)state;
    work.key_sizes.min = 16;
    restart();
    rig_add(&text, "*3\r\n$3\r\nSET\r\n$16\r\nbench:v:aaaaaack\r\n$100\r\n");
    bench_value_write(BENCH_SPACE_VALUES, 0x2a, 99, text.data + text.size, 100);
    text.size += 100;
    rig_add(&text, "\r\n");
    rig_assert_written(&work, &request, &text);

    restart();
    request.ttl_s = 60;
    rig_add(&text, "*5\r\n$3\r\nSET\r\n$16\r\nbench:v:aaaaaack\r\n$100\r\n");
    bench_value_write(BENCH_SPACE_VALUES, 0x2a, 99, text.data + text.size, 100);
    text.size += 100;
    rig_add(&text, "\r\n$2\r\nEX\r\n$2\r\n60\r\n");
    rig_assert_written(&work, &request, &text);

    restart();
    request = rig_request(BENCH_SET, 2);
    request.space = BENCH_SPACE_COUNTERS;
    rig_add(&text, "*3\r\n$3\r\nSET\r\n$16\r\nbench:c:aaaaaaac\r\n$13\r\n3000000000000\r\n");
    rig_assert_written(&work, &request, &text);
}

static void test_requests_have_room(void **state)
{
    struct bench_work work = rig_work(BENCH_RESP);
    static uint64_t numbers[BENCH_GET_KEYS_MAX];
    struct bench_request request = rig_many(BENCH_GET_KEYS_MAX, numbers);
    const struct bench_wire *wire = bench_wire_of(BENCH_RESP);
    char *out;

    (void)state;
    work.key_sizes.min = work.key_sizes.max = BENCH_KEY_SIZE_MAX;
    out = malloc(wire->request_size_max(&work));
    assert_non_null(out);
    assert_true(wire->write(&work, &request, out) <= wire->request_size_max(&work));
    request = rig_request(BENCH_SET, UINT32_MAX);
    request.ttl_s = 2592000;
    work.keys_per_get_max = 1;
    work.value_sizes.min = work.value_sizes.max = 1000000;
    free(out);
    out = malloc(wire->request_size_max(&work));
    assert_non_null(out);
    assert_true(wire->write(&work, &request, out) <= wire->request_size_max(&work));
    free(out);
}

/* ---- answers ---- */

static void expect_answer(const struct bench_work *work, const struct bench_request *request,
                          uint32_t hits, uint32_t misses)
{
    rig_assert_answer(work, *request, &text, BENCH_ANSWER_DONE, hits, misses);
    rig_assert_splits(work, request, &text, BENCH_ANSWER_DONE);
}

static void test_gets(void **state)
{
    struct bench_work work = rig_work(BENCH_RESP);
    const struct bench_request request = rig_request(BENCH_GET, 7);

    (void)state;
    restart();
    add_hit(&work, 7);
    expect_answer(&work, &request, 1, 0);
    rig_assert_corruptions(&work, &request, &text, 0, 0);
    restart();
    rig_add(&text, "$-1\r\n");
    expect_answer(&work, &request, 0, 1);
    work.value_sizes.min = 10;
    restart();
    add_hit(&work, 7);
    expect_answer(&work, &request, 1, 0);
}

static void test_multi_gets(void **state)
{
    static const uint64_t numbers[] = {3, 4, 5};
    struct bench_work work = rig_work(BENCH_RESP);
    const struct bench_request request = rig_many(3, numbers);

    (void)state;
    restart();
    rig_add(&text, "*3\r\n");
    add_hit(&work, 3);
    rig_add(&text, "$-1\r\n");
    add_hit(&work, 5);
    expect_answer(&work, &request, 2, 1);
    restart();
    rig_add(&text, "*3\r\n$-1\r\n$-1\r\n$-1\r\n");
    expect_answer(&work, &request, 0, 3);
    restart();
    rig_add(&text, "*3\r\n");
    add_hit(&work, 3);
    add_hit(&work, 4);
    add_hit(&work, 5);
    expect_answer(&work, &request, 3, 0);
    rig_assert_corruptions(&work, &request, &text, 0, 0);
    rig_assert_complaint(&work, request, "$-1\r\n", BENCH_ANSWER_WRONG, "its value");
    rig_assert_complaint(&work, request, "*2\r\n$-1\r\n$-1\r\n", BENCH_ANSWER_WRONG, "'*2");
}

static void test_values_of_other_keys(void **state)
{
    struct bench_work work = rig_work(BENCH_RESP);
    struct bench_request request = rig_request(BENCH_GET, 7);
    static struct bench_outcome outcome;
    size_t consumed;

    (void)state;
    restart();
    add_hit(&work, 8);
    assert_int_equal(rig_read(&work, &request, text.data, text.size, &consumed, &outcome),
                     BENCH_ANSWER_WRONG);
    request = rig_request(BENCH_GET, 7);
    work.trust_values = true;
    assert_int_equal(rig_read(&work, &request, text.data, text.size, &consumed, &outcome),
                     BENCH_ANSWER_DONE);
}

static void test_other_answers(void **state)
{
    const struct bench_work work = rig_work(BENCH_RESP);
    const struct bench_request set = rig_request(BENCH_SET, 1);
    const struct bench_request delete = rig_request(BENCH_DELETE, 1);
    const struct bench_request incr = rig_request(BENCH_INCR, 1);

    (void)state;
    restart();
    rig_add(&text, "+OK\r\n");
    expect_answer(&work, &set, 0, 0);
    rig_assert_corruptions(&work, &set, &text, 0, 0);
    restart();
    rig_add(&text, ":1\r\n");
    expect_answer(&work, &delete, 0, 0);
    rig_assert_corruptions(&work, &delete, &text, 1, 1);
    restart();
    rig_add(&text, ":0\r\n");
    expect_answer(&work, &delete, 0, 0);
    restart();
    rig_add(&text, ":2000000000005\r\n");
    expect_answer(&work, &incr, 1, 0);
    rig_assert_corruptions(&work, &incr, &text, 2, 12);
    rig_assert_complaint(&work, incr, ":1\r\n", BENCH_ANSWER_WRONG, "a number of this counter");
    rig_assert_complaint(&work, incr, ":2000000000000\r\n", BENCH_ANSWER_WRONG, "counter");
}

static void test_errors(void **state)
{
    const struct bench_work work = rig_work(BENCH_RESP);

    (void)state;
    rig_assert_complaint(&work, rig_request(BENCH_SET, 1), "-OOM command not allowed\r\n",
                         BENCH_ANSWER_REFUSED, "OOM");
    rig_assert_complaint(&work, rig_request(BENCH_GET, 1), "-LOADING just now\r\n",
                         BENCH_ANSWER_REFUSED, "LOADING");
    rig_assert_complaint(&work, rig_request(BENCH_GET, 1), "-ERR unknown command\r\n",
                         BENCH_ANSWER_WRONG, "ERR unknown");
    rig_assert_complaint(&work, rig_request(BENCH_INCR, 1), "-ERR value is not\r\n",
                         BENCH_ANSWER_WRONG, "ERR value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),           cmocka_unit_test(test_sets),
        cmocka_unit_test(test_requests_have_room), cmocka_unit_test(test_gets),
        cmocka_unit_test(test_multi_gets),         cmocka_unit_test(test_values_of_other_keys),
        cmocka_unit_test(test_other_answers),      cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
