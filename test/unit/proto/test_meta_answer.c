/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies of the meta protocol, read. */
#include "proto/meta.h"
#include "show.h"

struct answer_row {
    const char *line;
    const char *code; /* "": an error */
    uint64_t value_size;
    const char *flags;
};

static const struct answer_row rows[] = {
    {"VA 2", "VA", 2, ""},
    {"VA 1073741824 s2 t-1 W", "VA", 1073741824, " s2 t-1 W"},
    {"HD", "HD", 0, ""},
    {"HD kfoo Oabc", "HD", 0, " kfoo Oabc"},
    {"EN", "EN", 0, ""},
    {"NS c0", "NS", 0, " c0"},
    {"EX", "EX", 0, ""},
    {"NF", "NF", 0, ""},
    {"MN", "MN", 0, ""},
    {"ME k exp=-1 la=0", "ME", 0, " k exp=-1 la=0"},
    {"ERROR", "", 0, "ERROR"},
    {"CLIENT_ERROR invalid flag", "", 0, "CLIENT_ERROR invalid flag"},
    {"SERVER_ERROR out of memory", "", 0, "SERVER_ERROR out of memory"},
};

static void answers_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t size = strlen(rows[i].line);
        struct proto_meta_answer answer;
        size_t consumed = 0;
        char input[256];

        memcpy(input, rows[i].line, size);
        memcpy(input + size, "\r\nhi\r\n", 6);
        for (size_t cut = 0; cut < size + 2; cut++) {
            assert_int_equal(
                proto_meta_parse_answer((struct base_slice){input, cut}, &answer, &consumed),
                PROTO_MORE);
        }
        assert_int_equal(
            proto_meta_parse_answer((struct base_slice){input, size + 6}, &answer, &consumed),
            PROTO_DONE);
        assert_int_equal(consumed, size + 2);
        assert_int_equal(answer.is_error, rows[i].code[0] == '\0');
        assert_memory_equal(answer.code, answer.is_error ? "\0\0" : rows[i].code, 2);
        assert_true(answer.value_size == rows[i].value_size);
        assert_int_equal(answer.flags.size, strlen(rows[i].flags));
        assert_true(memcmp(answer.flags.data, rows[i].flags, answer.flags.size) == 0);
    }
}

static void nonsense_closes(void **state)
{
    static const char *const bad[] = {
        "\r\n",      "\n",         "HD\n",   "VA\r\n",  "VA x\r\n", "VA 1073741825\r\n",
        "VA -1\r\n", "STORED\r\n", "hd\r\n", "HDX\r\n", "H\r\n",    "ERRORS\r\n",
    };
    static char endless[BASE_REQUEST_LINE_MAX + 1];
    struct proto_meta_answer answer;
    size_t consumed;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(proto_meta_parse_answer((struct base_slice){bad[i], strlen(bad[i])},
                                                 &answer, &consumed),
                         PROTO_CLOSE);
    }
    assert_int_equal(
        proto_meta_parse_answer((struct base_slice){endless, sizeof(endless)}, &answer, &consumed),
        PROTO_CLOSE);
    assert_int_equal(proto_meta_parse_answer((struct base_slice){endless, sizeof(endless) - 1},
                                             &answer, &consumed),
                     PROTO_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_understood),
        cmocka_unit_test(nonsense_closes),
    };

    return cmocka_run_group_tests_name("proto-meta-answer", tests, NULL, NULL);
}
