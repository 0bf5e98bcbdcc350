/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the parser alone reads what a client sends: a byte stream on stdin, one line per request on
 * stdout.
 *
 *     DONE <bytes> <op> <noreply 0|1>    a request, with its data block
 *     BAD <bytes> <error line>           refused, with what is thrown away; the line may be empty
 *     CLOSE                              the connection would be closed; nothing is read after that
 *     MORE <bytes>                       the end: so many bytes are no whole request yet
 *
 * Behind a first byte of 0x80 all is binary: DONE <bytes> <op> 0, and BAD <bytes> <error body>, followed
 * by CLOSE where the connection would be.
 *
 * test_parse.py compares this with what the transcripts expect. One thread, no state.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "proto/binary.h"
#include "proto/text.h"

static char *read_all(FILE *file, size_t *ret_size)
{
    size_t room = 1 << 16;
    size_t size = 0;
    char *data = malloc(room);

    CHECK(data != NULL);
    for (;;) {
        size_t got = fread(data + size, 1, room - size, file);

        if (got == 0) {
            *ret_size = size;
            return data;
        }
        size += got;
        if (size == room) {
            char *larger = realloc(data, room * 2);

            CHECK(larger != NULL);
            data = larger;
            room *= 2;
        }
    }
}

static struct base_slice rest_of(struct base_slice input, size_t used)
{
    return (struct base_slice){input.data + used, input.size - used};
}

static size_t min_size(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

/* The parts of a long get line that follow the first. Adds what they consume to *consumed. */
static enum proto_parse read_long_line(struct base_slice input, struct proto_request *request,
                                       size_t *consumed, enum proto_error *error)
{
    enum proto_parse parse = PROTO_DONE;

    while (request->keys_continue) {
        enum proto_error part_error = PROTO_ERROR_NONE;
        size_t part = 0;
        enum proto_parse got =
            proto_text_parse_keys(rest_of(input, *consumed), request, &part, &part_error);

        if (got == PROTO_MORE) {
            return PROTO_MORE;
        }
        *consumed += part;
        if (got == PROTO_BAD) {
            parse = PROTO_BAD;
            *error = part_error == PROTO_ERROR_NONE ? *error : part_error;
        }
    }
    return parse;
}

/* One request at the start of `input`; the bytes it takes, or 0 at the end of the stream. */
static size_t read_request(struct base_slice input)
{
    struct proto_request request;
    enum proto_error error = PROTO_ERROR_NONE;
    size_t consumed = 0;
    uint64_t swallow = 0;
    enum proto_parse parse = proto_text_parse(input, &request, &consumed, &error, &swallow);

    if ((parse == PROTO_DONE || parse == PROTO_BAD) && request.keys_continue) {
        enum proto_parse rest = read_long_line(input, &request, &consumed, &error);

        parse = parse == PROTO_BAD && rest == PROTO_DONE ? PROTO_BAD : rest;
    }
    if (parse == PROTO_MORE) {
        printf("MORE %zu\n", input.size);
        return 0;
    }
    if (parse == PROTO_CLOSE) {
        printf("CLOSE\n");
        return 0;
    }
    if (parse == PROTO_BAD) {
        struct base_slice line = proto_error_line(error);

        consumed += min_size(swallow, input.size - consumed);
        printf("BAD %zu %.*s\n", consumed, (int)(line.size < 2 ? 0 : line.size - 2), line.data);
        return consumed;
    }
    if (request.op == PROTO_OP_STORE) {
        consumed += min_size(request.value_size + 2, input.size - consumed);
    }
    printf("DONE %zu %s %d\n", consumed, proto_op_name(request.op), request.noreply);
    return consumed;
}

static void print_words(const struct proto_request *request, enum proto_error error)
{
    const struct proto_reply reply = {.status = PROTO_STATUS_ERROR, .error = error};
    char packet[PROTO_BINARY_REPLY_MAX];
    size_t size = proto_binary_write_reply(packet, request, &reply);

    printf("%.*s\n", (int)(size - PROTO_BINARY_HEADER_SIZE), packet + PROTO_BINARY_HEADER_SIZE);
}

/* The same of a binary request. */
static size_t read_packet(struct base_slice input)
{
    struct proto_request request;
    struct proto_binary_refusal refusal;
    size_t consumed = 0;
    enum proto_parse parse = proto_binary_parse(input, &request, &consumed, &refusal);

    if (parse == PROTO_MORE) {
        printf("MORE %zu\n", input.size);
        return 0;
    }
    if (parse == PROTO_CLOSE) {
        printf("CLOSE\n");
        return 0;
    }
    if (parse == PROTO_BAD) {
        consumed += min_size(refusal.swallow, input.size - consumed);
        printf("BAD %zu ", consumed);
        print_words(&request, refusal.error);
        if (refusal.closes) {
            printf("CLOSE\n");
        }
        return refusal.closes ? 0 : consumed;
    }
    consumed += min_size(request.value_size, input.size - consumed);
    printf("DONE %zu %s 0\n", consumed, proto_op_name(request.op));
    return consumed;
}

int main(void)
{
    struct base_slice input;
    char *data = read_all(stdin, &input.size);
    size_t used = 1;

    const bool is_binary = input.size > 0 && (uint8_t)data[0] == PROTO_BINARY_REQUEST_MAGIC;

    for (input.data = data; input.size > 0 && used > 0; input = rest_of(input, used)) {
        used = is_binary ? read_packet(input) : read_request(input);
    }
    free(data);
    return 0;
}
