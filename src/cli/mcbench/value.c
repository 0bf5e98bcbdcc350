/* SPDX-License-Identifier: BSD-3-Clause */
/* Values: writing and checking are the same walk over the words, in two loops. */
#include "cli/mcbench/value.h"

#include "base/check.h"

/* Odd, so that multiplying by them loses nothing: the golden ratio, and two primes of xxHash. */
static const uint64_t KEY_FACTOR = 0x9e3779b97f4a7c15ull;
static const uint64_t VERSION_FACTOR = 0xc2b2ae3d27d4eb4full;
static const uint64_t SIZE_FACTOR = 0x165667b19e3779f9ull;
static const uint64_t WORD_STEP = 0x9fb21c651e98df25ull;

/* Two words at once: what every x86-64 and every arm64 can do. */
typedef uint64_t word_pair __attribute__((vector_size(16)));

static void put_word(char *out, uint64_t word)
{
    memcpy(out, &word, sizeof word);
}

static uint64_t get_word(const char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof word);
    return word;
}

/* Key number and space, mixed: one to one. */
static uint64_t mark_of(enum bench_space space, uint64_t number)
{
    const uint64_t mark = (number ^ (uint64_t)space << 56) * KEY_FACTOR;

    return mark ^ mark >> 32;
}

/* One to one in the version, for a given key and size. */
static uint64_t checksum_of(uint64_t mark, uint64_t version, uint64_t size)
{
    return mark ^ version * VERSION_FACTOR ^ size * SIZE_FACTOR;
}

/* The checksum, and words that count up from it; the last one may be cut. */
static void fill(uint64_t word, char *out, size_t size)
{
    size_t at = 0;

    for (; at + sizeof word <= size; at += sizeof word) {
        put_word(out + at, word);
        word += WORD_STEP;
    }
    memcpy(out + at, &word, size - at);
}

void bench_value_write(enum bench_space space, uint64_t number, uint64_t version, char *out,
                       uint32_t size)
{
    const uint64_t mark = mark_of(space, number);
    const uint64_t checksum = checksum_of(mark, size < BENCH_VALUE_HEAD_SIZE ? 0 : version, size);

    if (size < BENCH_VALUE_HEAD_SIZE) {
        fill(checksum, out, size);
        return;
    }
    put_word(out, mark);
    put_word(out + 8, version);
    fill(checksum, out + 16, size - 16);
}

/*
 * Is it what fill() wrote? At least 8 bytes lie before it. The differences are gathered and looked
 * at once: a branch per word costs more than the whole.
 */
static inline bool is_filled(uint64_t word, const char *data, size_t size)
{
    const word_pair step = {2 * WORD_STEP, 2 * WORD_STEP};
    const char *const end = data + size;
    word_pair expected = {word, word + WORD_STEP};
    word_pair wrong = {0};
    uint64_t wrong_rest = 0;

    for (const char *last = end - sizeof expected; data <= last; data += sizeof expected) {
        word_pair got;

        memcpy(&got, data, sizeof got);
        wrong |= got ^ expected;
        expected += step;
    }
    word = expected[0];
    if (data + sizeof word <= end) {
        wrong_rest = get_word(data) ^ word;
        data += sizeof word;
        word = expected[1];
    }
    if (data < end) {
        /* The last bytes lie at the end of a whole word: push what is before them out. */
        const size_t bits = 8 * (sizeof word - (size_t)(end - data));

        wrong_rest |= (get_word(end - sizeof word) ^ word << bits) >> bits;
    }
    return (wrong[0] | wrong[1] | wrong_rest) == 0;
}

__attribute__((noinline)) static enum bench_verdict
check_short(uint64_t mark, struct base_slice value, uint64_t *ret_version)
{
    char expected[BENCH_VALUE_HEAD_SIZE];

    fill(checksum_of(mark, 0, value.size), expected, value.size);
    if (memcmp(value.data, expected, value.size) != 0) {
        return BENCH_VALUE_BAD_BODY;
    }
    *ret_version = 0;
    return BENCH_VALUE_RIGHT;
}

enum bench_verdict bench_value_check(enum bench_space space, uint64_t number,
                                     uint32_t expected_size, struct base_slice value,
                                     uint64_t *ret_version)
{
    const uint64_t mark = mark_of(space, number);
    uint64_t version;
    uint64_t checksum;

    if (BASE_UNLIKELY(value.size != expected_size)) {
        return BENCH_VALUE_WRONG_SIZE;
    }
    if (BASE_UNLIKELY(value.size < BENCH_VALUE_HEAD_SIZE)) {
        return check_short(mark, value, ret_version);
    }
    version = get_word(value.data + 8);
    checksum = checksum_of(mark, version, value.size);
    if (BASE_LIKELY(get_word(value.data) == mark &&
                    is_filled(checksum, value.data + 16, value.size - 16))) {
        *ret_version = version;
        return BENCH_VALUE_RIGHT;
    }
    return get_word(value.data) != mark            ? BENCH_VALUE_OTHER_KEY
           : get_word(value.data + 16) != checksum ? BENCH_VALUE_BAD_CHECKSUM
                                                   : BENCH_VALUE_BAD_BODY;
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
