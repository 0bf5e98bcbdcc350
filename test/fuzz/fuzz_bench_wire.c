/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server may answer to mcbench. The first bytes choose a request; the others are the answer,
 * or changes of the right one, two bytes each: where, and by what.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mcbench/value.h"
#include "cli/mcbench/wire.h"
#include "fuzz.h"
#include "proto/binary.h"

enum { HEAD_SIZE = 4, KEYS_MAX = 4, ANSWER_MAX = 8192 };

static struct bench_outcome whole;
static struct bench_outcome parts;

static const uint64_t NUMBERS[KEYS_MAX] = {0x2a, 1, 9, 0x2a};

static struct bench_work choose_work(const uint8_t *head)
{
    static const struct bench_sizes key_sizes[] = {
        {BENCH_SIZE_FIXED, 32, 32}, {BENCH_SIZE_FIXED, 17, 17}, {BENCH_SIZE_ETC, 0, 0}};
    static const struct bench_sizes value_sizes[] = {
        {BENCH_SIZE_FIXED, 100, 100}, {BENCH_SIZE_FIXED, 5, 5}, {BENCH_SIZE_RANGE, 0, 300}};

    return (struct bench_work){
        .protocol = (head[0] & 64) != 0  ? BENCH_BINARY
                    : (head[0] & 1) != 0 ? BENCH_META
                                         : BENCH_TEXT,
        .noreply = (head[0] & 6) == 6,
        .trust_values = (head[0] & 24) == 24,
        .keys_per_get = 1,
        .keys_per_get_max = KEYS_MAX,
        .key_count = 1000,
        .key_sizes = key_sizes[head[1] % 3],
        .value_sizes = value_sizes[head[1] / 3 % 3],
        .lanes = 1,
    };
}

static struct bench_request choose_request(const uint8_t *head)
{
    const enum bench_verb verb = (enum bench_verb)(head[2] % BENCH_VERB_COUNT);
    const uint16_t key_count = verb == BENCH_GET ? 1 + head[3] % KEYS_MAX : 1;

    return (struct bench_request){
        .verb = verb,
        .space = verb == BENCH_INCR ? BENCH_SPACE_COUNTERS : BENCH_SPACE_VALUES,
        .key_count = key_count,
        .numbers = {NUMBERS[0]},
        .more_numbers = key_count > 1 ? NUMBERS : NULL,
    };
}

/* The answer of a server that has every key, to text gets. */
static size_t write_hits(const struct bench_work *work, const struct bench_request *request,
                         char *out)
{
    char *end = out;

    for (uint16_t i = 0; i < request->key_count; i++) {
        const uint32_t size = bench_keys_value_size(work, NUMBERS[i]);
        char key[BENCH_KEY_SIZE_MAX];
        const uint32_t key_size = bench_keys_write(work, request->space, NUMBERS[i], key);

        end += sprintf(end, "VALUE %.*s %d %u\r\n", (int)key_size, key, (int)(1 + NUMBERS[i] % 8),
                       size);
        bench_value_write(request->space, NUMBERS[i], 3, end, size);
        end += size;
        end += sprintf(end, "\r\n");
    }
    end += sprintf(end, "END\r\n");
    return (size_t)(end - out);
}

/* The same in the binary protocol. What the server's own numbers are is its own: they are skipped by *ret_mask. */
static size_t write_packets(const struct bench_work *work, const struct bench_request *request,
                            char *out, char *ret_mask)
{
    const bool is_many = request->key_count > 1;
    char *end = out;

    for (uint16_t i = 0; i <= request->key_count; i++) {
        const bool is_noop = i == request->key_count;
        const uint32_t index = is_noop ? 0 : i;
        const uint32_t size = is_noop ? 0 : bench_keys_value_size(work, NUMBERS[index]);
        char key[BENCH_KEY_SIZE_MAX];
        const uint32_t key_size =
            is_noop || !is_many ? 0 : bench_keys_write(work, request->space, NUMBERS[index], key);
        const struct proto_binary_header header = {
            .magic = PROTO_BINARY_RESPONSE_MAGIC,
            .opcode = is_noop   ? PROTO_BINARY_NOOP
                      : is_many ? PROTO_BINARY_GETKQ
                                : PROTO_BINARY_GET,
            .key_size = (uint16_t)key_size,
            .extras_size = is_noop ? 0 : 4,
            .body_size = is_noop ? 0 : 4 + key_size + size,
            .opaque =
                (uint32_t)NUMBERS[index] * 0x9e3779b1u + (uint32_t)BENCH_GET * 0x01000193u + index,
            .cas = is_noop ? 0 : 77,
        };

        if (is_noop && !is_many) {
            break;
        }
        memset(ret_mask + (end - out) + 16, is_noop ? 0 : 1, 8);
        end = proto_binary_put_header(end, &header);
        if (!is_noop) {
            const char flags[4] = {0, 0, 0, (char)(1 + NUMBERS[index] % 8)};

            memcpy(end, flags, sizeof flags);
            memcpy(end + sizeof flags, key, key_size);
            end += sizeof flags + key_size;
            bench_value_write(request->space, NUMBERS[index], 3, end, size);
            end += size;
        }
    }
    return (size_t)(end - out);
}

static enum bench_answer read_checked(const struct bench_work *work, struct bench_request *request,
                                      struct base_slice input, size_t *ret_consumed,
                                      struct bench_outcome *outcome)
{
    const enum bench_answer answer =
        bench_wire_of(work->protocol)->read(work, request, input, ret_consumed, outcome);

    CHECK(answer == BENCH_ANSWER_WRONG || *ret_consumed <= input.size);
    CHECK(outcome->hits + outcome->misses <= request->key_count);
    CHECK(request->answered_count <= request->key_count);
    CHECK(answer != BENCH_ANSWER_DONE || request->verb != BENCH_GET ||
          outcome->hits + outcome->misses == request->key_count);
    return answer;
}

/* The whole at once, and byte by byte, in memory of its own each time: the same comes out. */
static enum bench_answer read_both_ways(const struct bench_work *work,
                                        const struct bench_request *request,
                                        struct base_slice input)
{
    struct bench_request at_once = *request;
    struct bench_request piecemeal = *request;
    size_t whole_consumed = 0;
    size_t done = 0;
    enum bench_answer expected;
    enum bench_answer answer = BENCH_ANSWER_MORE;

    whole.hits = whole.misses = 0;
    parts.hits = parts.misses = 0;
    expected = read_checked(work, &at_once, input, &whole_consumed, &whole);
    for (size_t size = 0; size <= input.size && answer == BENCH_ANSWER_MORE; size++) {
        char *copy = malloc(size - done + 1);
        size_t consumed = 0;

        CHECK(copy != NULL);
        memcpy(copy, input.data + done, size - done);
        answer = read_checked(work, &piecemeal, (struct base_slice){copy, size - done}, &consumed,
                              &parts);
        done += answer == BENCH_ANSWER_WRONG ? 0 : consumed;
        free(copy);
    }
    CHECK(answer == expected);
    CHECK(expected == BENCH_ANSWER_WRONG ||
          (done == whole_consumed && parts.hits == whole.hits && parts.misses == whole.misses));
    return expected;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char right[ANSWER_MAX];
    static char changed[ANSWER_MAX];
    static char mask[ANSWER_MAX]; /* 1: whatever it is */
    struct bench_work work;
    struct bench_request request;
    size_t right_size;

    if (size < HEAD_SIZE || size > HEAD_SIZE + ANSWER_MAX) {
        return 0;
    }
    work = choose_work(data);
    request = choose_request(data);
    if (work.protocol == BENCH_META || request.verb != BENCH_GET || data[0] & 32) {
        (void)read_both_ways(&work, &request, fuzz_slice(data + HEAD_SIZE, size - HEAD_SIZE));
        return 0;
    }
    memset(mask, 0, sizeof mask);
    right_size = work.protocol == BENCH_TEXT ? write_hits(&work, &request, right)
                                             : write_packets(&work, &request, right, mask);
    memcpy(changed, right, right_size);
    for (size_t i = HEAD_SIZE; i + 1 < size; i += 2) {
        changed[data[i] * right_size / 256] ^= (char)data[i + 1];
    }
    if (read_both_ways(&work, &request, (struct base_slice){changed, right_size}) ==
            BENCH_ANSWER_DONE &&
        !work.trust_values) {
        for (size_t i = 0; i < right_size; i++) {
            CHECK(changed[i] == right[i] || mask[i] == 1);
        }
    }
    return 0;
}
