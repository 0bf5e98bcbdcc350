/* SPDX-License-Identifier: BSD-3-Clause */
/* The meta protocol: what is asked, byte for byte, and what is an answer to it. */
#include "wire_rig.h"

static struct rig_text text;

static void restart(void)
{
    text.size = 0;
}

/* The opaque of a request's key, taken from what is written. */
static const char *opaque_of(const struct bench_work *work, const struct bench_request *request,
                             uint32_t index)
{
    static char out[RIG_ROOM];
    static char opaque[9];
    const char *at = out;

    out[bench_wire_of(BENCH_META)->write(work, request, out)] = '\0';
    for (uint32_t i = 0; i <= index; i++) {
        at = strstr(at, " O");
        assert_non_null(at);
        at += 2;
    }
    memcpy(opaque, at, 8);
    opaque[8] = '\0';
    return opaque;
}

/* Adds "VA ...", the value: the answer to the request's index-th key. */
static void add_hit(const struct bench_work *work, const struct bench_request *request,
                    uint32_t index)
{
    const uint64_t number =
        request->more_numbers != NULL ? request->more_numbers[index] : request->numbers[0];

    rig_add(&text, "VA %u k%s f%d O%s\r\n", bench_keys_value_size(work, number),
            rig_key(work, request->space, number), rig_flags(number),
            opaque_of(work, request, index));
    rig_add_value(&text, work, number);
}

/* "<code> k<key> O<opaque>". */
static void add_line(const struct bench_work *work, const struct bench_request *request,
                     uint32_t index, const char *code)
{
    const uint64_t number =
        request->more_numbers != NULL ? request->more_numbers[index] : request->numbers[0];

    rig_add(&text, "%s k%s O%s\r\n", code, rig_key(work, request->space, number),
            opaque_of(work, request, index));
}

/* ---- requests ---- */

static void test_requests(void **state)
{
    static const uint64_t numbers[] = {0x2a, 0x2b};
    struct bench_work work = rig_work(BENCH_META);
    struct bench_request request = rig_request(BENCH_GET, 0x2a);

    (void)state;
    restart();
    rig_add(&text, "mg bench:v:aaaaaack................ k f O%s v\r\n",
            opaque_of(&work, &request, 0));
    rig_assert_written(&work, &request, &text);

    work.key_sizes.min = 16;
    restart();
    request = rig_many(2, numbers);
    rig_add(&text, "mg bench:v:aaaaaack k f O%s v\r\n", opaque_of(&work, &request, 0));
    rig_add(&text, "mg bench:v:aaaaaacl k f O%s v\r\n", opaque_of(&work, &request, 1));
    rig_assert_written(&work, &request, &text);

    restart();
    request = rig_request(BENCH_SET, 0x2a);
    request.ttl_s = 60;
    rig_add(&text, "ms bench:v:aaaaaack 100 F3 T60 k O%s\r\n", opaque_of(&work, &request, 0));
    bench_value_write(BENCH_SPACE_VALUES, 0x2a, 99, text.data + text.size, 100);
    text.size += 100;
    rig_add(&text, "\r\n");
    rig_assert_written(&work, &request, &text);

    restart();
    request = rig_request(BENCH_DELETE, 0x2a);
    rig_add(&text, "md bench:d:aaaaaack k O%s\r\n", opaque_of(&work, &request, 0));
    rig_assert_written(&work, &request, &text);

    restart();
    request = rig_request(BENCH_INCR, 0x2a);
    rig_add(&text, "ma bench:c:aaaaaack k O%s v\r\n", opaque_of(&work, &request, 0));
    rig_assert_written(&work, &request, &text);
}

/* All sets of a quiet work are quiet; the one that waits for an answer brings an mn. */
static void test_quiet_sets(void **state)
{
    struct bench_work work = rig_work(BENCH_META);
    struct bench_request request = rig_request(BENCH_SET, 0x2a);

    (void)state;
    work.noreply = true;
    work.key_sizes.min = 16;
    work.value_sizes.min = 10;
    for (int quiet = 0; quiet <= 1; quiet++) {
        restart();
        request.quiet = quiet;
        rig_add(&text, "ms bench:v:aaaaaack 10 F3 k O%s q\r\n", opaque_of(&work, &request, 0));
        bench_value_write(BENCH_SPACE_VALUES, 0x2a, 0, text.data + text.size, 10);
        text.size += 10;
        rig_add(&text, quiet ? "\r\n" : "\r\nmn\r\n");
        rig_assert_written(&work, &request, &text);
    }
    request.quiet = true;
    restart();
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 0, 0);
    request.quiet = false;
    rig_add(&text, "MN\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 0, 0);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
    rig_assert_corruptions(&work, &request, &text, 0, 0);
    restart();
    rig_add(&text, "SERVER_ERROR out of memory storing object\r\nSERVER_ERROR x\r\nMN\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_REFUSED, 0, 0);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_REFUSED);
    rig_assert_complaint(&work, request, "NS\r\n", BENCH_ANSWER_WRONG,
                         "expected MN, got 'NS\\r\\n'");
    rig_assert_complaint(&work, request, "HD\r\n", BENCH_ANSWER_WRONG,
                         "expected MN, got 'HD\\r\\n'");
}

static void test_room(void **state)
{
    struct bench_work work = rig_work(BENCH_META);

    (void)state;
    work.noreply = true;
    rig_assert_room(&work, false);
}

/* ---- answers ---- */

static void check_get(const struct bench_work *work, uint64_t number)
{
    const struct bench_request request = rig_request(BENCH_GET, number);

    restart();
    add_hit(work, &request, 0);
    rig_assert_answer(work, request, &text, BENCH_ANSWER_DONE, 1, 0);
    if (text.size < 2000) {
        rig_assert_splits(work, &request, &text, BENCH_ANSWER_DONE);
        rig_assert_corruptions(work, &request, &text, 0, 0);
    }
}

static void test_get(void **state)
{
    static const uint32_t key_sizes[] = {16, 17, 24, 31, 32, 33, 250};
    static const uint32_t value_sizes[] = {0,  1,   9,   10,  11,   23,    24,   25,
                                           99, 100, 101, 999, 1000, 10000, 65536};
    struct bench_work work = rig_work(BENCH_META);

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
                add_hit(&work, &request, 0);
                rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 1, 0);
            }
        }
    }
    work = rig_work(BENCH_META);
    work.key_sizes.kind = BENCH_SIZE_ETC;
    work.value_sizes.kind = BENCH_SIZE_ETC;
    for (uint64_t number = 0; number < 30; number++) {
        check_get(&work, number);
    }
}

/* Every set of hits of four keys, one of which is asked for twice. */
static void test_many_keys(void **state)
{
    static const uint64_t numbers[] = {1, 9, 0x2a, 1};
    struct bench_work work = rig_work(BENCH_META);
    const struct bench_request request = rig_many(4, numbers);

    (void)state;
    work.value_sizes.min = 30;
    for (uint32_t set = 0; set < 16; set++) {
        static struct bench_outcome outcome;
        struct bench_request copy = request;
        uint32_t hits = 0;
        uint32_t misses = 0;
        size_t consumed;

        restart();
        for (uint32_t i = 0; i < 4; i++) {
            if (set >> i & 1) {
                add_hit(&work, &request, i);
                hits++;
            } else {
                add_line(&work, &request, i, "EN");
            }
        }
        rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, hits, 4 - hits);
        rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
        if (set == 0xf || set == 0xa) {
            rig_assert_corruptions(&work, &request, &text, 0, 0);
        }
        outcome = (struct bench_outcome){0};
        (void)rig_read(&work, &copy, text.data, text.size, &consumed, &outcome);
        assert_int_equal(outcome.value_bytes, hits * 30);
        for (uint32_t i = 0; i < 4; i++) {
            if ((set >> i & 1) == 0) {
                assert_int_equal(outcome.missed[misses++], numbers[i]);
            }
        }
    }
}

/* The answer to the same key's other place: only the opaque tells. */
static void test_opaque(void **state)
{
    static const uint64_t numbers[] = {1, 1};
    const struct bench_work work = rig_work(BENCH_META);
    struct bench_request request = rig_many(2, numbers);
    static struct bench_outcome outcome;
    size_t consumed;

    (void)state;
    restart();
    add_hit(&work, &request, 1);
    assert_int_equal(rig_read(&work, &request, text.data, text.size, &consumed, &outcome),
                     BENCH_ANSWER_WRONG);
}

/* A refused key is neither hit nor miss; the others are read on. */
static void test_refused_in_the_middle(void **state)
{
    static const uint64_t numbers[] = {1, 2, 3};
    const struct bench_work work = rig_work(BENCH_META);
    const struct bench_request request = rig_many(3, numbers);

    (void)state;
    restart();
    add_hit(&work, &request, 0);
    rig_add(&text, "SERVER_ERROR out of memory writing get response\r\n");
    add_line(&work, &request, 2, "EN");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_REFUSED, 1, 1);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_REFUSED);
}

static void check_line(enum bench_verb verb, const char *code, uint32_t misses)
{
    const struct bench_work work = rig_work(BENCH_META);
    const struct bench_request request = rig_request(verb, 0x2a);

    restart();
    add_line(&work, &request, 0, code);
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 0, misses);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
    rig_assert_corruptions(&work, &request, &text, 0, 0);
}

static void test_lines(void **state)
{
    (void)state;
    check_line(BENCH_GET, "EN", 1);
    check_line(BENCH_SET, "HD", 0);
    check_line(BENCH_DELETE, "HD", 0);
    check_line(BENCH_DELETE, "NF", 0);
    check_line(BENCH_INCR, "NF", 1);
}

static void test_incr(void **state)
{
    const struct bench_work work = rig_work(BENCH_META);
    const struct bench_request request = rig_request(BENCH_INCR, 0x2a);

    (void)state;
    restart();
    add_line(&work, &request, 0, "VA 14");
    rig_add(&text, "43000000000001\r\n");
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 1, 0);
    rig_assert_splits(&work, &request, &text, BENCH_ANSWER_DONE);
    rig_assert_corruptions(&work, &request, &text, text.size - 14, 12);
    restart();
    add_line(&work, &request, 0, "VA 14");
    rig_add(&text, "43000000000000\r\n");
    text.data[text.size] = '\0';
    rig_assert_complaint(&work, request, text.data, BENCH_ANSWER_WRONG, "a number of this counter");
}

static void test_errors(void **state)
{
    static const char *const wrong[] = {"ERROR\r\n", "CLIENT_ERROR bad command line format\r\n",
                                        "OK\r\n",    "\r\n",
                                        "EX\r\n",    "NS\r\n",
                                        "HD\r\n",    "EN\r\n",
                                        "MN\r\n",    "VA 100\r\n",
                                        "STORED\r\n"};
    const struct bench_work work = rig_work(BENCH_META);

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

static void test_complaints(void **state)
{
    const struct bench_work work = rig_work(BENCH_META);
    const struct bench_request request = rig_request(BENCH_GET, 0x2a);
    static struct bench_outcome outcome;
    struct bench_request copy = request;
    size_t consumed;
    char *value;

    (void)state;
    rig_assert_complaint(
        &work, request, "VA 99 kx f1 Oy\r\n", BENCH_ANSWER_WRONG,
        "bench:v:aaaaaack: expected VA 100 kbench:v:aaaaaack................ f3 O");
    rig_assert_complaint(&work, request, "VA 99 kx f1 Oy\r\n", BENCH_ANSWER_WRONG,
                         ", got 'VA 99 kx f1 Oy\\r\\n'");
    restart();
    add_hit(&work, &request, 0);
    value = text.data + text.size - 2 - 100;
    value[50] ^= 1;
    assert_int_equal(rig_read(&work, &copy, text.data, text.size, &consumed, &outcome),
                     BENCH_ANSWER_WRONG);
    assert_non_null(strstr(outcome.complaint, "its value (this one has other bytes than its head"));
}

static void test_trusted_values(void **state)
{
    struct bench_work work = rig_work(BENCH_META);
    const struct bench_request request = rig_request(BENCH_GET, 0x2a);

    (void)state;
    work.trust_values = true;
    restart();
    add_hit(&work, &request, 0);
    memset(text.data + text.size - 102, 'x', 100);
    rig_assert_answer(&work, request, &text, BENCH_ANSWER_DONE, 1, 0);
    rig_assert_corruptions(&work, &request, &text, text.size - 102, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_quiet_sets),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_opaque),
        cmocka_unit_test(test_refused_in_the_middle),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_incr),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_trusted_values),
    };

    return cmocka_run_group_tests_name("mcbench/wire_meta", tests, NULL, NULL);
}
