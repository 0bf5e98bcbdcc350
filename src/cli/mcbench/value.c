/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values: the head, and a body that costs two instructions a word to make and the checksum to check.
 */
#include "cli/mcbench/value.h"

#include <endian.h>
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "base/hash.h"

/* Odd, so that multiplying by them loses nothing: the golden ratio, and the primes of xxHash. */
static const uint64_t KEY_FACTOR = 0x9e3779b97f4a7c15ull;
static const uint64_t VERSION_FACTOR = 0xc2b2ae3d27d4eb4full;
static const uint64_t SIZE_FACTOR = 0x165667b19e3779f9ull;
static const uint64_t WORD_STEP = 0x9fb21c651e98df25ull;

static void put_word(char *out, uint64_t word)
{
    word = htole64(word);
    memcpy(out, &word, sizeof word);
}

static uint64_t get_word(const char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof word);
    return le64toh(word);
}

/* Key number and space, mixed: one to one. */
static uint64_t mark_of(enum bench_space space, uint64_t number)
{
    const uint64_t mark = (number ^ (uint64_t)space << 56) * KEY_FACTOR;

    return mark ^ mark >> 32;
}

/* One to one in the version, for a given key and size. */
static uint64_t seed_of(uint64_t mark, uint64_t version, uint64_t size)
{
    return mark ^ version * VERSION_FACTOR ^ size * SIZE_FACTOR;
}

/* The low bytes of a word that goes up by WORD_STEP; the last one may be cut. */
static void fill(uint64_t word, char *out, size_t size)
{
    size_t at = 0;

    for (; at + sizeof word <= size; at += sizeof word) {
        word += WORD_STEP;
        put_word(out + at, word);
    }
    word = htole64(word + WORD_STEP);
    memcpy(out + at, &word, size - at);
}

void bench_value_write(enum bench_space space, uint64_t number, uint64_t version, char *out,
                       uint32_t size)
{
    const uint64_t mark = mark_of(space, number);
    struct base_slice body;
    uint64_t seed;

    if (size < BENCH_VALUE_HEAD_SIZE) {
        fill(seed_of(mark, 0, size), out, size);
        return;
    }
    body = (struct base_slice){out + BENCH_VALUE_HEAD_SIZE, size - BENCH_VALUE_HEAD_SIZE};
    seed = seed_of(mark, version, size);
    fill(seed, out + BENCH_VALUE_HEAD_SIZE, body.size);
    put_word(out, mark);
    put_word(out + 8, version);
    put_word(out + 16, base_hash_bytes(body, seed));
}

static enum bench_verdict check_short(uint64_t mark, struct base_slice value)
{
    char expected[BENCH_VALUE_HEAD_SIZE];

    fill(seed_of(mark, 0, value.size), expected, value.size);
    return memcmp(value.data, expected, value.size) == 0 ? BENCH_VALUE_RIGHT
                                                         : BENCH_VALUE_BAD_CHECKSUM;
}

enum bench_verdict bench_value_check(enum bench_space space, uint64_t number,
                                     uint32_t expected_size, struct base_slice value,
                                     uint64_t *ret_version)
{
    const uint64_t mark = mark_of(space, number);
    struct base_slice body;
    uint64_t version;

    if (BASE_UNLIKELY(value.size != expected_size)) {
        return BENCH_VALUE_WRONG_SIZE;
    }
    if (value.size < BENCH_VALUE_HEAD_SIZE) {
        const enum bench_verdict verdict = check_short(mark, value);

        if (verdict == BENCH_VALUE_RIGHT) {
            *ret_version = 0;
        }
        return verdict;
    }
    if (BASE_UNLIKELY(get_word(value.data) != mark)) {
        return BENCH_VALUE_OTHER_KEY;
    }
    version = get_word(value.data + 8);
    body =
        (struct base_slice){value.data + BENCH_VALUE_HEAD_SIZE, value.size - BENCH_VALUE_HEAD_SIZE};
    if (BASE_UNLIKELY(get_word(value.data + 16) !=
                      base_hash_bytes(body, seed_of(mark, version, value.size)))) {
        return BENCH_VALUE_BAD_CHECKSUM;
    }
    *ret_version = version;
    return BENCH_VALUE_RIGHT;
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
        return "does not have the checksum of its bytes";
    }
    NEVER("a value has a verdict");
}
