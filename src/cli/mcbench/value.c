/* SPDX-License-Identifier: BSD-3-Clause */
/* Values: see value_words.h for the checking. */
#include "cli/mcbench/value.h"

#include "base/check.h"
#include "cli/mcbench/value_words.h"

/* The checksum, and words that count up from it; the last one may be cut. */
static void fill(uint64_t word, char *out, size_t size)
{
    size_t at = 0;

    for (; at + sizeof word <= size; at += sizeof word) {
        memcpy(out + at, &word, sizeof word);
        word += BENCH_VALUE_STEP;
    }
    memcpy(out + at, &word, size - at);
}

void bench_value_write(enum bench_space space, uint64_t number, uint64_t version, char *out,
                       uint32_t size)
{
    const uint64_t mark = bench_value_mark(space, number);

    if (size < BENCH_VALUE_HEAD_SIZE) {
        fill(bench_value_checksum(mark, 0, size), out, size);
        return;
    }
    memcpy(out, &mark, sizeof mark);
    memcpy(out + 8, &version, sizeof version);
    fill(bench_value_checksum(mark, version, size), out + 16, size - 16);
}

static enum bench_verdict check_short(uint64_t mark, struct base_slice value)
{
    char expected[BENCH_VALUE_HEAD_SIZE];

    fill(bench_value_checksum(mark, 0, value.size), expected, value.size);
    return memcmp(value.data, expected, value.size) == 0 ? BENCH_VALUE_RIGHT : BENCH_VALUE_BAD_BODY;
}

enum bench_verdict bench_value_check(enum bench_space space, uint64_t number,
                                     uint32_t expected_size, struct base_slice value,
                                     uint64_t *ret_version)
{
    const uint64_t mark = bench_value_mark(space, number);
    const bool has_head = value.size >= BENCH_VALUE_HEAD_SIZE;
    const uint64_t version = has_head ? bench_value_word(value.data + 8) : 0;
    enum bench_verdict verdict = BENCH_VALUE_RIGHT;

    if (value.size != expected_size) {
        return BENCH_VALUE_WRONG_SIZE;
    }
    if (!has_head) {
        verdict = check_short(mark, value);
    } else if (!bench_value_is_right(space, number, value.data, expected_size)) {
        verdict =
            bench_value_word(value.data) != mark ? BENCH_VALUE_OTHER_KEY
            : bench_value_word(value.data + 16) != bench_value_checksum(mark, version, value.size)
                ? BENCH_VALUE_BAD_CHECKSUM
                : BENCH_VALUE_BAD_BODY;
    }
    if (verdict == BENCH_VALUE_RIGHT) {
        *ret_version = version;
    }
    return verdict;
}

const char *bench_value_verdict_text(enum bench_verdict verdict)
{
    switch (verdict) {
    case BENCH_VALUE_RIGHT:
        return "is right";
    case BENCH_VALUE_WRONG_SIZE:
        return "has the wrong size";
    case BENCH_VALUE_OTHER_KEY:
        return "does not begin with the mark of its key";
    case BENCH_VALUE_BAD_CHECKSUM:
        return "has a head without its checksum";
    case BENCH_VALUE_BAD_BODY:
        return "has other bytes than its head says";
    }
    NEVER("a value has a verdict");
}
