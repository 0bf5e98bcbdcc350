/* SPDX-License-Identifier: BSD-3-Clause */
/* Decimal numbers: see num.h for the common case of reading; this is the rest, and writing. */
#include "base/num.h"

const char BASE_NUM_PAIRS[200] = "0001020304050607080910111213141516171819"
                                 "2021222324252627282930313233343536373839"
                                 "4041424344454647484950515253545556575859"
                                 "6061626364656667686970717273747576777879"
                                 "8081828384858687888990919293949596979899";

/* clang-format off */
static const uint64_t powers_of_10[20] = {
    1ull, 10ull, 100ull, 1000ull, 10000ull, 100000ull, 1000000ull, 10000000ull, 100000000ull,
    1000000000ull, 10000000000ull, 100000000000ull, 1000000000000ull, 10000000000000ull,
    100000000000000ull, 1000000000000000ull, 10000000000000000ull, 100000000000000000ull,
    1000000000000000000ull, 10000000000000000000ull,
};
/* clang-format on */

bool base_num_parse_u64_long(struct base_slice text, uint64_t *ret)
{
    uint64_t value = 0;

    if (text.size == 0) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const uint32_t digit = (uint32_t)(unsigned char)text.data[i] - '0';

        if (digit > 9 || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *ret = value;
    return true;
}

bool base_num_parse_i64(struct base_slice text, int64_t *ret)
{
    const bool negative = text.size > 0 && text.data[0] == '-';
    uint64_t magnitude;

    if (negative) {
        text.data++;
        text.size--;
    }
    if (!base_num_parse_u64(text, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    /* Negated while unsigned: the magnitude of INT64_MIN has no positive counterpart. */
    *ret = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

bool base_num_parse_i32(struct base_slice text, int32_t *ret)
{
    int64_t value;

    if (!base_num_parse_i64(text, &value) || value < INT32_MIN || value > INT32_MAX) {
        return false;
    }
    *ret = (int32_t)value;
    return true;
}

/* The power of two that a suffix stands for; 0 when it is none. */
static unsigned int suffix_shift(char letter)
{
    switch (letter) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    case 't':
    case 'T':
        return 40;
    default:
        return 0;
    }
}

bool base_num_parse_size(struct base_slice text, uint64_t *ret_bytes)
{
    const unsigned int shift = text.size > 0 ? suffix_shift(text.data[text.size - 1]) : 0;
    uint64_t count;

    if (shift > 0) {
        text.size--;
    }
    if (!base_num_parse_u64(text, &count) || count > UINT64_MAX >> shift) {
        return false;
    }
    *ret_bytes = count << shift;
    return true;
}

/* How many digits the number has: its bits times log10(2), corrected by a comparison; after
 * "Bit Twiddling Hacks", Sean Eron Anderson. */
static size_t digit_count(uint64_t value)
{
    const size_t bits = 64 - (size_t)__builtin_clzll(value | 1);
    const size_t guess = bits * 1233 >> 12;

    return guess + (value >= powers_of_10[guess] ? 1 : 0);
}

size_t base_num_write_u64(char *out, uint64_t value)
{
    const size_t size = value == 0 ? 1 : digit_count(value);
    char *end = out + size;

    while (value >= 100) {
        end -= 2;
        memcpy(end, &BASE_NUM_PAIRS[value % 100 * 2], 2);
        value /= 100;
    }
    if (value >= 10) {
        memcpy(out, &BASE_NUM_PAIRS[value * 2], 2);
    } else {
        *out = (char)('0' + value);
    }
    return size;
}

size_t base_num_write_i64(char *out, int64_t value)
{
    if (value >= 0) {
        return base_num_write_u64(out, (uint64_t)value);
    }
    *out = '-';
    return 1 + base_num_write_u64(out + 1, 0 - (uint64_t)value);
}
