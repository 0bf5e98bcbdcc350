/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies of the text protocol, read. */
#include "show.h"

struct answer_row {
    const char *line;
    enum proto_answer_kind kind;
    enum proto_status status;
    const char *key;
    const char *text;    /* NULL: the whole line */
    uint64_t numbers[4]; /* flags, size, cas, number */
};

static const struct answer_row rows[] = {
    {"END", PROTO_ANSWER_END, PROTO_STATUS_OK, "", NULL, {0}},
    {"STORED", PROTO_ANSWER_STATUS, PROTO_STATUS_STORED, "", NULL, {0}},
    {"NOT_STORED", PROTO_ANSWER_STATUS, PROTO_STATUS_NOT_STORED, "", NULL, {0}},
    {"EXISTS", PROTO_ANSWER_STATUS, PROTO_STATUS_EXISTS, "", NULL, {0}},
    {"NOT_FOUND", PROTO_ANSWER_STATUS, PROTO_STATUS_MISS, "", NULL, {0}},
    {"DELETED", PROTO_ANSWER_STATUS, PROTO_STATUS_DELETED, "", NULL, {0}},
    {"TOUCHED", PROTO_ANSWER_STATUS, PROTO_STATUS_TOUCHED, "", NULL, {0}},
    {"OK", PROTO_ANSWER_STATUS, PROTO_STATUS_OK, "", NULL, {0}},
    {"RESET", PROTO_ANSWER_STATUS, PROTO_STATUS_OK, "", NULL, {0}},
    {"VALUE k 1 2", PROTO_ANSWER_VALUE, PROTO_STATUS_HIT, "k", NULL, {1, 2, 0, 0}},
    {"VALUE k 4294967295 1073741824 18446744073709551615",
     PROTO_ANSWER_VALUE,
     PROTO_STATUS_HIT,
     "k",
     NULL,
     {4294967295, 1073741824, UINT64_MAX, 0}},
    {"VALUE " K250 " 0 0", PROTO_ANSWER_VALUE, PROTO_STATUS_HIT, K250, NULL, {0}},
    {"STAT pid 12", PROTO_ANSWER_STAT, PROTO_STATUS_OK, "pid", "12", {0}},
    {"STAT version a b  c", PROTO_ANSWER_STAT, PROTO_STATUS_OK, "version", "a b  c", {0}},
    {"STAT empty ", PROTO_ANSWER_STAT, PROTO_STATUS_OK, "empty", "", {0}},
    {"STAT empty", PROTO_ANSWER_STAT, PROTO_STATUS_OK, "empty", "", {0}},
    {"42", PROTO_ANSWER_NUMBER, PROTO_STATUS_NUMBER, "", NULL, {0, 0, 0, 42}},
    {"18446744073709551615",
     PROTO_ANSWER_NUMBER,
     PROTO_STATUS_NUMBER,
     "",
     NULL,
     {0, 0, 0, UINT64_MAX}},
    {"5  ", PROTO_ANSWER_NUMBER, PROTO_STATUS_NUMBER, "", NULL, {0, 0, 0, 5}},
    {"ERROR", PROTO_ANSWER_ERROR, PROTO_STATUS_ERROR, "", NULL, {0}},
    {"ERROR: shutdown not enabled", PROTO_ANSWER_ERROR, PROTO_STATUS_ERROR, "", NULL, {0}},
    {"ERROR Too many open connections", PROTO_ANSWER_ERROR, PROTO_STATUS_ERROR, "", NULL, {0}},
    {"CLIENT_ERROR bad data chunk", PROTO_ANSWER_ERROR, PROTO_STATUS_ERROR, "", NULL, {0}},
    {"SERVER_ERROR out of memory", PROTO_ANSWER_ERROR, PROTO_STATUS_ERROR, "", NULL, {0}},
    {"VERSION 1.6.38", PROTO_ANSWER_OTHER, PROTO_STATUS_OK, "", NULL, {0}},
    {"BUSY currently processing crawler request",
     PROTO_ANSWER_OTHER,
     PROTO_STATUS_OK,
     "",
     NULL,
     {0}},
};

static void assert_slice(struct base_slice slice, const char *expected)
{
    assert_int_equal(slice.size, strlen(expected));
    assert_true(slice.size == 0 || memcmp(slice.data, expected, slice.size) == 0);
}

static void answers_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t size = strlen(rows[i].line);
        struct proto_answer answer;
        size_t consumed = 0;
        char input[512];

        memcpy(input, rows[i].line, size);
        memcpy(input + size, "\r\nEND\r\n", 7);
        for (size_t cut = 0; cut < size + 2; cut++) {
            assert_int_equal(
                proto_text_parse_answer((struct base_slice){input, cut}, &answer, &consumed),
                PROTO_MORE);
        }
        assert_int_equal(
            proto_text_parse_answer((struct base_slice){input, size + 7}, &answer, &consumed),
            PROTO_DONE);
        assert_int_equal(consumed, size + 2);
        assert_int_equal(answer.kind, rows[i].kind);
        assert_int_equal(answer.status, rows[i].status);
        assert_slice(answer.key, rows[i].key);
        assert_slice(answer.text, rows[i].text == NULL ? rows[i].line : rows[i].text);
        assert_int_equal(answer.client_flags, rows[i].numbers[0]);
        assert_true(answer.value_size == rows[i].numbers[1]);
        assert_true(answer.cas == rows[i].numbers[2]);
        assert_true(answer.number == rows[i].numbers[3]);
    }
}

static void nonsense_closes(void **state)
{
    static const char *const bad[] = {
        "\r\n",
        "\n",
        "END\n",
        "VALUE k 1\r\n",
        "VALUE k 1 x\r\n",
        "VALUE k x 1\r\n",
        "VALUE k 4294967296 1\r\n",
        "VALUE k 1 1073741825\r\n",
        "VALUE k 1 18446744073709551616\r\n",
        "VALUE k 1 2 x\r\n",
        "VALUE k 1 2 3 4\r\n",
        "VALUE " K251 " 1 2\r\n",
        "VALUE\r\n",
        "STAT\r\n",
        "5 x\r\n",
    };
    static char endless[BASE_REQUEST_LINE_MAX + 1];
    struct proto_answer answer;
    size_t consumed;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(proto_text_parse_answer((struct base_slice){bad[i], strlen(bad[i])},
                                                 &answer, &consumed),
                         PROTO_CLOSE);
    }
    assert_int_equal(
        proto_text_parse_answer((struct base_slice){endless, sizeof(endless)}, &answer, &consumed),
        PROTO_CLOSE);
    assert_int_equal(proto_text_parse_answer((struct base_slice){endless, sizeof(endless) - 1},
                                             &answer, &consumed),
                     PROTO_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_understood),
        cmocka_unit_test(nonsense_closes),
    };

    return cmocka_run_group_tests_name("proto-text-answer", tests, NULL, NULL);
}
