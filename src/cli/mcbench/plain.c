/* SPDX-License-Identifier: BSD-3-Clause */
/* Plain gets and their hits: see plain.h. */
#include "cli/mcbench/plain.h"

#include <assert.h>

#include "base/check.h"
#include "cli/mcbench/wire_parts.h"

enum {
    PAIR_SIZE = sizeof(bench_value_pair),
    PAIRS_IN_BLOCK = 8, /* of a value's words */
    PAIRS_AT_ONCE = 3,  /* as many as most lines have; a hit has at least so many */
};

static uint32_t pairs_of(uint32_t size)
{
    const uint32_t pairs = (size + PAIR_SIZE - 1) / PAIR_SIZE;

    return pairs < PAIRS_AT_ONCE ? (uint32_t)PAIRS_AT_ONCE : pairs;
}

static bool is_plain(const struct bench_work *work, const struct bench_wire *wire)
{
    return wire->form != NULL && work->key_sizes.kind == BENCH_SIZE_FIXED &&
           work->value_sizes.kind == BENCH_SIZE_FIXED &&
           work->value_sizes.min >= BENCH_VALUE_HEAD_SIZE;
}

void bench_plain_init(struct bench_plain *plain, const struct bench_work *work,
                      enum bench_space space)
{
    const struct bench_wire *wire = bench_wire_of(work->protocol);
    struct bench_form form;
    char mask[BENCH_FORM_MAX] = {0};
    uint32_t word_size;

    *plain = (struct bench_plain){.is_on = is_plain(work, wire)};
    if (!plain->is_on) {
        return;
    }
    wire->form(work, space, &form);
    CHECK(form.get_size <= BENCH_FORM_MAX && form.hit_size <= BENCH_FORM_MAX &&
          form.end_size <= sizeof form.end &&
          form.hit_size + BENCH_VALUE_HEAD_SIZE >= PAIRS_AT_ONCE * PAIR_SIZE);
    plain->trusts_values = work->trust_values;
    plain->value_size = work->value_sizes.min;
    plain->get_size = form.get_size;
    plain->hit_size = form.hit_size;
    plain->answer_size = form.hit_size + plain->value_size + form.end_size;
    plain->get_key = form.get_key;
    plain->hit_key = form.hit_key;
    plain->get_opaque = form.get_opaque;
    plain->hit_opaque = form.hit_opaque;
    plain->hit_flags = form.hit_flags;
    plain->get_pairs = pairs_of(form.get_size);
    plain->hit_pairs = pairs_of(form.hit_size);
    plain->space = space;
    plain->space_mark = (uint64_t)space << BENCH_VALUE_SPACE_SHIFT;
    word_size = plain->value_size - 16;
    plain->word_blocks = word_size / (PAIRS_IN_BLOCK * PAIR_SIZE);
    plain->word_pairs = word_size / PAIR_SIZE % PAIRS_IN_BLOCK;
    memset(&plain->last_mask, 0xff, word_size % PAIR_SIZE);
    plain->size_mark = plain->value_size * BENCH_VALUE_SIZE_FACTOR;
    plain->end_shift = 8 * (uint32_t)(sizeof plain->end - form.end_size);
    memcpy((char *)&plain->end + sizeof plain->end - form.end_size, form.end, form.end_size);
    memset(mask, 0xff, form.hit_size);
    memset(mask + form.hit_key, 0, BENCH_KEY_NUMBER_SIZE);
    memset(mask + form.hit_flags, 0, 1);
    if (form.hit_opaque != 0) {
        memset(mask + form.hit_opaque, 0, BENCH_KEY_NUMBER_SIZE);
    }
    memcpy(plain->hit_mask, mask, sizeof mask);
    memcpy(plain->hit, form.hit, sizeof form.hit);
    memcpy(plain->get, form.get, sizeof form.get);
}

/* ---- requests ---- */

size_t bench_plain_write(const struct bench_plain *plain, uint32_t count, const uint64_t *numbers,
                         struct bench_request *requests, char *out)
{
    /* Copies: for all the compiler knows, what is written might be the form. */
    const bench_value_pair first = plain->get[0];
    const bench_value_pair second = plain->get[1];
    const bench_value_pair third = plain->get[2];
    const size_t get_size = plain->get_size;
    const uint32_t get_pairs = plain->get_pairs;
    const uint32_t get_key = plain->get_key;
    const uint32_t get_opaque = plain->get_opaque;
    char *const begin = out;

    static_assert(PAIRS_AT_ONCE == 3, "as many as are written out");
    for (const struct bench_request *end = requests + count; requests < end; requests++) {
        const uint64_t number = *numbers++;
        const uint64_t letters = bench_key_letters((uint32_t)number);

        memcpy(out, &first, PAIR_SIZE);
        memcpy(out + PAIR_SIZE, &second, PAIR_SIZE);
        memcpy(out + 2 * (size_t)PAIR_SIZE, &third, PAIR_SIZE);
        for (uint32_t pair = PAIRS_AT_ONCE; pair < get_pairs; pair++) {
            memcpy(out + (size_t)pair * PAIR_SIZE, &plain->get[pair], PAIR_SIZE);
        }
        memcpy(out + get_key, &letters, sizeof letters);
        if (get_opaque != 0) {
            const uint64_t opaque = bench_wire_opaque(number, BENCH_GET, 0);

            memcpy(out + get_opaque, &opaque, sizeof opaque);
        }
        if (BASE_UNLIKELY(requests->letters == 0)) {
            requests->verb = BENCH_GET;
            requests->space = plain->space;
            requests->ttl_s = 0;
            requests->key_count = 1;
            requests->answered_count = 0;
            requests->version = 0;
            requests->more_numbers = NULL;
            requests->quiet = false;
        }
        requests->numbers[0] = number;
        requests->letters = letters;
        out += get_size;
    }
    return (size_t)(out - begin);
}

/* ---- answers ---- */

static BASE_ALWAYS_INLINE bench_value_pair load(const char *bytes)
{
    bench_value_pair pair;

    memcpy(&pair, bytes, sizeof pair);
    return pair;
}

/* What of the line before the value is otherwise than it has to be; the value's first 24 bytes may be read with it. */
static BASE_ALWAYS_INLINE bench_value_pair wrong_in_line(const struct bench_plain *plain,
                                                         const char *line)
{
    bench_value_pair wrong = (load(line) ^ plain->hit[0]) & plain->hit_mask[0];

    wrong |= (load(line + PAIR_SIZE) ^ plain->hit[1]) & plain->hit_mask[1];
    wrong |= (load(line + 2 * (size_t)PAIR_SIZE) ^ plain->hit[2]) & plain->hit_mask[2];
    for (uint32_t pair = PAIRS_AT_ONCE; pair < plain->hit_pairs; pair++) {
        wrong |= (load(line + (size_t)pair * PAIR_SIZE) ^ plain->hit[pair]) & plain->hit_mask[pair];
    }
    return wrong;
}

/* The same of the words that a value counts up from its checksum. Up to 15 bytes behind it are read, and masked out. */
static BASE_ALWAYS_INLINE bench_value_pair wrong_in_words(const struct bench_plain *plain,
                                                          uint64_t word, const char *words)
{
    const bench_value_pair first = {0, BENCH_VALUE_STEP};
    const bench_value_pair step = {2 * BENCH_VALUE_STEP, 2 * BENCH_VALUE_STEP};
    bench_value_pair expected = (bench_value_pair){word, word} + first;
    bench_value_pair wrong = {0};

#define TAKE_PAIR(at)                                                                              \
    do {                                                                                           \
        wrong |= load((at)) ^ expected;                                                            \
        expected += step;                                                                          \
    } while (0)

    for (uint32_t block = 0; block < plain->word_blocks; block++) {
        for (uint32_t pair = 0; pair < PAIRS_IN_BLOCK; pair++) {
            TAKE_PAIR(words);
            words += PAIR_SIZE;
        }
    }
    /* A jump into the middle: a loop is half as many instructions again, for the few pairs that most values have. */
    words += (size_t)plain->word_pairs * PAIR_SIZE;
    switch (plain->word_pairs % PAIRS_IN_BLOCK) {
    case 7:
        TAKE_PAIR(words - 7 * (ptrdiff_t)PAIR_SIZE);
        BASE_FALLTHROUGH;
    case 6:
        TAKE_PAIR(words - 6 * (ptrdiff_t)PAIR_SIZE);
        BASE_FALLTHROUGH;
    case 5:
        TAKE_PAIR(words - 5 * (ptrdiff_t)PAIR_SIZE);
        BASE_FALLTHROUGH;
    case 4:
        TAKE_PAIR(words - 4 * (ptrdiff_t)PAIR_SIZE);
        BASE_FALLTHROUGH;
    case 3:
        TAKE_PAIR(words - 3 * (ptrdiff_t)PAIR_SIZE);
        BASE_FALLTHROUGH;
    case 2:
        TAKE_PAIR(words - 2 * (ptrdiff_t)PAIR_SIZE);
        BASE_FALLTHROUGH;
    case 1:
        TAKE_PAIR(words - (ptrdiff_t)PAIR_SIZE);
        BASE_FALLTHROUGH;
    default:
        break;
    }
#undef TAKE_PAIR
    return wrong | ((load(words) ^ expected) & plain->last_mask);
}

static BASE_ALWAYS_INLINE bool is_hit(const struct bench_plain *plain,
                                      const struct bench_request *request, const char *answer,
                                      bool has_opaque, bool trusts_values)
{
    const uint64_t number = request->numbers[0];
    const char *value = answer + plain->hit_size;
    bench_value_pair wrong = wrong_in_line(plain, answer);
    uint64_t wrong_word = bench_value_word(answer + plain->hit_key) ^ request->letters;

    wrong_word |= (unsigned char)(answer[plain->hit_flags] ^ bench_wire_flags_digit(number));
    wrong_word |= (bench_value_word(answer + plain->answer_size - sizeof(uint64_t)) ^ plain->end) >>
                  plain->end_shift;
    if (has_opaque) {
        wrong_word |=
            bench_value_word(answer + plain->hit_opaque) ^ bench_wire_opaque(number, BENCH_GET, 0);
    }
    if (!trusts_values) {
        const uint64_t mark = bench_value_mark_of(number ^ plain->space_mark);
        const uint64_t version = bench_value_word(value + 8);

        wrong_word |= bench_value_word(value) ^ mark;
        wrong |= wrong_in_words(
            plain, mark ^ plain->size_mark ^ version * BENCH_VALUE_VERSION_FACTOR, value + 16);
    }
    return (wrong[0] | wrong[1] | wrong_word) == 0;
}

static BASE_ALWAYS_INLINE uint32_t read_some(const struct bench_plain *plain, uint32_t count,
                                             const struct bench_request *requests,
                                             struct base_slice *input, bool has_opaque,
                                             bool trusts_values)
{
    const size_t answer_size = plain->answer_size;
    const char *at = input->data;
    uint32_t done = 0;

    count = input->size / answer_size < count ? (uint32_t)(input->size / answer_size) : count;
    /* A request of another kind has no letters: no answer has 8 zeros for a key. */
    while (done < count && is_hit(plain, &requests[done], at, has_opaque, trusts_values)) {
        at += answer_size;
        done++;
    }
    bench_wire_skip(input, (size_t)(at - input->data));
    return done;
}

/* What does not change from answer to answer is not asked for each. */
uint32_t bench_plain_read(const struct bench_plain *plain, uint32_t count,
                          const struct bench_request *requests, struct base_slice *input)
{
    struct base_slice rest = *input;
    uint32_t done;

    if (plain->trusts_values) {
        done = read_some(plain, count, requests, &rest, plain->hit_opaque != 0, true);
    } else if (plain->hit_opaque != 0) {
        done = read_some(plain, count, requests, &rest, true, false);
    } else {
        done = read_some(plain, count, requests, &rest, false, false);
    }
    *input = rest;
    return done;
}
