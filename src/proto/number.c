/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rare spellings of a number: signs, and control blanks around it. Pure; any thread.
 */
#include "proto/number.h"

/* What isspace() takes in the C locale and a word can hold: no ' ' and no newline gets here. */
static bool is_blank(char byte)
{
    return byte == '\t' || byte == '\v' || byte == '\f' || byte == '\r';
}

/*
 * Blanks, one sign, digits, then the end or a blank and anything: strtol() stops there, and
 * memcached looks no further.
 */
static bool loose(struct base_slice word, bool *ret_negative, uint64_t *ret_magnitude)
{
    size_t begin = 0;
    size_t end;
    bool negative = false;

    while (begin < word.size && is_blank(word.data[begin])) {
        begin++;
    }
    if (begin < word.size && (word.data[begin] == '-' || word.data[begin] == '+')) {
        negative = word.data[begin] == '-';
        begin++;
    }
    end = begin;
    while (end < word.size && !is_blank(word.data[end])) {
        end++;
    }
    *ret_negative = negative;
    return base_num_parse_u64((struct base_slice){word.data + begin, end - begin}, ret_magnitude);
}

bool proto_number_loose_u64(struct base_slice word, uint64_t *ret)
{
    bool negative;
    uint64_t magnitude;

    if (!loose(word, &negative, &magnitude) || (negative && magnitude != 0)) {
        return false;
    }
    *ret = magnitude;
    return true;
}

bool proto_number_loose_i32(struct base_slice word, int64_t *ret)
{
    bool negative;
    uint64_t magnitude;

    if (!loose(word, &negative, &magnitude) ||
        magnitude > (uint64_t)INT32_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *ret = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}
