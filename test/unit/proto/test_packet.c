/* SPDX-License-Identifier: BSD-3-Clause */
/* Gets known by heart: the same as what the parser and the writer say of them, and of nothing else. */
#include <stdlib.h>

#include "proto/packet.h"
#include "show.h"

enum { ROOM = 512 };

static size_t build(char *out, const struct proto_binary_header *header)
{
    char *end = proto_binary_put_header(out, header);

    memset(end, 'k', 300);
    return (size_t)(end - out) + header->body_size;
}

/* In memory of its own. Returns whether it is a plain get, which the parser has to say, too. */
static bool is_plain(const char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    struct base_slice key = {0};
    struct proto_request request;
    struct proto_binary_refusal refusal;
    size_t consumed = 0;
    const char *end;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    end = proto_packet_get(copy, copy + size, &key);
    if (end != NULL) {
        assert_int_equal(
            proto_binary_parse((struct base_slice){copy, size}, &request, &consumed, &refusal),
            PROTO_DONE);
        assert_int_equal(request.op, PROTO_OP_GET);
        assert_int_equal(consumed, end - copy);
        assert_true(base_slice_equal(request.key, key));
        assert_int_equal(proto_packet_opcode(key.data), request.binary_opcode);
    }
    free(copy);
    return end != NULL;
}

static struct proto_binary_header get_header(uint8_t opcode, uint16_t key_size)
{
    return (struct proto_binary_header){.magic = 0x80,
                                        .opcode = opcode,
                                        .key_size = key_size,
                                        .status = 0xabcd,
                                        .body_size = key_size,
                                        .opaque = 0x01020304,
                                        .cas = 5};
}

static void only_gets_are_taken(void **state)
{
    (void)state;
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        const struct proto_binary_header header = get_header((uint8_t)opcode, 3);
        char bytes[ROOM];
        const size_t size = build(bytes, &header);
        const bool is_get = opcode == 0 || opcode == 9 || opcode == 0x0c || opcode == 0x0d;

        assert_int_equal(is_plain(bytes, size), is_get);
        assert_int_equal(is_plain(bytes, size + 5), is_get);
        for (size_t cut = 0; cut < size; cut++) {
            assert_false(is_plain(bytes, cut));
        }
    }
}

static void other_headers_are_not(void **state)
{
    char bytes[ROOM];
    struct proto_binary_header header = get_header(0, 250);

    (void)state;
    assert_true(is_plain(bytes, build(bytes, &header)));
    header = get_header(0, 251);
    assert_false(is_plain(bytes, build(bytes, &header)));
    header = get_header(0, 0);
    assert_false(is_plain(bytes, build(bytes, &header)));
    header = get_header(0, 3);
    header.body_size = 4;
    assert_false(is_plain(bytes, build(bytes, &header)));
    header.body_size = 2;
    assert_false(is_plain(bytes, build(bytes, &header)));
    header = get_header(0, 3);
    header.extras_size = 4;
    header.body_size = 7;
    assert_false(is_plain(bytes, build(bytes, &header)));
    header = get_header(0, 3);
    header.magic = 0x81;
    assert_false(is_plain(bytes, build(bytes, &header)));
    header = get_header(0, 3);
    header.data_type = 0xff; /* ignored */
    assert_true(is_plain(bytes, build(bytes, &header)));
}

static void hits_are_those_of_the_writer(void **state)
{
    static const uint8_t opcodes[] = {0x00, 0x09, 0x0c, 0x0d};

    (void)state;
    for (size_t i = 0; i < sizeof(opcodes); i++) {
        const struct proto_binary_header header = get_header(opcodes[i], 250);
        const struct proto_reply reply = {.status = PROTO_STATUS_HIT,
                                          .client_flags = 0xa1b2c3d4,
                                          .cas = 0x1122334455667788,
                                          .value_size = 0x12345678};
        char bytes[ROOM];
        char expected[PROTO_BINARY_REPLY_MAX];
        char out[PROTO_BINARY_REPLY_MAX];
        struct proto_request request;
        struct proto_binary_refusal refusal;
        struct base_slice key = {bytes, 0};
        size_t consumed;
        const size_t size = build(bytes, &header);

        assert_int_equal(
            proto_binary_parse((struct base_slice){bytes, size}, &request, &consumed, &refusal),
            PROTO_DONE);
        assert_non_null(proto_packet_get(bytes, bytes + size, &key));
        const size_t expected_size = proto_binary_write_reply(expected, &request, &reply);
        const char *end =
            proto_packet_put_hit(out, key, reply.client_flags, reply.cas, reply.value_size);

        assert_int_equal(end - out, expected_size);
        assert_memory_equal(out, expected, expected_size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_gets_are_taken),
        cmocka_unit_test(other_headers_are_not),
        cmocka_unit_test(hits_are_those_of_the_writer),
    };

    return cmocka_run_group_tests_name("proto-packet", tests, NULL, NULL);
}
