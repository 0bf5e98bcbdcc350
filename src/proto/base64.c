/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Base64 in both directions. Constant tables and pure functions; any thread.
 */
#include "proto/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits a letter stands for; '=' stands for 0; -1 for every other byte. */
static int value_of(char letter)
{
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    switch (letter) {
    case '+':
        return 62;
    case '/':
        return 63;
    case '=':
        return 0;
    default:
        return -1;
    }
}

size_t proto_base64_write(char *out, struct base_slice bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.data;
    char *const begin = out;

    for (size_t left = bytes.size; left > 0; in += 3) {
        const uint32_t group =
            (uint32_t)in[0] << 16 | (left > 1 ? (uint32_t)in[1] << 8 : 0) | (left > 2 ? in[2] : 0);

        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *out++ = left > 2 ? alphabet[group & 63] : '=';
        if (left <= 3) {
            break;
        }
        left -= 3;
    }
    return (size_t)(out - begin);
}

size_t proto_base64_parse(char *out, struct base_slice text)
{
    char *const begin = out;
    uint32_t group = 0;
    size_t letters = 0;
    size_t group_padding = 0;
    size_t padding = 0; /* of a finished group: the last one */

    for (size_t i = 0; i < text.size; i++) {
        letters += value_of(text.data[i]) >= 0;
    }
    if (letters == 0 || letters % 4 != 0) {
        return 0;
    }
    letters = 0;
    for (size_t i = 0; i < text.size && padding == 0; i++) {
        const int value = value_of(text.data[i]);

        if (value < 0) {
            continue;
        }
        group = group << 6 | (uint32_t)value;
        group_padding += text.data[i] == '=';
        if (++letters % 4 == 0) {
            *out++ = (char)(group >> 16);
            *out++ = (char)(group >> 8);
            *out++ = (char)group;
            padding = group_padding;
        }
    }
    if (padding > 2) {
        return 0;
    }
    out -= padding;
    return (size_t)(out - begin);
}
