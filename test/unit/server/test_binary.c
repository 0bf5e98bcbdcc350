/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The binary protocol on whole servers: with an engine that has room for values or not, that is busy,
 * or that answers later; values in pieces; and how many sends a pipeline takes.
 */
#include "rig.h"

#include <errno.h>
#include <sys/socket.h>

#include "proto/binary.h"
#include "server/server_priv.h"

enum { SIZE = 300000, PACKET_MAX = 2 << 20, KEYS = 50, ROUNDS = 10, TOO_LARGE = 1100000 };

static const char *engine_of(void **state)
{
    return *state;
}

/* Packets that go out together. */
struct bytes {
    char *data;
    size_t size;
};

static struct bytes nothing(void)
{
    struct bytes bytes = {.data = malloc(PACKET_MAX)};
    assert_non_null(bytes.data);
    return bytes;
}

static void add(struct bytes *bytes, const void *data, size_t size)
{
    assert_true(bytes->size + size <= PACKET_MAX);
    if (size > 0) { /* memcpy() wants an address even for nothing */
        memcpy(bytes->data + bytes->size, data, size);
    }
    bytes->size += size;
}

/* The extras are zeros. */
static void add_packet(struct bytes *bytes, uint8_t opcode, const char *key, size_t extras_size,
                       const char *value, size_t value_size)
{
    static const char zeros[20];
    char header[PROTO_BINARY_HEADER_SIZE];
    (void)proto_binary_put_header(
        header, &(struct proto_binary_header){
                    .magic = PROTO_BINARY_REQUEST_MAGIC,
                    .opcode = opcode,
                    .key_size = (uint16_t)strlen(key),
                    .extras_size = (uint8_t)extras_size,
                    .body_size = (uint32_t)(extras_size + strlen(key) + value_size),
                    .opaque = opcode});
    add(bytes, header, sizeof(header));
    add(bytes, zeros, extras_size);
    add(bytes, key, strlen(key));
    add(bytes, value, value_size);
}

static void send_all(int fd, const struct bytes *bytes, size_t step)
{
    for (size_t at = 0; at < bytes->size; at += step) {
        rig_send_bytes(fd, bytes->data + at, bytes->size - at < step ? bytes->size - at : step);
        if (step < 100) {
            rig_sleep_ms(0);
        }
    }
}

static void receive(int fd, char *to, size_t size)
{
    size_t got = 0;
    while (got < size) {
        const ssize_t part = recv(fd, to + got, size - got, 0);
        if (part < 0 && errno == EINTR) {
            continue; /* io_uring's work in this process interrupts it */
        }
        assert_true(part > 0);
        got += (size_t)part;
    }
}

/* An answer of this opcode, status and body size; its extras and key are thrown away, the rest is its value. */
static void expect(int fd, uint8_t opcode, uint16_t status, const char *value, size_t value_size)
{
    char bytes[PROTO_BINARY_HEADER_SIZE];
    char front[512];
    receive(fd, bytes, sizeof(bytes));
    const struct proto_binary_header header = proto_binary_read_header(bytes);
    const size_t front_size = (size_t)header.extras_size + header.key_size;
    assert_int_equal(header.magic, PROTO_BINARY_RESPONSE_MAGIC);
    assert_int_equal(header.opcode, opcode);
    assert_int_equal(header.opaque, opcode);
    assert_int_equal(header.status, status);
    assert_int_equal(header.body_size, front_size + value_size);
    receive(fd, front, front_size);
    if (value_size > 0) {
        char *got = malloc(value_size);
        assert_non_null(got);
        receive(fd, got, value_size);
        if (value != NULL) {
            assert_memory_equal(got, value, value_size);
        }
        free(got);
    }
}

/* Stored and read in one pipeline, cut into pieces of `step` bytes. */
static void store_and_read(int fd, const char *value, size_t size, size_t step)
{
    struct bytes bytes = nothing();
    add_packet(&bytes, PROTO_BINARY_SETQ, "big", 8, value, size);
    add_packet(&bytes, PROTO_BINARY_GETKQ, "big", 0, NULL, 0);
    add_packet(&bytes, PROTO_BINARY_GETKQ, "nobody", 0, NULL, 0);
    add_packet(&bytes, PROTO_BINARY_NOOP, "", 0, NULL, 0);
    send_all(fd, &bytes, step);
    expect(fd, PROTO_BINARY_GETKQ, 0, value, size);
    expect(fd, PROTO_BINARY_NOOP, 0, NULL, 0);
    free(bytes.data);
}

static void values_of_all_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 16383, 16384, 32768, 100000, SIZE};
    struct rig rig;
    char *value = rig_value(SIZE, 1);
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        store_and_read(fd, value, sizes[i], PACKET_MAX);
        store_and_read(fd, value, sizes[i], 7919);
    }
    store_and_read(fd, value, 5000, 1);
    rig_stop(&rig);
    close(fd);
    free(value);
}

/* Behind a value that was received in place the next request is there already, or comes much later. */
static void what_follows_a_value(void **state)
{
    struct rig rig;
    char *value = rig_value(SIZE, 2);
    struct bytes bytes = nothing();
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    add_packet(&bytes, PROTO_BINARY_SET, "big", 8, value, SIZE);
    send_all(fd, &bytes, SIZE / 2);
    expect(fd, PROTO_BINARY_SET, 0, NULL, 0);
    bytes.size = 0;
    add_packet(&bytes, PROTO_BINARY_ADD, "big", 8, value, SIZE);
    add_packet(&bytes, PROTO_BINARY_APPEND, "big", 0, "tail", 4);
    send_all(fd, &bytes, SIZE / 3);
    expect(fd, PROTO_BINARY_ADD, PROTO_BINARY_STATUS_EXISTS, "Data exists for key.", 20);
    expect(fd, PROTO_BINARY_APPEND, 0, NULL, 0);
    bytes.size = 0;
    add_packet(&bytes, PROTO_BINARY_PREPENDQ, "big", 0, value, SIZE);
    add_packet(&bytes, PROTO_BINARY_GET, "big", 0, NULL, 0);
    send_all(fd, &bytes, SIZE / 3);
    expect(fd, PROTO_BINARY_GET, 0, NULL, SIZE + SIZE + 4);
    bytes.size = 0;
    add_packet(&bytes, PROTO_BINARY_QUIT, "", 0, NULL, 0);
    send_all(fd, &bytes, PACKET_MAX);
    expect(fd, PROTO_BINARY_QUIT, 0, NULL, 0);
    rig_expect_end(fd);
    close(fd);
    rig_stop(&rig);
    free(bytes.data);
    free(value);
}

static void refused_values_are_thrown_away(void **state)
{
    struct rig rig;
    char *value = rig_value(TOO_LARGE, 3);
    struct bytes bytes = nothing();
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    store_and_read(fd, value, 10, PACKET_MAX);
    add_packet(&bytes, PROTO_BINARY_SETQ, "big", 8, value, TOO_LARGE);
    add_packet(&bytes, PROTO_BINARY_GET, "big", 0, NULL, 0);
    send_all(fd, &bytes, 65536);
    expect(fd, PROTO_BINARY_SETQ, PROTO_BINARY_STATUS_TOO_LARGE, "Too large.", 10);
    expect(fd, PROTO_BINARY_GET, PROTO_BINARY_STATUS_NOT_FOUND, "Not found", 9);
    /* A log-in of that size is thrown away, too, and stores nothing. */
    bytes.size = 0;
    add_packet(&bytes, PROTO_BINARY_SASL_AUTH, "PLAIN", 0, value, 100000);
    add_packet(&bytes, PROTO_BINARY_GET, "PLAIN", 0, NULL, 0);
    send_all(fd, &bytes, 65536);
    expect(fd, PROTO_BINARY_SASL_AUTH, PROTO_BINARY_STATUS_TOO_LARGE, "Too large.", 10);
    expect(fd, PROTO_BINARY_GET, PROTO_BINARY_STATUS_NOT_FOUND, "Not found", 9);
    rig_stop(&rig);
    close(fd);
    free(bytes.data);
    free(value);
}

static void clients_that_leave_half_way(void **state)
{
    struct rig rig;
    char *value = rig_value(SIZE, 4);
    struct bytes bytes = nothing();
    rig_start(&rig, engine_of(state), "");
    int other = rig_connect(&rig);
    add_packet(&bytes, PROTO_BINARY_SET, "big", 8, value, SIZE);
    for (size_t size = 1; size < bytes.size; size = size * 3 + 7) {
        int fd = rig_connect(&rig);
        rig_send_bytes(fd, bytes.data, size);
        close(fd);
    }
    rig_ask(other, "get big\r\n", "END\r\n");
    rig_stop(&rig);
    close(other);
    free(bytes.data);
    free(value);
}

static uint64_t sends_of(const struct rig *rig)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rig->server->worker_count; i++) {
        sum += atomic_load(&net_loop_counters(rig->server->workers[i].loop)->sends);
    }
    return sum;
}

/* Two sends for each would be 19 at least when the last answer is there: a send is counted behind it. */
static void a_quiet_pipeline_is_answered_by_one_send(void **state)
{
    struct rig rig;
    struct bytes bytes = nothing();
    (void)state;
    rig_start(&rig, RIG_NOW, "");
    int fd = rig_connect(&rig);
    for (uint32_t i = 0; i < KEYS; i++) {
        add_packet(&bytes, i % 2 == 0 ? PROTO_BINARY_SETQ : PROTO_BINARY_GETQ, "key",
                   i % 2 == 0 ? 8 : 0, "value", i % 2 == 0 ? 5 : 0);
    }
    add_packet(&bytes, PROTO_BINARY_NOOP, "", 0, NULL, 0);
    const uint64_t before = sends_of(&rig);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        send_all(fd, &bytes, PACKET_MAX);
        for (uint32_t i = 0; i < KEYS / 2; i++) {
            expect(fd, PROTO_BINARY_GETQ, 0, "value", 5);
        }
        expect(fd, PROTO_BINARY_NOOP, 0, NULL, 0);
    }
    assert_in_range(sends_of(&rig) - before, ROUNDS - 1, ROUNDS);
    rig_stop(&rig);
    close(fd);
    free(bytes.data);
}

/* What is counted is the same as in text. */
static void counters_are_those_of_text(void **state)
{
    static const char *const names[] = {"cmd_get",     "get_hits",      "get_misses", "cmd_set",
                                        "delete_hits", "delete_misses", "incr_hits",  "incr_misses",
                                        "cmd_touch",   "touch_hits",    "cmd_meta"};
    static const uint64_t counts[] = {2, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0};
    struct rig rig;
    struct bytes bytes = nothing();
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    int text = rig_connect(&rig);
    add_packet(&bytes, PROTO_BINARY_SET, "a", 8, "1", 1);
    add_packet(&bytes, PROTO_BINARY_GET, "a", 0, NULL, 0);
    add_packet(&bytes, PROTO_BINARY_GETQ, "b", 0, NULL, 0);
    add_packet(&bytes, PROTO_BINARY_TOUCH, "a", 4, NULL, 0);
    add_packet(&bytes, PROTO_BINARY_DELETE, "a", 0, NULL, 0);
    add_packet(&bytes, PROTO_BINARY_DELETE, "a", 0, NULL, 0);
    add_packet(&bytes, PROTO_BINARY_INCREMENT, "b", 20, NULL, 0);
    memset(bytes.data + bytes.size - 5, 0xff, 4); /* not to be created */
    send_all(fd, &bytes, PACKET_MAX);
    expect(fd, PROTO_BINARY_SET, 0, NULL, 0);
    expect(fd, PROTO_BINARY_GET, 0, "1", 1);
    expect(fd, PROTO_BINARY_TOUCH, 0, NULL, 0);
    expect(fd, PROTO_BINARY_DELETE, 0, NULL, 0);
    expect(fd, PROTO_BINARY_DELETE, PROTO_BINARY_STATUS_NOT_FOUND, "Not found", 9);
    expect(fd, PROTO_BINARY_INCREMENT, PROTO_BINARY_STATUS_NOT_FOUND, "Not found", 9);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(rig_stat(text, names[i]), counts[i]);
    }
    rig_stop(&rig);
    close(fd);
    close(text);
    free(bytes.data);
}

#define EACH(function)                                                                             \
    {.name = #function ", in a room", .test_func = function, .initial_state = rooms},              \
        {.name = #function ", in blocks", .test_func = function, .initial_state = blocks},         \
        {.name = #function ", busy", .test_func = function, .initial_state = busy},                \
    {                                                                                              \
        .name = #function ", later", .test_func = function, .initial_state = later                 \
    }

int main(void)
{
    char rooms[] = RIG_NOW;
    char blocks[] = RIG_NOW ":rooms_max=0";
    char busy[] = RIG_NOW ":rooms_max=1,busy_every=2";
    char later[] = RIG_LATER;
    const struct CMUnitTest tests[] = {
        EACH(values_of_all_sizes),
        EACH(what_follows_a_value),
        EACH(refused_values_are_thrown_away),
        EACH(clients_that_leave_half_way),
        EACH(counters_are_those_of_text),
        cmocka_unit_test(a_quiet_pipeline_is_answered_by_one_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
