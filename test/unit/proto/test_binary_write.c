/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replies of the binary protocol: an opcode and what happened, to bytes. The bytes are those that
 * memcached 1.6.38 sent when it was asked.
 */
#include <stdio.h>

#include "proto/binary.h"
#include "show.h"

enum { SHOWN_MAX = 2 * PROTO_BINARY_REPLY_MAX + 16 };

struct write_row {
    uint8_t opcode;
    struct proto_reply reply;
    const char *expected; /* hexadecimal, blanks for the eye; "": nothing */
};

/* A request of the opcode for the key "key", parsed. */
static void make_request(uint8_t opcode, struct proto_request *ret_request)
{
    static const uint8_t sizes[] = {0, 4, 8, 20};
    struct proto_binary_refusal refusal;
    enum proto_parse parse = PROTO_BAD;

    for (unsigned form = 0; form < 8 && parse != PROTO_DONE; form++) {
        static char bytes[64];
        const uint16_t key_size = (form & 1) != 0 ? 3 : 0;
        const uint8_t extras_size = sizes[form / 2];
        struct proto_binary_header header = {
            .magic = PROTO_BINARY_REQUEST_MAGIC,
            .opcode = opcode,
            .key_size = key_size,
            .extras_size = extras_size,
            .body_size = (uint32_t)key_size + extras_size,
            .opaque = 0x01020304,
        };
        char *at = proto_binary_put_header(bytes, &header);
        size_t consumed;

        memset(at, 0, extras_size);
        memcpy(at + extras_size, "key", 3);
        parse = proto_binary_parse((struct base_slice){bytes, sizeof(bytes)}, ret_request,
                                   &consumed, &refusal);
    }
    if (parse != PROTO_DONE) { /* an opcode that is none */
        ret_request->op = PROTO_OP_NOOP;
    }
}

static void show(const char *bytes, size_t size, char *out)
{
    static const size_t fields[] = {1, 2, 4, 5, 6, 8, 12, 16, 24};
    size_t field = 0;

    for (size_t i = 0; i < size; i++) {
        if (field < sizeof(fields) / sizeof(fields[0]) && i == fields[field]) {
            *out++ = ' ';
            field++;
        }
        out += sprintf(out, "%02x", (unsigned)(unsigned char)bytes[i]);
    }
    *out = '\0';
}

static void check(const struct write_row *row)
{
    char out[PROTO_BINARY_REPLY_MAX];
    char shown[SHOWN_MAX];
    struct proto_request request;
    size_t size;

    make_request(row->opcode, &request);
    size = proto_binary_write_reply(out, &request, &row->reply);
    assert_true(size <= PROTO_BINARY_REPLY_MAX);
    show(out, size, shown);
    if (strcmp(shown, row->expected) != 0) {
        fail_msg("%02x: `%s`, not `%s`", (unsigned)row->opcode, shown, row->expected);
    }
}

#define CHECK_ROWS(rows)                                                                           \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++) {                                \
        check(&(rows)[i]);                                                                         \
    }

#define HIT       .status = PROTO_STATUS_HIT
#define MISS      .status = PROTO_STATUS_MISS
#define STORED    .status = PROTO_STATUS_STORED
#define FAILED    .status = PROTO_STATUS_ERROR
#define OPAQUE    "01020304"
#define NO_CAS    "0000000000000000"
#define NOT_FOUND "4e6f7420666f756e64"
#define EXISTS    "446174612065786973747320666f72206b65792e"

static void gets_answer_flags_and_cas(void **state)
{
    static const struct proto_reply hit = {HIT, .client_flags = 0xa0b0c0d0, .value_size = 5,
                                           .cas = 0x1122334455667788};
    const struct write_row rows[] = {
        {PROTO_BINARY_GET, hit,
         "81 00 0000 04 00 0000 00000009 " OPAQUE " 1122334455667788 a0b0c0d0"},
        {PROTO_BINARY_GETQ, hit,
         "81 09 0000 04 00 0000 00000009 " OPAQUE " 1122334455667788 a0b0c0d0"},
        {PROTO_BINARY_GATKQ, hit,
         "81 24 0003 04 00 0000 0000000c " OPAQUE " 1122334455667788 a0b0c0d06b6579"},
        {PROTO_BINARY_GETK, hit,
         "81 0c 0003 04 00 0000 0000000c " OPAQUE " 1122334455667788 a0b0c0d06b6579"},
        {PROTO_BINARY_GET,
         {MISS},
         "81 00 0000 00 00 0001 00000009 " OPAQUE " " NO_CAS " " NOT_FOUND},
        {PROTO_BINARY_GETK, {MISS}, "81 0c 0003 00 00 0001 00000003 " OPAQUE " " NO_CAS " 6b6579"},
        {PROTO_BINARY_GATK, {MISS}, "81 23 0003 00 00 0001 00000003 " OPAQUE " " NO_CAS " 6b6579"},
        {PROTO_BINARY_GETQ, {MISS}, ""},
        {PROTO_BINARY_GETKQ, {MISS}, ""},
        {PROTO_BINARY_GATQ, {MISS}, ""},
        {PROTO_BINARY_TOUCH,
         {.status = PROTO_STATUS_TOUCHED, .client_flags = 7, .cas = 9, .value_size = 5},
         "81 1c 0000 04 00 0000 00000004 " OPAQUE " 0000000000000009 00000007"},
        {PROTO_BINARY_TOUCH,
         {MISS},
         "81 1c 0000 00 00 0001 00000009 " OPAQUE " " NO_CAS " " NOT_FOUND},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void stores_answer_a_cas_or_why_not(void **state)
{
    static const struct proto_reply refused = {.status = PROTO_STATUS_NOT_STORED};
    static const struct proto_reply exists = {.status = PROTO_STATUS_EXISTS};
    const struct write_row rows[] = {
        {PROTO_BINARY_SET,
         {STORED, .cas = 258},
         "81 01 0000 00 00 0000 00000000 " OPAQUE " 0000000000000102"},
        {PROTO_BINARY_SETQ, {STORED, .cas = 258}, ""},
        {PROTO_BINARY_APPENDQ, {STORED, .cas = 258}, ""},
        {PROTO_BINARY_ADD, refused, "81 02 0000 00 00 0002 00000014 " OPAQUE " " NO_CAS " " EXISTS},
        {PROTO_BINARY_ADDQ, refused,
         "81 12 0000 00 00 0002 00000014 " OPAQUE " " NO_CAS " " EXISTS},
        {PROTO_BINARY_REPLACEQ, refused,
         "81 13 0000 00 00 0001 00000009 " OPAQUE " " NO_CAS " " NOT_FOUND},
        {PROTO_BINARY_PREPEND, refused,
         "81 0f 0000 00 00 0005 0000000b " OPAQUE " " NO_CAS " 4e6f742073746f7265642e"},
        {PROTO_BINARY_SETQ, exists, "81 11 0000 00 00 0002 00000014 " OPAQUE " " NO_CAS " " EXISTS},
        {PROTO_BINARY_SETQ,
         {MISS},
         "81 11 0000 00 00 0001 00000009 " OPAQUE " " NO_CAS " " NOT_FOUND},
        {PROTO_BINARY_DELETE,
         {.status = PROTO_STATUS_DELETED, .cas = 5},
         "81 04 0000 00 00 0000 00000000 " OPAQUE " " NO_CAS},
        {PROTO_BINARY_DELETEQ, {.status = PROTO_STATUS_DELETED}, ""},
        {PROTO_BINARY_DELETEQ,
         {MISS},
         "81 14 0000 00 00 0001 00000009 " OPAQUE " " NO_CAS " " NOT_FOUND},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void numbers_are_eight_bytes(void **state)
{
    static const struct proto_reply number = {
        .status = PROTO_STATUS_NUMBER, .number = 0x0102030405060708, .cas = 3};
    const struct write_row rows[] = {
        {PROTO_BINARY_INCREMENT, number,
         "81 05 0000 00 00 0000 00000008 " OPAQUE " 0000000000000003 0102030405060708"},
        {PROTO_BINARY_DECREMENT,
         {STORED, .number = 5, .cas = 3},
         "81 06 0000 00 00 0000 00000008 " OPAQUE " 0000000000000003 0000000000000005"},
        {PROTO_BINARY_INCREMENTQ, number, ""},
        {PROTO_BINARY_DECREMENTQ, {STORED, .number = 5}, ""},
        {PROTO_BINARY_INCREMENTQ,
         {MISS},
         "81 15 0000 00 00 0001 00000009 " OPAQUE " " NO_CAS " " NOT_FOUND},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void errors_are_never_hidden(void **state)
{
    const struct write_row rows[] = {
        {PROTO_BINARY_NOOP,
         {.status = PROTO_STATUS_OK},
         "81 0a 0000 00 00 0000 00000000 " OPAQUE " " NO_CAS},
        {PROTO_BINARY_FLUSHQ, {.status = PROTO_STATUS_OK}, ""},
        {PROTO_BINARY_FLUSHQ,
         {FAILED, .error = PROTO_ERROR_FLUSH_DISABLED},
         "81 18 0000 00 00 0020 0000000d " OPAQUE " " NO_CAS " 41757468206661696c7572652e"},
        {PROTO_BINARY_SETQ,
         {FAILED, .error = PROTO_ERROR_TOO_LARGE},
         "81 11 0000 00 00 0003 0000000a " OPAQUE " " NO_CAS " 546f6f206c617267652e"},
        {PROTO_BINARY_GETQ,
         {FAILED, .error = PROTO_ERROR_BAD_FORMAT},
         "81 09 0000 00 00 0004 00000011 " OPAQUE " " NO_CAS " 496e76616c696420617267756d656e7473"},
        {PROTO_BINARY_SASL_AUTH,
         {FAILED, .error = PROTO_ERROR_UNKNOWN},
         "81 21 0000 00 00 0081 0000000f " OPAQUE " " NO_CAS " 556e6b6e6f776e20636f6d6d616e64"},
        /* "out of memory storing object" */
        {PROTO_BINARY_ADDQ,
         {FAILED, .error = PROTO_ERROR_NO_MEMORY_STORING},
         "81 12 0000 00 00 0082 0000001c " OPAQUE " " NO_CAS
         " 6f7574206f66206d656d6f72792073746f72696e67206f626a656374"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void every_error_has_a_packet(void **state)
{
    struct proto_request request;

    (void)state;
    make_request(PROTO_BINARY_SET, &request);
    for (unsigned error = 1; error < PROTO_ERROR_COUNT; error++) {
        const struct proto_reply reply = {FAILED, .error = (enum proto_error)error};
        char out[PROTO_BINARY_REPLY_MAX];
        const size_t size = proto_binary_write_reply(out, &request, &reply);
        const struct proto_binary_header header = proto_binary_read_header(out);

        assert_int_not_equal(header.status, 0);
        assert_true(header.body_size > 0);
        assert_int_equal(size, PROTO_BINARY_HEADER_SIZE + header.body_size);
        assert_int_equal(header.opcode, PROTO_BINARY_SET);
        assert_int_equal(header.opaque, 0x01020304);
    }
}

static void statistics_are_packets(void **state)
{
    char out[PROTO_BINARY_REPLY_MAX];
    char shown[SHOWN_MAX];
    struct proto_request request;

    (void)state;
    make_request(PROTO_BINARY_STAT, &request);
    show(out, proto_binary_write_stat(out, &request, BASE_SLICE("pid"), 4), shown);
    assert_string_equal(shown, "81 10 0003 00 00 0000 00000007 " OPAQUE " " NO_CAS " 706964");
    show(out, proto_binary_write_stat(out, &request, BASE_SLICE(""), 0), shown);
    assert_string_equal(shown, "81 10 0000 00 00 0000 00000000 " OPAQUE " " NO_CAS);
    assert_int_equal(proto_binary_write_stat(out, &request, BASE_SLICE(K250 "012345"), 9),
                     24 + 256);
}

static void values_stand_behind_a_header(void **state)
{
    char out[PROTO_BINARY_REPLY_MAX];
    char shown[SHOWN_MAX];
    struct proto_request request;

    (void)state;
    make_request(PROTO_BINARY_SASL_LIST_MECHS, &request);
    show(out, proto_binary_write_value(out, &request, PROTO_BINARY_STATUS_AUTH_CONTINUE, 5), shown);
    assert_string_equal(shown, "81 20 0000 00 00 0021 00000005 " OPAQUE " " NO_CAS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_answer_flags_and_cas),
        cmocka_unit_test(stores_answer_a_cas_or_why_not),
        cmocka_unit_test(numbers_are_eight_bytes),
        cmocka_unit_test(errors_are_never_hidden),
        cmocka_unit_test(every_error_has_a_packet),
        cmocka_unit_test(statistics_are_packets),
        cmocka_unit_test(values_stand_behind_a_header),
    };

    return cmocka_run_group_tests_name("proto-binary-write", tests, NULL, NULL);
}
