/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The meta protocol's replies, read: for clients, tests and benchmarks.
 *
 * Servers are not trusted either: sizes are checked and every slice lies in the input. Pure; any
 * thread.
 */
#include "base/num.h"
#include "proto/meta.h"

static bool is_code(struct base_slice word)
{
    static const char codes[][3] = {"VA", "HD", "EN", "NS", "EX", "NF", "MN", "ME"};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (word.size == 2 && memcmp(word.data, codes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_error(struct base_slice word)
{
    return base_slice_equal(word, BASE_SLICE("CLIENT_ERROR")) ||
           base_slice_equal(word, BASE_SLICE("SERVER_ERROR")) ||
           base_slice_equal(word, BASE_SLICE("ERROR"));
}

static bool parse_line(struct base_slice line, struct proto_meta_answer *answer)
{
    struct base_slice rest = line;
    struct base_slice word;

    if (!proto_text_next_token(&rest, &word)) {
        return false;
    }
    if (is_error(word)) {
        answer->is_error = true;
        answer->flags = line;
        return true;
    }
    if (!is_code(word)) {
        return false;
    }
    memcpy(answer->code, word.data, 2);
    if (memcmp(answer->code, "VA", 2) == 0 &&
        (!proto_text_next_token(&rest, &word) || !base_num_parse_u64(word, &answer->value_size) ||
         answer->value_size > BASE_ITEM_SIZE_MAX)) {
        return false;
    }
    answer->flags = rest;
    return true;
}

enum proto_parse proto_meta_parse_answer(struct base_slice input,
                                         struct proto_meta_answer *ret_answer, size_t *ret_consumed)
{
    const char *newline = input.size == 0 ? NULL : memchr(input.data, '\n', input.size);
    struct proto_meta_answer answer = {0};
    struct base_slice line;

    if (newline == NULL) {
        return input.size > BASE_REQUEST_LINE_MAX ? PROTO_CLOSE : PROTO_MORE;
    }
    line = (struct base_slice){input.data, (size_t)(newline - input.data)};
    if (line.size == 0 || line.data[line.size - 1] != '\r') {
        return PROTO_CLOSE;
    }
    line.size--;
    if (!parse_line(line, &answer)) {
        return PROTO_CLOSE;
    }
    *ret_answer = answer;
    *ret_consumed = (size_t)(newline + 1 - input.data);
    return PROTO_DONE;
}
