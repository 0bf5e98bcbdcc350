/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers without a cache behind them: see canned.h. */
#include "cli/mcbench/canned.h"

#include "base/compiler.h"
#include "base/num.h"

enum {
    KEY_MAX = 250, /* bytes */
    HIT_LINE_MAX =
        2 * KEY_MAX + 100, /* "VA SIZE" and all the flags that a line of a request may have */
    KEY_DIGIT_AT = 15,     /* where in a key of mcbench the last digit of its number stands */
};

/* ---- output ---- */

static void put(struct bench_canned_out *out, struct base_slice bytes)
{
    memcpy(out->bytes + out->used, bytes.data, bytes.size);
    out->used += bytes.size;
}

static void put_char(struct bench_canned_out *out, char byte)
{
    out->bytes[out->used++] = byte;
}

static void close_piece(struct bench_canned_out *out)
{
    out->pieces[out->piece_count].iov_base = out->bytes + out->piece_start;
    out->pieces[out->piece_count].iov_len = out->used - out->piece_start;
    out->piece_count++;
    out->piece_start = out->used;
}

/* The value and "\r\n". */
static void put_value(const struct bench_canned *canned, struct bench_canned_out *out)
{
    const size_t size = (size_t)canned->value_size + 2;

    if (canned->value_size <= BENCH_CANNED_COPIED_MAX) {
        put(out, (struct base_slice){canned->value, size});
        return;
    }
    close_piece(out);
    out->pieces[out->piece_count].iov_base = (void *)(uintptr_t)canned->value;
    out->pieces[out->piece_count].iov_len = size;
    out->piece_count++;
}

void bench_canned_reset(struct bench_canned_out *out)
{
    out->used = 0;
    out->piece_start = 0;
    out->piece_count = 0;
}

size_t bench_canned_close(struct bench_canned_out *out)
{
    size_t size = 0;

    if (out->piece_count == 0) {
        return out->used;
    }
    close_piece(out);
    for (size_t i = 0; i < out->piece_count; i++) {
        size += out->pieces[i].iov_len;
    }
    return size;
}

size_t bench_canned_room(const struct bench_canned *canned)
{
    const size_t value = canned->value_size <= BENCH_CANNED_COPIED_MAX ? canned->value_size : 0;

    return BENCH_CANNED_KEYS_MAX * (value + HIT_LINE_MAX);
}

/* Another answer may take so many bytes and pieces: two for each value, and the last one. */
static bool has_room(const struct bench_canned *canned, const struct bench_canned_out *out)
{
    return out->room - out->used >= bench_canned_room(canned) &&
           (canned->value_size <= BENCH_CANNED_COPIED_MAX ||
            out->piece_count + 2 * BENCH_CANNED_KEYS_MAX + 1 <= BENCH_CANNED_PIECES_MAX);
}

/* ---- words of a line ---- */

static bool begins_with(struct base_slice text, struct base_slice word)
{
    return text.size >= word.size && memcmp(text.data, word.data, word.size) == 0;
}

/* The next word of the line, which is moved behind it and its blank. Empty: there is none. */
static struct base_slice next_word(struct base_slice *line)
{
    const char *blank = line->size == 0 ? NULL : memchr(line->data, ' ', line->size);
    const struct base_slice word = {line->data,
                                    blank == NULL ? line->size : (size_t)(blank - line->data)};
    const size_t taken = word.size + (blank == NULL ? 0 : 1);

    line->data += taken;
    line->size -= taken;
    return word;
}

/* As mcbench gives them to its keys: they follow from the last digit (of a to p) of the key's number. */
static char flags_of(struct base_slice key)
{
    const char digit = key.size > KEY_DIGIT_AT ? key.data[KEY_DIGIT_AT] : 'a';

    return (char)('1' + ((digit - 'a') & 7));
}

/* The size of a value: that and "\r\n" are skipped. */
static bool parse_block(struct base_slice word, uint64_t *skip)
{
    uint32_t size;

    if (!base_num_parse_u32(word, &size)) {
        return false;
    }
    *skip = (uint64_t)size + 2;
    return true;
}

/* ---- text ---- */

static bool answer_get(const struct bench_canned *canned, struct base_slice keys,
                       struct bench_canned_out *out)
{
    char size[2 + BASE_NUM_TEXT_MAX];
    size_t size_size = base_num_write_u64(size, canned->value_size);
    uint32_t count = 0;

    memcpy(size + size_size, "\r\n", 2);
    size_size += 2;
    while (keys.size > 0) {
        const struct base_slice key = next_word(&keys);

        if (key.size == 0) {
            continue;
        }
        if (key.size > KEY_MAX || ++count > BENCH_CANNED_KEYS_MAX) {
            return false;
        }
        put(out, BASE_SLICE("VALUE "));
        put(out, key);
        put_char(out, ' ');
        put_char(out, flags_of(key));
        put_char(out, ' ');
        put(out, (struct base_slice){size, size_size});
        put_value(canned, out);
    }
    put(out, BASE_SLICE("END\r\n"));
    return true;
}

/* "KEY FLAGS TTL SIZE[ noreply]" */
static bool answer_set(struct base_slice line, uint64_t *skip, struct bench_canned_out *out)
{
    for (int i = 0; i < 3; i++) {
        (void)next_word(&line);
    }
    if (!parse_block(next_word(&line), skip)) {
        return false;
    }
    if (line.size == 0) {
        put(out, BASE_SLICE("STORED\r\n"));
    }
    return true;
}

/* ---- meta ---- */

/* The flags that come back, each behind a blank; returns whether the request was quiet. */
static bool echo_flags(struct base_slice key, struct base_slice flags, struct bench_canned_out *out)
{
    bool is_quiet = false;
    bool has_key = false;

    while (flags.size > 0) {
        const struct base_slice flag = next_word(&flags);

        if (flag.size == 0) {
            continue;
        }
        switch (flag.data[0]) {
        case 'k':
            if (has_key) {
                break; /* once: the answer must not outgrow its room */
            }
            has_key = true;
            put(out, BASE_SLICE(" k"));
            put(out, key);
            break;
        case 'f':
            put(out, BASE_SLICE(" f"));
            put_char(out, flags_of(key));
            break;
        case 'O':
            put_char(out, ' ');
            put(out, flag);
            break;
        case 'q':
            is_quiet = true;
            break;
        default:
            break;
        }
    }
    put(out, BASE_SLICE("\r\n"));
    return is_quiet;
}

static void answer_meta_get(const struct bench_canned *canned, struct base_slice line,
                            struct bench_canned_out *out)
{
    const struct base_slice key = next_word(&line);

    put(out, BASE_SLICE("VA "));
    out->used += base_num_write_u64(out->bytes + out->used, canned->value_size);
    (void)echo_flags(key, line, out);
    put_value(canned, out);
}

static bool answer_meta_set(struct base_slice line, uint64_t *skip, struct bench_canned_out *out)
{
    const struct base_slice key = next_word(&line);
    const size_t start = out->used;

    if (!parse_block(next_word(&line), skip)) {
        return false;
    }
    put(out, BASE_SLICE("HD"));
    if (echo_flags(key, line, out)) {
        out->used = start;
    }
    return true;
}

static void answer_meta_word(struct base_slice line, struct base_slice word,
                             struct bench_canned_out *out)
{
    const struct base_slice key = next_word(&line);

    put(out, word);
    (void)echo_flags(key, line, out);
}

/* ---- lines ---- */

static struct base_slice behind(struct base_slice line, size_t size)
{
    return (struct base_slice){line.data + size, line.size - size};
}

/* What comes less often than gets and sets. */
static bool answer_other(struct base_slice line, struct bench_canned_out *out)
{
    if (begins_with(line, BASE_SLICE("md "))) {
        answer_meta_word(behind(line, 3), BASE_SLICE("HD"), out);
    } else if (begins_with(line, BASE_SLICE("ma "))) {
        answer_meta_word(behind(line, 3), BASE_SLICE("NF"), out);
    } else if (base_slice_equal(line, BASE_SLICE("mn"))) {
        put(out, BASE_SLICE("MN\r\n"));
    } else if (begins_with(line, BASE_SLICE("delete "))) {
        put(out, BASE_SLICE("DELETED\r\n"));
    } else if (begins_with(line, BASE_SLICE("incr "))) {
        put(out, BASE_SLICE("NOT_FOUND\r\n"));
    } else if (base_slice_equal(line, BASE_SLICE("version"))) {
        put(out, BASE_SLICE("VERSION 0 (empty)\r\n"));
    } else if (begins_with(line, BASE_SLICE("stats"))) {
        put(out, BASE_SLICE("END\r\n"));
    } else {
        return false;
    }
    return true;
}

/* line: without its end. */
static bool answer_line(const struct bench_canned *canned, struct base_slice line, uint64_t *skip,
                        struct bench_canned_out *out)
{
    if (begins_with(line, BASE_SLICE("get "))) {
        return answer_get(canned, behind(line, 4), out);
    }
    if (begins_with(line, BASE_SLICE("set "))) {
        return answer_set(behind(line, 4), skip, out);
    }
    /* A meta line's key and opaque come back: an answer is hardly longer than what was asked. */
    if (line.size > HIT_LINE_MAX - 50) {
        return false;
    }
    if (begins_with(line, BASE_SLICE("mg "))) {
        answer_meta_get(canned, behind(line, 3), out);
        return true;
    }
    if (begins_with(line, BASE_SLICE("ms "))) {
        return answer_meta_set(behind(line, 3), skip, out);
    }
    return answer_other(line, out);
}

bool bench_canned_answer(const struct bench_canned *canned, struct base_slice input, uint64_t *skip,
                         size_t *ret_consumed, struct bench_canned_out *out)
{
    size_t at = 0;
    bool is_fine = true;

    while (is_fine && at < input.size) {
        const size_t left = input.size - at;
        const char *end;
        size_t size;

        if (*skip > 0) {
            const size_t skipped = *skip < left ? (size_t)*skip : left;

            at += skipped;
            *skip -= skipped;
            continue;
        }
        end = memchr(input.data + at, '\n', left);
        if (end == NULL || !has_room(canned, out)) {
            is_fine = end != NULL || left < BENCH_CANNED_LINE_MAX;
            break;
        }
        size = (size_t)(end - (input.data + at));
        if (size > 0 && end[-1] == '\r') {
            size--;
        }
        is_fine = answer_line(canned, (struct base_slice){input.data + at, size}, skip, out);
        at = (size_t)(end - input.data) + 1;
    }
    *ret_consumed = at;
    return is_fine;
}
