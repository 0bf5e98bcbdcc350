/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of the binary protocol. Every row of binary.def is tried with the form it names and with
 * every other, cut at every byte.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proto/binary.h"
#include "show.h"

enum { PACKET_MAX = 1024 };

static const char EXTRAS[] = "\0\0\0\7\0\0\0\11"
                             "\0\0\0\0\0\0\0\5"
                             "\0\0\0\74";

/* A request: its header tells the truth. */
struct packet {
    uint8_t opcode;
    uint8_t extras_size;
    struct base_slice key;
    size_t value_size;
    uint64_t cas;
};

static size_t build(char *out, const struct packet *packet)
{
    const struct proto_binary_header header = {
        .magic = PROTO_BINARY_REQUEST_MAGIC,
        .opcode = packet->opcode,
        .key_size = (uint16_t)packet->key.size,
        .extras_size = packet->extras_size,
        .status = 0x1234,
        .body_size = (uint32_t)(packet->extras_size + packet->key.size + packet->value_size),
        .opaque = 0xdeadbeef,
        .cas = packet->cas,
    };
    char *at = proto_binary_put_header(out, &header);

    memset(at, 0, packet->extras_size);
    memcpy(at, EXTRAS, packet->extras_size < sizeof(EXTRAS) ? packet->extras_size : sizeof(EXTRAS));
    at += packet->extras_size;
    if (packet->key.size > 0) {
        memcpy(at, packet->key.data, packet->key.size);
    }
    at += packet->key.size;
    memset(at, 'v', packet->value_size);
    return (size_t)(at - out) + packet->value_size;
}

struct parsed {
    enum proto_parse parse;
    struct proto_request request;
    size_t consumed;
    struct proto_binary_refusal refusal;
};

/* In memory of its own, so that a sanitizer sees every byte that is read behind it. */
static struct parsed parse(const char *bytes, size_t size)
{
    struct parsed parsed = {.consumed = 0};
    char *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    memset(&parsed.request, 0x5a, sizeof(parsed.request));
    parsed.parse = proto_binary_parse((struct base_slice){copy, size}, &parsed.request,
                                      &parsed.consumed, &parsed.refusal);
    if (parsed.parse == PROTO_DONE) {
        struct proto_request kept;

        proto_request_keep(&kept, &parsed.request); /* the slices point into the copy */
        parsed.request = kept;
        parsed.request.key.data = NULL; /* see key_of() */
    }
    free(copy);
    return parsed;
}

/* Of a request that has been copied about. */
static struct base_slice key_of(const struct proto_request *request)
{
    return (struct base_slice){request->key_bytes, request->key.size};
}

struct row {
    struct packet packet;
    enum proto_op op;
    uint32_t flags;
};

#define ROW(name, extras, size, op, want)                                                          \
    {                                                                                              \
        {PROTO_BINARY_##name, extras, {"key", 3}, size, 0}, PROTO_OP_##op, want                    \
    }
#define BARE_ROW(name, extras, op, want)                                                           \
    {                                                                                              \
        {PROTO_BINARY_##name, extras, {NULL, 0}, 0, 0}, PROTO_OP_##op, want                        \
    }
#define Q PROTO_FLAG_QUIET
#define C PROTO_FLAG_CAS_RETURN
#define V PROTO_FLAG_VALUE
#define K PROTO_FLAG_KEY_RETURN
#define T PROTO_FLAG_TTL_SET
#define N PROTO_FLAG_VIVIFY

/* Written by hand, so that a wrong row of the table is seen. */
static const struct row ROWS[] = {
    ROW(GET, 0, 0, GET, V | C),
    ROW(GETQ, 0, 0, GET, V | C | Q),
    ROW(GETK, 0, 0, GET, V | C | K),
    ROW(GETKQ, 0, 0, GET, V | C | K | Q),
    ROW(GAT, 4, 0, GET, V | C | T),
    ROW(GATQ, 4, 0, GET, V | C | T | Q),
    ROW(GATK, 4, 0, GET, V | C | T | K),
    ROW(GATKQ, 4, 0, GET, V | C | T | K | Q),
    ROW(SET, 8, 5, STORE, C),
    ROW(SETQ, 8, 5, STORE, Q),
    ROW(ADD, 8, 0, STORE, C),
    ROW(ADDQ, 8, 5, STORE, Q),
    ROW(REPLACE, 8, 5, STORE, C),
    ROW(REPLACEQ, 8, 5, STORE, Q),
    ROW(APPEND, 0, 5, STORE, C),
    ROW(APPENDQ, 0, 5, STORE, Q),
    ROW(PREPEND, 0, 5, STORE, C),
    ROW(PREPENDQ, 0, 0, STORE, Q),
    ROW(DELETE, 0, 0, DELETE, C),
    ROW(DELETEQ, 0, 0, DELETE, Q),
    ROW(INCREMENT, 20, 0, ARITH, C | N),
    ROW(INCREMENTQ, 20, 0, ARITH, Q | N),
    ROW(DECREMENT, 20, 0, ARITH, C | N),
    ROW(DECREMENTQ, 20, 0, ARITH, Q | N),
    ROW(TOUCH, 4, 0, TOUCH, C | T),
    ROW(STAT, 0, 0, STATS, C),
    BARE_ROW(STAT, 0, STATS, C),
    BARE_ROW(FLUSH, 0, FLUSH_ALL, C),
    BARE_ROW(FLUSH, 4, FLUSH_ALL, C),
    BARE_ROW(FLUSHQ, 0, FLUSH_ALL, Q),
    BARE_ROW(FLUSHQ, 4, FLUSH_ALL, Q),
    BARE_ROW(QUIT, 0, QUIT, C),
    BARE_ROW(QUITQ, 0, QUIT, Q),
    BARE_ROW(NOOP, 0, NOOP, C),
    BARE_ROW(VERSION, 0, VERSION, C),
    BARE_ROW(VERBOSITY, 4, VERBOSITY, C),
    BARE_ROW(SASL_LIST_MECHS, 0, SASL_LIST, C),
    ROW(SASL_AUTH, 0, 9, SASL_AUTH, C),
    ROW(SASL_STEP, 0, 0, SASL_STEP, C),
};

enum { ROW_COUNT = sizeof(ROWS) / sizeof(ROWS[0]) };

static void check_row(const struct row *row, const char *bytes, size_t size)
{
    const struct packet *packet = &row->packet;
    const struct parsed parsed = parse(bytes, size);
    const struct proto_request *request = &parsed.request;

    assert_int_equal(parsed.parse, PROTO_DONE);
    assert_int_equal(parsed.consumed,
                     PROTO_BINARY_HEADER_SIZE + packet->extras_size + packet->key.size);
    assert_int_equal(request->dialect, PROTO_BINARY);
    assert_int_equal(request->op, row->op);
    assert_int_equal(request->flags, row->flags);
    assert_int_equal(request->binary_opcode, packet->opcode);
    assert_int_equal(request->binary_opaque, 0xdeadbeef);
    assert_int_equal(request->vbucket, 0x1234);
    assert_int_equal(request->value_size, packet->value_size);
    assert_false(request->noreply);
    assert_true(base_slice_equal(key_of(request), packet->key));
}

/* Whole, with more behind it, and cut at every byte of what is not the value. */
static void every_opcode_has_its_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct packet *packet = &ROWS[i].packet;
        char bytes[PACKET_MAX];
        const size_t size = build(bytes, packet);
        const size_t start = size - packet->value_size;

        memset(bytes + size, 0x80, 8);
        check_row(&ROWS[i], bytes, size + 8);
        for (size_t cut = start; cut <= size; cut++) {
            check_row(&ROWS[i], bytes, cut);
        }
        for (size_t cut = 0; cut < start; cut++) {
            assert_int_equal(parse(bytes, cut).parse, PROTO_MORE);
        }
    }
}

static void every_row_of_the_table_is_tried(void **state)
{
    bool tried[256] = {false};

    (void)state;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        tried[ROWS[i].packet.opcode] = true;
    }
    for (unsigned i = 0; i < 256; i++) {
        assert_int_equal(tried[i], proto_binary_opcode_name((uint8_t)i) != NULL);
    }
    assert_string_equal(proto_binary_opcode_name(0x0d), "GETKQ");
}

static bool is_a_form(const struct packet *packet)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct packet *form = &ROWS[i].packet;

        if (form->opcode == packet->opcode && form->extras_size == packet->extras_size &&
            (form->key.size > 0) == (packet->key.size > 0) &&
            (packet->value_size == 0 || ROWS[i].op == PROTO_OP_STORE ||
             ROWS[i].op == PROTO_OP_SASL_AUTH || ROWS[i].op == PROTO_OP_SASL_STEP)) {
            return true;
        }
    }
    return false;
}

static void other_forms_close_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        for (unsigned form = 0; form < 4 * 22; form++) {
            const struct packet packet = {
                .opcode = ROWS[i].packet.opcode,
                .extras_size = (uint8_t)(form / 4),
                .key = (form & 1) != 0 ? BASE_SLICE("key") : (struct base_slice){0},
                .value_size = (form & 2) != 0 ? 3 : 0,
            };
            char bytes[PACKET_MAX];
            const struct parsed parsed = parse(bytes, build(bytes, &packet));

            if (is_a_form(&packet)) {
                assert_int_equal(parsed.parse, PROTO_DONE);
                continue;
            }
            assert_int_equal(parsed.parse, PROTO_BAD);
            assert_int_equal(parsed.refusal.error, PROTO_ERROR_BAD_FORMAT);
            assert_true(parsed.refusal.closes);
            assert_int_equal(parsed.request.binary_opcode, packet.opcode);
        }
    }
}

static void unknown_opcodes_are_skipped(void **state)
{
    (void)state;
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        const struct packet packet = {(uint8_t)opcode, 4, BASE_SLICE("key"), 7, 0};
        char bytes[PACKET_MAX];
        const struct parsed parsed = parse(bytes, build(bytes, &packet));

        if (proto_binary_opcode_name((uint8_t)opcode) != NULL) {
            continue;
        }
        assert_int_equal(parsed.parse, PROTO_BAD);
        assert_int_equal(parsed.refusal.error, PROTO_ERROR_UNKNOWN);
        assert_false(parsed.refusal.closes);
        assert_int_equal(parsed.consumed + parsed.refusal.swallow, PROTO_BINARY_HEADER_SIZE + 14);
        assert_int_equal(parsed.request.binary_opaque, 0xdeadbeef);
    }
}

static void another_first_byte_is_another_protocol(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        const char byte = (char)first;

        assert_int_equal(parse(&byte, 1).parse,
                         first == PROTO_BINARY_REQUEST_MAGIC ? PROTO_MORE : PROTO_CLOSE);
    }
    assert_int_equal(parse("", 0).parse, PROTO_MORE);
}

struct lie {
    struct proto_binary_header header;
    enum proto_error error;
};

/* Told by the header alone: nothing it promises is waited for. */
static void lengths_that_lie_are_refused_at_once(void **state)
{
    static const struct lie lies[] = {
        {{.opcode = 0x00, .key_size = 4, .body_size = 3}, PROTO_ERROR_UNKNOWN},
        {{.opcode = 0x00, .key_size = 65535}, PROTO_ERROR_UNKNOWN},
        {{.opcode = 0x01, .key_size = 1, .extras_size = 8, .body_size = 8}, PROTO_ERROR_UNKNOWN},
        {{.opcode = 0x0a, .extras_size = 255}, PROTO_ERROR_UNKNOWN},
        {{.opcode = 0xff, .key_size = 1}, PROTO_ERROR_UNKNOWN},
        {{.opcode = 0x00, .key_size = 251, .body_size = 251}, PROTO_ERROR_BAD_FORMAT},
        {{.opcode = 0x00, .key_size = 65535, .body_size = 65535}, PROTO_ERROR_BAD_FORMAT},
        {{.opcode = 0x01, .key_size = 1, .extras_size = 8, .body_size = UINT32_MAX},
         PROTO_ERROR_BAD_FORMAT},
        {{.opcode = 0x01, .key_size = 1, .extras_size = 8, .body_size = (1 << 30) + 1},
         PROTO_ERROR_BAD_FORMAT},
        {{.opcode = 0xff, .body_size = UINT32_MAX}, PROTO_ERROR_BAD_FORMAT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        char bytes[PROTO_BINARY_HEADER_SIZE];
        struct proto_binary_header header = lies[i].header;

        header.magic = PROTO_BINARY_REQUEST_MAGIC;
        (void)proto_binary_put_header(bytes, &header);
        const struct parsed parsed = parse(bytes, sizeof(bytes));

        assert_int_equal(parsed.parse, PROTO_BAD);
        assert_int_equal(parsed.refusal.error, lies[i].error);
        assert_true(parsed.refusal.closes);
    }
}

static void the_longest_key_and_value_are_taken(void **state)
{
    const struct packet packet = {PROTO_BINARY_SETQ, 8, BASE_SLICE(K250), 3, 0};
    char bytes[PACKET_MAX];
    struct proto_binary_header header;

    (void)state;
    (void)build(bytes, &packet);
    header = proto_binary_read_header(bytes);
    header.body_size = 1 << 30;
    (void)proto_binary_put_header(bytes, &header);
    const struct parsed parsed = parse(bytes, 24 + 8 + 250);

    assert_int_equal(parsed.parse, PROTO_DONE);
    assert_int_equal(parsed.request.value_size, (1 << 30) - 258);
    assert_true(base_slice_equal(key_of(&parsed.request), BASE_SLICE(K250)));
}

static struct proto_request done(const struct packet *packet)
{
    char bytes[PACKET_MAX];
    const struct parsed parsed = parse(bytes, build(bytes, packet));

    assert_int_equal(parsed.parse, PROTO_DONE);
    return parsed.request;
}

static void extras_are_numbers(void **state)
{
    struct proto_request request;

    (void)state;
    request = done(&(struct packet){PROTO_BINARY_REPLACE, 8, BASE_SLICE("k"), 1, 0});
    assert_int_equal(request.client_flags, 7);
    assert_int_equal(request.exptime, 9);
    assert_int_equal(request.mode, PROTO_STORE_REPLACE);
    request = done(&(struct packet){PROTO_BINARY_PREPENDQ, 0, BASE_SLICE("k"), 1, 0});
    assert_int_equal(request.client_flags, 0);
    assert_int_equal(request.exptime, 0);
    assert_int_equal(request.mode, PROTO_STORE_PREPEND);
    request = done(&(struct packet){PROTO_BINARY_DECREMENT, 20, BASE_SLICE("k"), 0, 0});
    assert_true(request.decrement);
    assert_int_equal(request.delta, 0x0000000700000009);
    assert_int_equal(request.initial, 5);
    assert_int_equal(request.vivify_exptime, 60);
    request = done(&(struct packet){PROTO_BINARY_INCREMENTQ, 20, BASE_SLICE("k"), 0, 0});
    assert_false(request.decrement);
    request = done(&(struct packet){PROTO_BINARY_GATKQ, 4, BASE_SLICE("k"), 0, 0});
    assert_int_equal(request.exptime, 7);
    request = done(&(struct packet){.opcode = PROTO_BINARY_FLUSH, .extras_size = 4});
    assert_int_equal(request.exptime, 7);
    request = done(&(struct packet){.opcode = PROTO_BINARY_FLUSHQ});
    assert_int_equal(request.exptime, 0);
    request = done(&(struct packet){.opcode = PROTO_BINARY_VERBOSITY, .extras_size = 4});
    assert_int_equal(request.delta, 7);
}

/* Times are unsigned here: what text calls -1 is a day of the year 2106. */
static void all_ones_is_late_or_never(void **state)
{
    char bytes[PACKET_MAX];
    const struct packet touch = {PROTO_BINARY_TOUCH, 4, BASE_SLICE("k"), 0, 0};
    const struct packet incr = {PROTO_BINARY_INCREMENT, 20, BASE_SLICE("k"), 0, 0};
    size_t size = build(bytes, &touch);

    (void)state;
    memset(bytes + PROTO_BINARY_HEADER_SIZE, 0xff, 4);
    assert_int_equal(parse(bytes, size).request.exptime, UINT32_MAX);
    size = build(bytes, &incr);
    memset(bytes + PROTO_BINARY_HEADER_SIZE + 16, 0xff, 4);
    assert_int_equal(parse(bytes, size).request.flags, C); /* nothing is created */
}

static void a_cas_is_a_condition(void **state)
{
    struct packet packet = {PROTO_BINARY_DELETE, 0, BASE_SLICE("k"), 0, UINT64_MAX - 1};
    struct proto_request request = done(&packet);

    (void)state;
    assert_int_equal(request.flags, C | PROTO_FLAG_CAS_COMPARE);
    assert_int_equal(request.cas, UINT64_MAX - 1);
    packet.cas = 0;
    request = done(&packet);
    assert_int_equal(request.flags, C);
    assert_int_equal(request.cas, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_opcode_has_its_form),
        cmocka_unit_test(every_row_of_the_table_is_tried),
        cmocka_unit_test(other_forms_close_the_connection),
        cmocka_unit_test(unknown_opcodes_are_skipped),
        cmocka_unit_test(another_first_byte_is_another_protocol),
        cmocka_unit_test(lengths_that_lie_are_refused_at_once),
        cmocka_unit_test(the_longest_key_and_value_are_taken),
        cmocka_unit_test(extras_are_numbers),
        cmocka_unit_test(all_ones_is_late_or_never),
        cmocka_unit_test(a_cas_is_a_condition),
    };

    return cmocka_run_group_tests_name("proto-binary", tests, NULL, NULL);
}
