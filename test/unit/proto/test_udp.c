/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame of UDP datagrams: what is read, what is a request, how long replies get. */
#include "proto/udp.h"
#include "show.h"

static struct base_slice bytes(const char *data, size_t size)
{
    return (struct base_slice){data, size};
}

#define BYTES(literal) bytes(literal, sizeof(literal) - 1)

static void a_frame_is_read(void **state)
{
    struct proto_udp_frame frame;
    (void)state;
    assert_true(proto_udp_read_frame(BYTES("\x01\x02\x03\x04\x05\x06\x07\x08more"), &frame));
    assert_int_equal(frame.request_id, 0x0102);
    assert_int_equal(frame.sequence, 0x0304);
    assert_int_equal(frame.count, 0x0506);
    assert_int_equal(frame.reserved, 0x0708);
    assert_true(proto_udp_read_frame(BYTES("\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"), &frame));
    assert_int_equal(frame.request_id, 0xfffe);
    assert_int_equal(frame.sequence, 0xfdfc);
    assert_int_equal(frame.count, 0xfbfa);
    assert_int_equal(frame.reserved, 0xf9f8);
}

static void what_is_written_is_read_again(void **state)
{
    const struct proto_udp_frame frame = {
        .request_id = 0x8001, .sequence = 0x7f80, .count = 0xff00, .reserved = 0};
    char out[PROTO_UDP_FRAME_SIZE + 1] = "........!";
    struct proto_udp_frame again;
    (void)state;
    proto_udp_write_frame(out, &frame);
    assert_memory_equal(out, "\x80\x01\x7f\x80\xff\x00\x00\x00!", 9);
    assert_true(proto_udp_read_frame(bytes(out, 8), &again));
    assert_int_equal(again.request_id, frame.request_id);
    assert_int_equal(again.sequence, frame.sequence);
    assert_int_equal(again.count, frame.count);
}

static void every_truncation_is_refused(void **state)
{
    const char whole[] = "\x12\x34\x00\x00\x00\x01\x00\x00get a\r\n";
    (void)state;
    for (size_t size = 0; size <= sizeof(whole) - 1; size++) {
        /* Exactly so long, so that a sanitizer sees what reads behind it. */
        char *cut = malloc(size == 0 ? 1 : size);
        struct proto_udp_frame frame = {.request_id = 7};
        struct base_slice request = {NULL, 99};
        assert_non_null(cut);
        memcpy(cut, whole, size);
        const bool has_frame = proto_udp_read_frame(bytes(cut, size), &frame);
        assert_int_equal(has_frame, size >= 8);
        frame.request_id = 7;
        if (proto_udp_parse(bytes(cut, size), &frame, &request)) {
            assert_true(size > 8);
            assert_int_equal(frame.request_id, 0x1234);
            assert_ptr_equal(request.data, cut + 8);
            assert_int_equal(request.size, size - 8);
        } else {
            assert_true(size <= 8);
            assert_int_equal(frame.request_id, 7); /* untouched */
            assert_int_equal(request.size, 99);
        }
        free(cut);
    }
}

static bool is_request(struct base_slice datagram)
{
    struct proto_udp_frame frame;
    struct base_slice request;
    return proto_udp_parse(datagram, &frame, &request);
}

static void one_datagram_is_a_request(void **state)
{
    (void)state;
    assert_true(is_request(BYTES("\0\0\0\0\0\1\0\0mn\r\n")));
    assert_true(is_request(BYTES("\0\0\0\0\0\1\x12\x34mn\r\n"))); /* reserved: not looked at */
    assert_false(is_request(BYTES("\0\0\0\0\0\0\0\0mn\r\n")));    /* of none */
    assert_false(is_request(BYTES("\0\0\0\0\0\2\0\0mn\r\n")));    /* the first of two */
    assert_false(is_request(BYTES("\0\0\0\1\0\2\0\0mn\r\n")));    /* the second */
    assert_false(is_request(BYTES("\0\0\0\0\1\1\0\0mn\r\n")));    /* of 257 */
    assert_false(is_request(BYTES("\0\0\0\1\0\1\0\0mn\r\n")));    /* behind the last */
    assert_false(is_request(BYTES("\0\0\1\0\0\1\0\0mn\r\n")));
}

static void only_commands_are_requests(void **state)
{
    char datagram[] = "\0\0\0\0\0\1\0\0?x\r\n";
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        datagram[8] = (char)first;
        assert_int_equal(is_request(BYTES(datagram)),
                         (first >= 'a' && first <= 'z') || first == 0x80);
    }
}

static void a_reply_is_as_many_packets_as_it_takes(void **state)
{
    static const struct {
        uint64_t size, packet_count;
    } rows[] = {{0, 0},    {1, 1},    {1392, 1},   {1393, 2},
                {2784, 2}, {2785, 3}, {20000, 15}, {1u << 20, 754}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(proto_udp_packet_count(rows[i].size), rows[i].packet_count);
        assert_int_equal(proto_udp_wire_size(rows[i].size),
                         rows[i].size + rows[i].packet_count * (8 + 28));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_read),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(one_datagram_is_a_request),
        cmocka_unit_test(only_commands_are_requests),
        cmocka_unit_test(a_reply_is_as_many_packets_as_it_takes),
    };

    return cmocka_run_group_tests_name("proto-udp", tests, NULL, NULL);
}
