/* SPDX-License-Identifier: BSD-3-Clause */
/* Many gets and hits at a time: the same bytes as the wires', and no byte of an answer that may be another. */
#include "wire_rig.h"

#include "cli/mcbench/plain.h"

enum { GETS = 3 };

static const enum bench_protocol PROTOCOLS[] = {BENCH_TEXT, BENCH_META};
static const uint64_t NUMBERS[GETS] = {0x2a, 0xfedcba98, 0};
static const uint32_t KEY_SIZES[] = {16, 17, 24, 31, 32, 33, 48, 250};
/* From the smallest on, and on either side of whole words, pairs of them and blocks of pairs. */
static const uint32_t VALUE_SIZES[] = {24,  25,  31,  32,  33,  39,  40,  47,  48,   100, 127,
                                       128, 143, 144, 145, 151, 152, 160, 271, 1000, 4096};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct rig_text text;

static void add_hit(const struct bench_work *work, uint64_t number)
{
    const char *key = rig_key(work, BENCH_SPACE_VALUES, number);
    const uint32_t size = work->value_sizes.min;

    if (work->protocol == BENCH_META) {
        /* The opaque is the wire's own: it stands in the request, behind " O". */
        char request[BENCH_KEY_SIZE_MAX + 100];
        const struct bench_request get = rig_request(BENCH_GET, number);
        const size_t end = bench_wire_of(BENCH_META)->write(work, &get, request);

        rig_add(&text, "VA %u k%s f%d O%.8s\r\n", size, key, rig_flags(number),
                request + end - sizeof " v\r\n" + 1 - 8);
        rig_add_value(&text, work, number);
        return;
    }
    rig_add(&text, "VALUE %s %d %u\r\n", key, rig_flags(number), size);
    rig_add_value(&text, work, number);
    rig_add(&text, "END\r\n");
}

/* Answers to all of NUMBERS into `text`; returns the size of one. */
static size_t add_hits(const struct bench_work *work)
{
    text.size = 0;
    for (size_t i = 0; i < GETS; i++) {
        add_hit(work, NUMBERS[i]);
    }
    return text.size / GETS;
}

static void write_gets(const struct bench_plain *plain, struct bench_request *requests)
{
    char out[GETS * BENCH_FORM_MAX + BENCH_FORM_MAX];

    memset(requests, 0, GETS * sizeof *requests);
    (void)bench_plain_write(plain, GETS, NUMBERS, requests, out);
}

/* How many are taken of so many bytes, with others behind them that are not to be looked at. */
static uint32_t read_gets(const struct bench_plain *plain, const struct bench_request *requests,
                          const char *bytes, size_t size, char behind)
{
    char *copy = malloc(size + BENCH_PLAIN_SLACK);
    struct base_slice input = {copy, size};
    uint32_t count;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    memset(copy + size, behind, BENCH_PLAIN_SLACK);
    count = bench_plain_read(plain, GETS, requests, &input);
    assert_int_equal(input.data - copy, count * (size_t)plain->answer_size);
    assert_int_equal(input.size, size - count * (size_t)plain->answer_size);
    free(copy);
    return count;
}

static void test_requests_are_the_wires(void **state)
{
    static char out[GETS * BENCH_FORM_MAX + BENCH_FORM_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(PROTOCOLS) * COUNT(KEY_SIZES); i++) {
        struct bench_work work = rig_work(PROTOCOLS[i % COUNT(PROTOCOLS)]);
        struct bench_request requests[GETS];
        struct bench_plain plain;
        size_t size;

        work.key_sizes.min = KEY_SIZES[i / COUNT(PROTOCOLS)];
        bench_plain_init(&plain, &work, BENCH_SPACE_PROBES);
        assert_true(plain.is_on);
        memset(requests, 0xff, sizeof requests);
        requests[0].letters = requests[1].letters = requests[2].letters = 0;
        size = bench_plain_write(&plain, GETS, NUMBERS, requests, out);
        assert_int_equal(size, GETS * (size_t)plain.get_size);
        for (size_t j = 0; j < GETS; j++) {
            struct bench_request get = rig_request(BENCH_GET, NUMBERS[j]);
            char expected[BENCH_FORM_MAX];

            get.space = BENCH_SPACE_PROBES;
            assert_int_equal(bench_wire_of(work.protocol)->write(&work, &get, expected),
                             plain.get_size);
            assert_memory_equal(out + j * plain.get_size, expected, plain.get_size);
            assert_int_equal(requests[j].verb, BENCH_GET);
            assert_int_equal(requests[j].space, BENCH_SPACE_PROBES);
            assert_int_equal(requests[j].key_count, 1);
            assert_int_equal(requests[j].answered_count, 0);
            assert_int_equal(requests[j].numbers[0], NUMBERS[j]);
            assert_null(requests[j].more_numbers);
            assert_false(requests[j].quiet);
        }
    }
}

/* Cut at every place: whole answers are taken, and nothing of the next. */
static void check_cuts(const struct bench_plain *plain, const struct bench_request *requests)
{
    for (size_t cut = 0; cut <= text.size; cut++) {
        assert_int_equal(read_gets(plain, requests, text.data, cut, 'x'), cut / plain->answer_size);
    }
}

/* Every byte of the second answer, as every other byte (of long ones, as one other): the first is taken, and no more. */
static void check_corruptions(const struct bench_plain *plain, const struct bench_request *requests)
{
    const int step = plain->answer_size < 300 ? 1 : 61;

    for (size_t at = plain->answer_size; at < 2 * (size_t)plain->answer_size; at++) {
        for (int other = 1; other < 256; other += step) {
            text.data[at] = (char)(text.data[at] ^ other);
            /* Another version has another checksum, and that is not there. */
            assert_int_equal(read_gets(plain, requests, text.data, text.size, 'x'), 1);
            text.data[at] = (char)(text.data[at] ^ other);
        }
    }
    assert_int_equal(read_gets(plain, requests, text.data, text.size, 'x'), GETS);
}

static void check_hits(struct bench_work *work, uint32_t key_size, uint32_t value_size)
{
    struct bench_request requests[GETS];
    struct bench_plain plain;

    work->key_sizes.min = key_size;
    work->value_sizes.min = value_size;
    bench_plain_init(&plain, work, BENCH_SPACE_VALUES);
    assert_true(plain.is_on);
    assert_int_equal(add_hits(work), plain.answer_size);
    write_gets(&plain, requests);
    for (int behind = 0; behind < 256; behind++) {
        assert_int_equal(read_gets(&plain, requests, text.data, text.size, (char)behind), GETS);
    }
    if (key_size == 32 || value_size == 100) {
        check_cuts(&plain, requests);
        check_corruptions(&plain, requests);
    }
}

static void test_hits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(PROTOCOLS); i++) {
        struct bench_work work = rig_work(PROTOCOLS[i]);

        for (size_t j = 0; j < COUNT(KEY_SIZES); j++) {
            for (size_t k = 0; k < COUNT(VALUE_SIZES); k++) {
                check_hits(&work, KEY_SIZES[j], VALUE_SIZES[k]);
            }
        }
    }
}

/* Only what was written so, and is answered from its beginning, is taken; and no other key's answer. */
static void test_what_is_left_to_the_wire(void **state)
{
    const struct bench_work work = rig_work(BENCH_TEXT);
    struct bench_request requests[GETS];
    struct bench_plain plain;
    size_t size;

    (void)state;
    bench_plain_init(&plain, &work, BENCH_SPACE_VALUES);
    size = add_hits(&work);
    write_gets(&plain, requests);
    assert_int_equal(read_gets(&plain, requests, text.data + size, text.size - size, 'x'), 0);
    assert_int_equal(read_gets(&plain, requests + 1, text.data + size, size, 'x'), 1);
    requests[1].letters = 0;
    assert_int_equal(read_gets(&plain, requests, text.data, text.size, 'x'), 1);
    requests[0].letters = 0;
    assert_int_equal(read_gets(&plain, requests, text.data, text.size, 'x'), 0);
}

/* Trusted values may be anything, but nothing else may. */
static void test_trusted_values(void **state)
{
    struct bench_work work = rig_work(BENCH_TEXT);
    struct bench_request requests[GETS];
    struct bench_plain plain;
    size_t line_size;

    (void)state;
    work.trust_values = true;
    bench_plain_init(&plain, &work, BENCH_SPACE_VALUES);
    (void)add_hits(&work);
    write_gets(&plain, requests);
    line_size = plain.hit_size;
    for (size_t at = 0; at < plain.answer_size; at++) {
        const bool is_value = at >= line_size && at < line_size + work.value_sizes.min;

        text.data[at] = (char)(text.data[at] ^ 1);
        assert_int_equal(read_gets(&plain, requests, text.data, text.size, 'x'),
                         is_value ? GETS : 0);
        text.data[at] = (char)(text.data[at] ^ 1);
    }
}

static void test_what_is_not_plain(void **state)
{
    const struct bench_work plain_work = rig_work(BENCH_TEXT);
    struct bench_work work = plain_work;
    struct bench_plain plain;

    (void)state;
    work.value_sizes.min = BENCH_VALUE_HEAD_SIZE - 1;
    bench_plain_init(&plain, &work, BENCH_SPACE_VALUES);
    assert_false(plain.is_on);
    work = plain_work;
    work.value_sizes.kind = BENCH_SIZE_ETC;
    bench_plain_init(&plain, &work, BENCH_SPACE_VALUES);
    assert_false(plain.is_on);
    work = plain_work;
    work.key_sizes.kind = BENCH_SIZE_RANGE;
    bench_plain_init(&plain, &work, BENCH_SPACE_VALUES);
    assert_false(plain.is_on);
    work = plain_work;
    work.protocol = BENCH_RESP;
    bench_plain_init(&plain, &work, BENCH_SPACE_VALUES);
    assert_false(plain.is_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_the_wires),   cmocka_unit_test(test_hits),
        cmocka_unit_test(test_what_is_left_to_the_wire), cmocka_unit_test(test_trusted_values),
        cmocka_unit_test(test_what_is_not_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
