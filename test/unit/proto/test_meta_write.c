/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replies of the meta protocol: a request line and what happened, to bytes. The bytes are those
 * that memcached 1.6.38 sent when it was asked.
 */
#include "proto/meta.h"
#include "show.h"

struct write_row {
    const char *line;
    struct proto_reply reply;
    const char *expected;
};

static void check(const struct write_row *row)
{
    char out[PROTO_META_REPLY_MAX + 1];
    struct proto_request request;
    struct proto_request kept;
    enum proto_error error;
    uint64_t swallow;
    size_t size;

    assert_int_equal(proto_meta_parse((struct base_slice){row->line, strlen(row->line)}, &request,
                                      &error, &swallow),
                     PROTO_DONE);
    proto_request_keep(&kept, &request);
    memset(&request, 0x5a, sizeof(request)); /* the copy must not lean on it */
    size = proto_meta_write_reply(out, &kept, &row->reply);
    assert_true(size <= PROTO_META_REPLY_MAX);
    out[size] = '\0';
    if (strcmp(out, row->expected) != 0) {
        fail_msg("`%s`: `%s`, not `%s`", row->line, out, row->expected);
    }
}

#define CHECK_ROWS(rows)                                                                           \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++) {                                \
        check(&(rows)[i]);                                                                         \
    }

#define HIT    .status = PROTO_STATUS_HIT
#define MISS   .status = PROTO_STATUS_MISS
#define STORED .status = PROTO_STATUS_STORED
#define NUMBER .status = PROTO_STATUS_NUMBER

static void mg_answers_in_request_order(void **state)
{
    static const struct write_row rows[] = {
        {"mg k", {HIT}, "HD\r\n"},
        {"mg k q", {HIT}, "HD\r\n"},
        {"mg k v", {HIT, .value_size = 2}, "VA 2\r\n"},
        {"mg k v t c s f l h k Oabc q",
         {HIT, .value_size = 2, .ttl_s = 30, .cas = 3, .stale = true, .won = true},
         "VA 2 t30 c3 s2 f0 l0 h0 kk Oabc X W\r\n"},
        {"mg k v", {HIT, .value_size = 2, .token_sent = true, .stale = true}, "VA 2 Z X\r\n"},
        {"mg k N30 s t v", {HIT, .ttl_s = 30, .won = true}, "VA 0 s0 t30 W\r\n"},
        {"mg k s f v t k O",
         {HIT, .value_size = 1, .ttl_s = 40, .client_flags = 4294967295},
         "VA 1 s1 f4294967295 t40 kk O\r\n"},
        {"mg k t", {HIT, .ttl_s = -1}, "HD t-1\r\n"},
        {"mg k h l", {HIT, .hit_before = true, .last_access_ago_s = 17}, "HD h1 l17\r\n"},
        {"mg k c", {HIT, .cas = UINT64_MAX}, "HD c18446744073709551615\r\n"},
        {"mg k x I u C1 E2 M1", {HIT}, "HD\r\n"},
        {"mg Zm9v b k s", {HIT, .value_size = 1}, "HD kZm9v b s1\r\n"},
        {"mg Zm9v b", {HIT}, "HD\r\n"},
        {"mg k s t v c f h l", {MISS}, "EN\r\n"},
        {"mg miss k Ob s v", {MISS}, "EN kmiss Ob\r\n"},
        {"mg miss Ob s k", {MISS}, "EN Ob kmiss\r\n"},
        {"mg Zm9v b k", {MISS}, "EN kZm9v b\r\n"},
        {"mg miss q k", {MISS}, ""},
        {"mg k q",
         {.status = PROTO_STATUS_ERROR, .error = PROTO_ERROR_NO_MEMORY_GET},
         "SERVER_ERROR out of memory writing get response\r\n"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void ms_and_md_answer_codes(void **state)
{
    static const struct write_row rows[] = {
        {"ms k 2", {STORED}, "HD\r\n"},
        {"ms k 2 q", {STORED}, ""},
        {"ms k 2 MA c s", {STORED, .cas = 7, .value_size = 3}, "HD c7 s3\r\n"},
        {"ms k 2 ME c s k Oq q",
         {.status = PROTO_STATUS_NOT_STORED, .value_size = 2},
         "NS c0 s2 kk Oq\r\n"},
        {"ms k 2 C1 c s k q", {.status = PROTO_STATUS_EXISTS, .value_size = 2}, "EX c0 s2 kk\r\n"},
        {"ms k 2 C1 q", {MISS}, "NF\r\n"},
        {"ms Zm9v 1 b k Oq c", {STORED, .cas = 12}, "HD kZm9v b Oq c12\r\n"},
        {"ms k 2 t f v h l", {STORED}, "HD\r\n"},
        {"ms k 2 q",
         {.status = PROTO_STATUS_ERROR, .error = PROTO_ERROR_BAD_DATA_CHUNK},
         "CLIENT_ERROR bad data chunk\r\n"},
        {"md k", {.status = PROTO_STATUS_DELETED}, "HD\r\n"},
        {"md k k Of", {.status = PROTO_STATUS_DELETED}, "HD kk Of\r\n"},
        {"md k k Of q", {.status = PROTO_STATUS_DELETED}, ""},
        {"md Zm9v b k Of q", {MISS}, "NF kZm9v b Of\r\n"},
        {"md n C3 q k s c", {.status = PROTO_STATUS_EXISTS}, "EX kn\r\n"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void ma_answers_numbers(void **state)
{
    static const struct write_row rows[] = {
        {"ma n", {NUMBER, .number = 5}, "HD\r\n"},
        {"ma n q", {NUMBER, .number = 5}, ""},
        {"ma n v q", {NUMBER, .number = 5}, ""},
        {"ma n v", {NUMBER, .number = UINT64_MAX}, "VA 20\r\n18446744073709551615\r\n"},
        {"ma n c v t k Oz s f h l",
         {NUMBER, .number = 7, .cas = 10, .ttl_s = -1},
         "VA 1 c10 t-1 kn Oz\r\n7\r\n"},
        {"ma n t", {NUMBER, .ttl_s = 30}, "HD t30\r\n"},
        {"ma n N0 q c v J5 t k Oz",
         {STORED, .number = 5, .cas = 8, .ttl_s = -1},
         "VA 1 c8 t-1 kn Oz\r\n5\r\n"},
        {"ma n N0 q", {STORED}, "HD\r\n"},
        {"ma nn q k v c", {MISS}, "NF knn\r\n"},
        {"ma n C99 q Oz t", {.status = PROTO_STATUS_EXISTS}, "EX Oz\r\n"},
        {"ma n N1", {.status = PROTO_STATUS_NOT_STORED}, "NS\r\n"},
        {"ma k q",
         {.status = PROTO_STATUS_ERROR, .error = PROTO_ERROR_NON_NUMERIC},
         "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void me_and_mn_answer_one_line(void **state)
{
    static const struct write_row rows[] = {
        {"mn", {.status = PROTO_STATUS_OK}, "MN\r\n"},
        {"mn q", {.status = PROTO_STATUS_OK}, "MN\r\n"},
        {"me n",
         {HIT, .ttl_s = -1, .cas = 11, .class_id = 1, .value_size = 61},
         "ME n exp=-1 la=0 cas=11 fetch=no cls=1 size=61\r\n"},
        {"me Zm9v b",
         {HIT, .ttl_s = 9, .last_access_ago_s = 4, .hit_before = true, .value_size = 63},
         "ME Zm9v exp=9 la=4 cas=0 fetch=yes cls=0 size=63\r\n"},
        {"me n q k", {MISS}, "EN\r\n"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void the_longest_reply_fits(void **state)
{
    static const struct write_row row = {
        "mg " K250 " k v c f h l s t O0123456789abcdefghijklmnopqrstu",
        {HIT, .won = true, .stale = true, .token_sent = true, .client_flags = UINT32_MAX,
         .ttl_s = INT64_MIN, .last_access_ago_s = UINT32_MAX, .value_size = UINT64_MAX,
         .cas = UINT64_MAX},
        "VA 18446744073709551615 k" K250 " c18446744073709551615 f4294967295 h0 l4294967295"
        " s18446744073709551615 t-9223372036854775808 O0123456789abcdefghijklmnopqrstu Z X W\r\n"};

    (void)state;
    check(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mg_answers_in_request_order), cmocka_unit_test(ms_and_md_answer_codes),
        cmocka_unit_test(ma_answers_numbers),          cmocka_unit_test(me_and_mn_answer_one_line),
        cmocka_unit_test(the_longest_reply_fits),
    };

    return cmocka_run_group_tests_name("proto-meta-write", tests, NULL, NULL);
}
