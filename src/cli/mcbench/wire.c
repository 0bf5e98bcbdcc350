/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of the protocols, and what they have in common. */
#include "cli/mcbench/wire.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "cli/mcbench/value.h"
#include "cli/mcbench/wire_parts.h"

static const uint64_t COUNTER_ROOM = 1000000000000ull; /* values that one counter may take */

const struct bench_wire *bench_wire_of(enum bench_protocol protocol)
{
    switch (protocol) {
    case BENCH_TEXT:
        return &BENCH_WIRE_TEXT;
    case BENCH_META:
        return &BENCH_WIRE_META;
    case BENCH_RESP:
        return &BENCH_WIRE_RESP;
    case BENCH_BINARY:
        return &BENCH_WIRE_BINARY;
    }
    NEVER("a protocol has a wire");
}

/* ---- counters ---- */

uint64_t bench_wire_counter_start(uint64_t number)
{
    return (1 + number % 999) * COUNTER_ROOM;
}

bool bench_wire_counter_is_right(uint64_t number, struct base_slice digits)
{
    const uint64_t start = bench_wire_counter_start(number);
    uint64_t value;

    /* The start has no leading zeros; memcached pads with blanks what has become shorter, which no counter does. */
    return base_num_parse_u64(digits, &value) && value > start && value - start < COUNTER_ROOM &&
           digits.data[0] != '0';
}

/* ---- data blocks ---- */

uint32_t bench_wire_set_size(const struct bench_work *work, const struct bench_request *request)
{
    char digits[BASE_NUM_TEXT_MAX];

    if (BASE_UNLIKELY(request->space == BENCH_SPACE_COUNTERS)) {
        return (uint32_t)base_num_write_u64(digits, bench_wire_counter_start(request->numbers[0]));
    }
    return bench_keys_value_size(work, request->numbers[0]);
}

char *bench_wire_put_value(const struct bench_request *request, uint32_t size, char *out)
{
    if (BASE_UNLIKELY(request->space == BENCH_SPACE_COUNTERS)) {
        (void)base_num_write_u64(out, bench_wire_counter_start(request->numbers[0]));
    } else {
        bench_value_write(request->space, request->numbers[0], request->version, out, size);
    }
    return bench_wire_put(out + size, BASE_SLICE("\r\n"));
}

size_t bench_wire_value_size_max(const struct bench_work *work)
{
    const size_t size = bench_keys_value_size_max(work);

    return (size > BENCH_COUNTER_SIZE_MAX ? size : BENCH_COUNTER_SIZE_MAX) + 2;
}

/* ---- complaints ---- */

bool bench_wire_is_broken_line(struct base_slice input)
{
    const char *end = input.size < 2 ? NULL : memchr(input.data, '\r', input.size - 1);

    return end != NULL && end[1] != '\n';
}

/* As much as fits, with a NUL. */
static void show(struct base_slice bytes, char *out, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < bytes.size && used + 5 < size; i++) {
        const unsigned char byte = (unsigned char)bytes.data[i];

        if (byte == '\r' || byte == '\n') {
            used += (size_t)snprintf(out + used, size - used, byte == '\r' ? "\\r" : "\\n");
        } else if (byte < ' ' || byte > '~') {
            used += (size_t)snprintf(out + used, size - used, "\\x%02x", byte);
        } else {
            out[used++] = (char)byte;
        }
    }
    out[used] = '\0';
}

enum bench_answer bench_wire_complain(const struct bench_work *work,
                                      const struct bench_request *request, const char *expected,
                                      struct base_slice input, struct bench_outcome *outcome)
{
    const uint32_t last = request->key_count > 0 ? request->key_count - 1u : 0;
    const uint32_t index = request->answered_count < last ? request->answered_count : last;
    char key[BENCH_KEY_SIZE_MAX + BENCH_WIRE_SLACK];
    char got[56];

    (void)bench_keys_write(work, request->space, bench_wire_number(request, index), key);
    show(input, got, sizeof got);
    (void)snprintf(outcome->complaint, sizeof outcome->complaint, "%.*s: expected %s, got '%s'",
                   BENCH_KEY_SIZE_MIN, key, expected, got);
    return BENCH_ANSWER_WRONG;
}

bool bench_wire_take_refusal(const struct bench_work *work, const struct bench_request *request,
                             const char *expected, struct base_slice *input,
                             struct bench_outcome *outcome)
{
    const size_t seen = input->size < BASE_REQUEST_LINE_MAX ? input->size : BASE_REQUEST_LINE_MAX;
    const char *newline;

    if (!bench_wire_begins_with(*input, BASE_SLICE("SERVER_ERROR "))) {
        return false;
    }
    /* No other \r or \n in it: what is wrong in parts is wrong as a whole. */
    newline = memchr(input->data, '\n', seen);
    if (newline == NULL ||
        memchr(input->data, '\r', (size_t)(newline - input->data)) != newline - 1) {
        return false;
    }
    (void)bench_wire_complain(work, request, expected, *input, outcome);
    bench_wire_skip(input, (size_t)(newline + 1 - input->data));
    return true;
}

enum bench_answer bench_wire_explain_block(const struct bench_work *work,
                                           const struct bench_request *request, uint32_t value_size,
                                           struct base_slice input, struct bench_outcome *outcome)
{
    const struct base_slice value = {input.data, value_size};
    char expected[80];
    uint64_t version;
    enum bench_verdict verdict;

    if (input.size < (size_t)value_size + 2) {
        return BENCH_ANSWER_MORE;
    }
    verdict = bench_value_check(request->space, bench_wire_number(request, request->answered_count),
                                value_size, value, &version);
    if (verdict != BENCH_VALUE_RIGHT && !work->trust_values) {
        (void)snprintf(expected, sizeof expected, "its value (this one %s)",
                       bench_value_verdict_text(verdict));
        return bench_wire_complain(work, request, expected, input, outcome);
    }
    input.data += value_size;
    input.size -= value_size;
    return bench_wire_complain(work, request, "the value to end", input, outcome);
}
