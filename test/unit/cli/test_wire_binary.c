/* SPDX-License-Identifier: BSD-3-Clause */
/* The binary protocol: what is asked, byte for byte, and what is an answer to it. */
#include "proto/binary.h"
#include "wire_rig.h"

enum { CAS_AT = 16, CAS_SIZE = 8 };

static struct rig_text text;

static void restart(void)
{
    text.size = 0;
}

static void add_bytes(const void *bytes, size_t size)
{
    memcpy(text.data + text.size, bytes, size);
    text.size += size;
}

static uint32_t opaque_of(enum bench_verb verb, uint64_t number, uint32_t index)
{
    return (uint32_t)number * 0x9e3779b1u + (uint32_t)verb * 0x01000193u + index;
}

static void add_header(uint8_t magic, uint8_t opcode, uint16_t status, size_t key_size,
                       size_t extras_size, size_t body_size, uint32_t opaque)
{
    char bytes[PROTO_BINARY_HEADER_SIZE];

    (void)proto_binary_put_header(
        bytes, &(struct proto_binary_header){
                   .magic = magic,
                   .opcode = opcode,
                   .status = status,
                   .key_size = (uint16_t)key_size,
                   .extras_size = (uint8_t)extras_size,
                   .body_size = (uint32_t)body_size,
                   .opaque = opaque,
                   .cas = magic == 0x81 && status == 0 && opcode != 0x0a ? 0x0102030405060708 : 0,
               });
    add_bytes(bytes, sizeof bytes);
}

/* A hit of GET, or of GETKQ with its key. */
static void add_hit(const struct bench_work *work, bool with_key, uint64_t number, uint32_t index)
{
    const uint32_t value_size = bench_keys_value_size(work, number);
    const char *key = rig_key(work, BENCH_SPACE_VALUES, number);
    const size_t key_size = with_key ? strlen(key) : 0;
    const char flags[] = {0, 0, 0, (char)rig_flags(number)};

    add_header(0x81, with_key ? 0x0d : 0x00, 0, key_size, 4, 4 + key_size + value_size,
               opaque_of(BENCH_GET, number, index));
    add_bytes(flags, sizeof flags);
    add_bytes(key, key_size);
    rig_add_value(&text, work, number);
    text.size -= 2; /* no \r\n here */
}

static void add_words(uint8_t opcode, uint16_t status, const char *words, uint32_t opaque)
{
    add_header(0x81, opcode, status, 0, 0, strlen(words), opaque);
    add_bytes(words, strlen(words));
}

static void add_noop(uint8_t magic, enum bench_verb verb, uint64_t number)
{
    add_header(magic, 0x0a, 0, 0, 0, 0, opaque_of(verb, number, 0));
}

/* ---- requests ---- */

static void test_requests(void **state)
{
    static const uint64_t numbers[] = {0x2a, 0x2b};
    struct bench_work work = rig_work(BENCH_BINARY);
    struct bench_request request = rig_request(BENCH_GET, 0x2a);

    (void)state;
    work.key_sizes.min = 16;
    restart();
    add_header(0x80, 0x00, 0, 16, 0, 16, opaque_of(BENCH_GET, 0x2a, 0));
    rig_add(&text, "bench:v:aaaaaack");
    rig_assert_written(&work, &request, &text);

    restart();
    add_header(0x80, 0x0d, 0, 16, 0, 16, opaque_of(BENCH_GET, 0x2a, 0));
    rig_add(&text, "bench:v:aaaaaack");
    add_header(0x80, 0x0d, 0, 16, 0, 16, opaque_of(BENCH_GET, 0x2b, 1));
    rig_add(&text, "bench:v:aaaaaacl");
    add_noop(0x80, BENCH_GET, 0x2a);
    request = rig_many(2, numbers);
    rig_assert_written(&work, &request, &text);

    restart();
    add_header(0x80, 0x04, 0, 16, 0, 16, opaque_of(BENCH_DELETE, 0x2a, 0));
    rig_add(&text, "bench:d:aaaaaack");
    request = rig_request(BENCH_DELETE, 0x2a);
    rig_assert_written(&work, &request, &text);

    restart();
    add_header(0x80, 0x05, 0, 16, 20, 36, opaque_of(BENCH_INCR, 0x2a, 0));
    add_bytes("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\xff\xff\xff\xff", 20);
    rig_add(&text, "bench:c:aaaaaack");
    request = rig_request(BENCH_INCR, 0x2a);
    rig_assert_written(&work, &request, &text);
}

static void add_set(uint8_t opcode, const char *extras)
{
    add_header(0x80, opcode, 0, 16, 8, 16 + 8 + 100, opaque_of(BENCH_SET, 0x2a, 0));
    add_bytes(extras, 8);
    rig_add(&text, "bench:v:aaaaaack");
    bench_value_write(BENCH_SPACE_VALUES, 0x2a, 99, text.data + text.size, 100);
    text.size += 100;
}

static void test_sets(void **state)
{
    struct bench_work work = rig_work(BENCH_BINARY);
    struct bench_request request = rig_request(BENCH_SET, 0x2a);

    (void)state;
    work.key_sizes.min = 16;
    restart();
    add_set(0x01, "\0\0\0\3\0\0\0\0");
    rig_assert_written(&work, &request, &text);
    restart();
    request.ttl_s = 60;
    add_set(0x01, "\0\0\0\3\0\0\0\74");
    rig_assert_written(&work, &request, &text);

    /* Quiet ones, and the last of them. */
    work.noreply = true;
    request.quiet = true;
    restart();
    add_set(0x11, "\0\0\0\3\0\0\0\74");
    rig_assert_written(&work, &request, &text);
    request.quiet = false;
    add_noop(0x80, BENCH_SET, 0x2a);
    rig_assert_written(&work, &request, &text);
}

static void test_requests_have_room(void **state)
{
    struct bench_work work = rig_work(BENCH_BINARY);

    (void)state;
    work.noreply = true;
    rig_assert_room(&work, false);
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
    struct bench_work work = rig_work(BENCH_BINARY);
    const struct bench_request request = rig_request(BENCH_GET, 7);

    (void)state;
    restart();
    add_hit(&work, false, 7, 0);
    expect_answer(&work, &request, 1, 0);
    rig_assert_corruptions(&work, &request, &text, CAS_AT, CAS_SIZE);
    restart();
    add_words(0x00, 1, "Not found", opaque_of(BENCH_GET, 7, 0));
    expect_answer(&work, &request, 0, 1);
    work.value_sizes.min = 0;
    restart();
    add_hit(&work, false, 7, 0);
    expect_answer(&work, &request, 1, 0);
}

static void test_multi_gets(void **state)
{
    static const uint64_t numbers[] = {3, 4, 5};
    struct bench_work work = rig_work(BENCH_BINARY);
    const struct bench_request request = rig_many(3, numbers);

    (void)state;
    restart();
    add_hit(&work, true, 3, 0);
    add_hit(&work, true, 5, 2);
    add_noop(0x81, BENCH_GET, 3);
    expect_answer(&work, &request, 2, 1);
    restart();
    add_noop(0x81, BENCH_GET, 3);
    expect_answer(&work, &request, 0, 3);
    rig_assert_corruptions(&work, &request, &text, 0, 0);
    restart();
    add_hit(&work, true, 4, 1);
    add_noop(0x81, BENCH_GET, 3);
    expect_answer(&work, &request, 1, 2);
    rig_assert_corruptions(&work, &request, &text, CAS_AT, CAS_SIZE);
}

static void expect_wrong(const struct bench_work *work, struct bench_request request)
{
    static struct bench_outcome outcome;
    size_t consumed;

    outcome = (struct bench_outcome){0};
    assert_int_equal(rig_read(work, &request, text.data, text.size, &consumed, &outcome),
                     BENCH_ANSWER_WRONG);
    assert_true(outcome.complaint[0] != '\0');
}

static void test_answers_to_others(void **state)
{
    static const uint64_t numbers[] = {3, 4, 5};
    const struct bench_work work = rig_work(BENCH_BINARY);

    (void)state;
    restart();
    add_hit(&work, false, 8, 0);
    expect_wrong(&work, rig_request(BENCH_GET, 7));
    restart();
    add_hit(&work, true, 5, 2); /* in another order */
    add_hit(&work, true, 3, 0);
    add_noop(0x81, BENCH_GET, 3);
    expect_wrong(&work, rig_many(3, numbers));
    restart();
    add_hit(&work, true, 3, 0);
    add_noop(0x81, BENCH_GET, 4);
    expect_wrong(&work, rig_many(3, numbers));
    restart();
    add_words(0x00, 0x81, "Unknown command", opaque_of(BENCH_GET, 7, 0));
    expect_wrong(&work, rig_request(BENCH_GET, 7));
}

static void test_other_answers(void **state)
{
    const struct bench_work work = rig_work(BENCH_BINARY);
    const struct bench_request set = rig_request(BENCH_SET, 1);
    const struct bench_request delete = rig_request(BENCH_DELETE, 1);
    const struct bench_request incr = rig_request(BENCH_INCR, 1);

    (void)state;
    restart();
    add_header(0x81, 0x01, 0, 0, 0, 0, opaque_of(BENCH_SET, 1, 0));
    expect_answer(&work, &set, 0, 0);
    rig_assert_corruptions(&work, &set, &text, CAS_AT, CAS_SIZE);
    restart();
    add_header(0x81, 0x04, 0, 0, 0, 0, opaque_of(BENCH_DELETE, 1, 0));
    expect_answer(&work, &delete, 0, 0);
    restart();
    add_words(0x04, 1, "Not found", opaque_of(BENCH_DELETE, 1, 0));
    expect_answer(&work, &delete, 0, 0);
    restart();
    add_header(0x81, 0x05, 0, 0, 0, 8, opaque_of(BENCH_INCR, 1, 0));
    add_bytes("\0\0\1\xd1\xa9\x4a\x20\5", 8); /* 2000000000005 */
    expect_answer(&work, &incr, 1, 0);
    restart();
    add_words(0x05, 1, "Not found", opaque_of(BENCH_INCR, 1, 0));
    expect_answer(&work, &incr, 0, 1);
    restart();
    add_header(0x81, 0x05, 0, 0, 0, 8, opaque_of(BENCH_INCR, 1, 0));
    add_bytes("\0\0\0\0\0\0\0\5", 8);
    expect_wrong(&work, incr);
}

static void test_refusals(void **state)
{
    static const uint64_t numbers[] = {3, 4};
    static const char words[] = "out of memory storing object";
    struct bench_work work = rig_work(BENCH_BINARY);
    const struct bench_request set = rig_request(BENCH_SET, 1);
    const struct bench_request many = rig_many(2, numbers);

    (void)state;
    restart();
    add_words(0x01, 0x82, words, opaque_of(BENCH_SET, 1, 0));
    rig_assert_answer(&work, set, &text, BENCH_ANSWER_REFUSED, 0, 0);
    rig_assert_splits(&work, &set, &text, BENCH_ANSWER_REFUSED);
    restart();
    add_words(0x0d, 0x82, words, opaque_of(BENCH_GET, 3, 0));
    add_hit(&work, true, 4, 1);
    add_noop(0x81, BENCH_GET, 3);
    rig_assert_answer(&work, many, &text, BENCH_ANSWER_REFUSED, 1, 0);
    rig_assert_splits(&work, &many, &text, BENCH_ANSWER_REFUSED);
    /* A batch of quiet sets: one of those before. */
    work.noreply = true;
    restart();
    add_words(0x11, 0x82, words, opaque_of(BENCH_SET, 77, 0));
    add_noop(0x81, BENCH_SET, 1);
    rig_assert_answer(&work, set, &text, BENCH_ANSWER_REFUSED, 0, 0);
    rig_assert_splits(&work, &set, &text, BENCH_ANSWER_REFUSED);
    restart();
    add_noop(0x81, BENCH_SET, 1);
    expect_answer(&work, &set, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),           cmocka_unit_test(test_sets),
        cmocka_unit_test(test_requests_have_room), cmocka_unit_test(test_gets),
        cmocka_unit_test(test_multi_gets),         cmocka_unit_test(test_answers_to_others),
        cmocka_unit_test(test_other_answers),      cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
