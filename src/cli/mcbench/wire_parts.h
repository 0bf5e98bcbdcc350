/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the protocols' wires have in common: what a request's keys carry with them, and words for what came back wrong. Private to
 * the wires.
 */
#ifndef LARDER_MCBENCH_WIRE_PARTS_H
#define LARDER_MCBENCH_WIRE_PARTS_H

#include "base/compiler.h"
#include "cli/mcbench/key_text.h"
#include "cli/mcbench/value_words.h"
#include "cli/mcbench/wire.h"

enum {
    BENCH_COUNTER_SIZE_MAX = 20, /* digits of a counter */
    BENCH_WIRE_SLACK = 64,       /* bytes: words can be written whole, whatever their length */
};

extern const struct bench_wire BENCH_WIRE_TEXT;
extern const struct bench_wire BENCH_WIRE_META;
extern const struct bench_wire BENCH_WIRE_RESP;
extern const struct bench_wire BENCH_WIRE_BINARY;

/* A counter begins here and counts up: its first digits say whose it is. 10^12 steps until they would be the next key's. */
uint64_t bench_wire_counter_start(uint64_t number);
/* Can the counter of that key look so after it was incremented? */
bool bench_wire_counter_is_right(uint64_t number, struct base_slice digits);

/* The client flags of every key are one digit. */
static inline char bench_wire_flags_digit(uint64_t number)
{
    return (char)('1' + (number & 7));
}

/* The 8 letters of a meta command's opaque: which key, for what, and the how manieth of its request. */
static inline uint64_t bench_wire_opaque(uint64_t number, enum bench_verb verb, uint32_t index)
{
    return bench_key_letters((uint32_t)number * 0x9e3779b1u + (uint32_t)verb * 0x01000193u + index);
}

static inline uint64_t bench_wire_number(const struct bench_request *request, uint32_t index)
{
    return request->more_numbers != NULL ? request->more_numbers[index] : request->numbers[0];
}

/* The key at answered_count was not there. */
static inline void bench_wire_miss(struct bench_request *request, struct bench_outcome *outcome)
{
    outcome->missed[outcome->misses++] = bench_wire_number(request, request->answered_count);
    request->answered_count++;
}

/* Literal bytes; returns their end. */
static inline char *bench_wire_put(char *out, struct base_slice bytes)
{
    memcpy(out, bytes.data, bytes.size);
    return out + bytes.size;
}

/* The data block of a set: the value and "\r\n". Returns its end. */
char *bench_wire_put_value(const struct bench_request *request, uint32_t size, char *out);
/* Bytes of the value that a set of this request's key stores. */
uint32_t bench_wire_set_size(const struct bench_work *work, const struct bench_request *request);
/* The largest data block of a set, "\r\n" included. */
size_t bench_wire_value_size_max(const struct bench_work *work);

/* ---- what came back right ---- */

static inline bool bench_wire_begins_with(struct base_slice input, struct base_slice bytes)
{
    return input.size >= bytes.size && memcmp(input.data, bytes.data, bytes.size) == 0;
}

static inline void bench_wire_skip(struct base_slice *input, size_t size)
{
    input->data += size;
    input->size -= size;
}

/*
 * The end of a decimal number that has to be this one and begins at `text`; NULL when it is another
 * one. Reads no more bytes than the number has digits.
 */
static BASE_ALWAYS_INLINE const char *bench_wire_match_number(uint32_t number, const char *text)
{
    uint64_t read = 0;

    /* As most values are: a loop over the digits takes twice as long. */
    if (BASE_LIKELY(number >= 100 && number < 1000)) {
        return text[0] == (char)('0' + number / 100) && text[1] == (char)('0' + number / 10 % 10) &&
                       text[2] == (char)('0' + number % 10)
                   ? text + 3
                   : NULL;
    }
    if (*text == '0' && number != 0) {
        return NULL;
    }
    do {
        const uint32_t digit = (uint32_t)(unsigned char)*text++ - '0';

        if (digit > 9) {
            return NULL;
        }
        read = read * 10 + digit;
    } while (read < number);
    return read == number ? text : NULL;
}

/* Is it the right value of that key, or a trusted one? value_size bytes are there. */
static BASE_ALWAYS_INLINE bool bench_wire_is_value(const struct bench_work *work,
                                                   enum bench_space space, uint64_t number,
                                                   const char *data, uint32_t value_size)
{
    uint64_t version;

    if (BASE_UNLIKELY(work->trust_values)) {
        return true;
    }
    if (BASE_UNLIKELY(value_size < BENCH_VALUE_HEAD_SIZE)) {
        return bench_value_check(space, number, value_size, (struct base_slice){data, value_size},
                                 &version) == BENCH_VALUE_RIGHT;
    }
    return bench_value_is_right(space, number, data, value_size);
}

static inline void bench_wire_hit(struct bench_request *request, uint32_t value_size,
                                  struct bench_outcome *outcome)
{
    request->answered_count++;
    outcome->hits++;
    outcome->value_bytes += value_size;
}

/* ---- what came back wrong ---- */

/*
 * Writes "<key>: expected <expected>, got '<the beginning of input>'" as the complaint and returns WRONG. The key is the one whose
 * turn it is. Bytes that are no letters are shown as \r, \n or \xHH. `input` begins where it is otherwise than expected.
 */
BASE_COLD enum bench_answer bench_wire_complain(const struct bench_work *work,
                                                const struct bench_request *request,
                                                const char *expected, struct base_slice input,
                                                struct bench_outcome *outcome);

/* A data block of value_size bytes that was not taken: MORE when it is not all there, otherwise WRONG. */
BASE_COLD enum bench_answer bench_wire_explain_block(const struct bench_work *work,
                                                     const struct bench_request *request,
                                                     uint32_t value_size, struct base_slice input,
                                                     struct bench_outcome *outcome);

/*
 * Takes a whole line that begins with SERVER_ERROR, and keeps its words as the complaint. False, with nothing done, for anything
 * else.
 */
BASE_COLD bool bench_wire_take_refusal(const struct bench_work *work,
                                       const struct bench_request *request, const char *expected,
                                       struct base_slice *input, struct bench_outcome *outcome);

/* A line that cannot end well: it has a \r without its \n. */
bool bench_wire_is_broken_line(struct base_slice input);

#endif
