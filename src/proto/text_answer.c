/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text protocol's replies, read: for clients, tests and benchmarks.
 *
 * Servers are not trusted either: every number is checked, every slice lies in the input. The line
 * must end in \r\n, as every memcached sends it. Pure; any thread.
 */
#include "base/num.h"
#include "proto/text.h"

struct fixed_answer {
    struct base_slice line;
    enum proto_answer_kind kind;
    enum proto_status status;
};

#define WORD(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct fixed_answer fixed_answers[] = {
    {WORD("END"), PROTO_ANSWER_END, PROTO_STATUS_OK},
    {WORD("STORED"), PROTO_ANSWER_STATUS, PROTO_STATUS_STORED},
    {WORD("NOT_STORED"), PROTO_ANSWER_STATUS, PROTO_STATUS_NOT_STORED},
    {WORD("EXISTS"), PROTO_ANSWER_STATUS, PROTO_STATUS_EXISTS},
    {WORD("NOT_FOUND"), PROTO_ANSWER_STATUS, PROTO_STATUS_MISS},
    {WORD("DELETED"), PROTO_ANSWER_STATUS, PROTO_STATUS_DELETED},
    {WORD("TOUCHED"), PROTO_ANSWER_STATUS, PROTO_STATUS_TOUCHED},
    {WORD("OK"), PROTO_ANSWER_STATUS, PROTO_STATUS_OK},
    {WORD("RESET"), PROTO_ANSWER_STATUS, PROTO_STATUS_OK},
    {WORD("ERROR"), PROTO_ANSWER_ERROR, PROTO_STATUS_ERROR},
};

static bool starts_with(struct base_slice line, struct base_slice word)
{
    return line.size >= word.size && memcmp(line.data, word.data, word.size) == 0;
}

/* "VALUE <key> <flags> <bytes>[ <cas>]" */
static bool parse_value(struct base_slice rest, struct proto_answer *answer)
{
    struct base_slice word;

    if (!proto_text_next_token(&rest, &answer->key) || answer->key.size > BASE_KEY_SIZE_MAX ||
        !proto_text_next_token(&rest, &word) || !base_num_parse_u32(word, &answer->client_flags) ||
        !proto_text_next_token(&rest, &word) || !base_num_parse_u64(word, &answer->value_size) ||
        answer->value_size > BASE_ITEM_SIZE_MAX) {
        return false;
    }
    if (proto_text_next_token(&rest, &word) && !base_num_parse_u64(word, &answer->cas)) {
        return false;
    }
    answer->kind = PROTO_ANSWER_VALUE;
    answer->status = PROTO_STATUS_HIT;
    return !proto_text_next_token(&rest, &word);
}

/* "STAT <name> <value>"; the value may hold blanks or be empty. */
static bool parse_stat(struct base_slice rest, struct proto_answer *answer)
{
    if (!proto_text_next_token(&rest, &answer->key)) {
        return false;
    }
    if (rest.size > 0) {
        rest.data++;
        rest.size--;
    }
    answer->kind = PROTO_ANSWER_STAT;
    answer->text = rest;
    return true;
}

static bool parse_line(struct base_slice line, struct proto_answer *answer)
{
    struct base_slice rest = line;
    struct base_slice word;

    answer->text = line;
    if (!proto_text_next_token(&rest, &word)) {
        return false;
    }
    if (base_slice_equal(word, BASE_SLICE("VALUE"))) {
        return parse_value(rest, answer);
    }
    if (base_slice_equal(word, BASE_SLICE("STAT"))) {
        return parse_stat(rest, answer);
    }
    for (size_t i = 0; i < sizeof(fixed_answers) / sizeof(fixed_answers[0]); i++) {
        if (base_slice_equal(line, fixed_answers[i].line)) {
            answer->kind = fixed_answers[i].kind;
            answer->status = fixed_answers[i].status;
            return true;
        }
    }
    if (base_num_parse_u64(word, &answer->number)) {
        answer->kind = PROTO_ANSWER_NUMBER;
        answer->status = PROTO_STATUS_NUMBER;
        return !proto_text_next_token(&rest, &word);
    }
    if (starts_with(line, BASE_SLICE("CLIENT_ERROR")) ||
        starts_with(line, BASE_SLICE("SERVER_ERROR")) || starts_with(line, BASE_SLICE("ERROR"))) {
        answer->kind = PROTO_ANSWER_ERROR;
        answer->status = PROTO_STATUS_ERROR;
    }
    return true;
}

enum proto_parse proto_text_parse_answer(struct base_slice input, struct proto_answer *ret_answer,
                                         size_t *ret_consumed)
{
    const char *newline = input.size == 0 ? NULL : memchr(input.data, '\n', input.size);
    struct proto_answer answer = {.kind = PROTO_ANSWER_OTHER, .status = PROTO_STATUS_OK};
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
