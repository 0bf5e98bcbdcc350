/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gets of one key, many at a time, when all keys and all values have the same size: what a generator mostly does, in as few
 * instructions as it takes.
 *
 * Where a byte of such a request or of a hit stands is known beforehand (struct bench_form), and so are most of them. A request is a
 * copy of the form with the key's letters written in. An answer is compared with the form, 16 bytes at a time; with the letters, the
 * flags and the opaque of its key; and with the value that follows from the key and the version in it (value.h). The differences of
 * all of its bytes are gathered in one word, which is looked at once: it is 0, or the answer is not the right one. Which byte is
 * wrong, and all that is no whole hit (misses, answers in pieces, error lines), is left to the wire.
 *
 * Pure; any thread.
 */
#ifndef LARDER_MCBENCH_PLAIN_H
#define LARDER_MCBENCH_PLAIN_H

#include "cli/mcbench/value_words.h"
#include "cli/mcbench/wire.h"

enum { BENCH_PLAIN_PAIRS = BENCH_FORM_MAX / 16, BENCH_PLAIN_SLACK = 16 /* bytes */ };

struct bench_plain {
    bool is_on; /* false: the work, or its protocol, is not of that kind */
    bool trusts_values;
    uint32_t value_size, hit_size, get_size, answer_size;
    uint32_t get_key, hit_key, get_opaque, hit_opaque, hit_flags;
    uint32_t hit_pairs, get_pairs; /* of 16 bytes, the last ones may be begun */
    uint32_t word_blocks,
        word_pairs; /* of a value, from its checksum on: blocks of 8 pairs, and the whole pairs behind them */
    enum bench_space space;
    uint64_t space_mark; /* its part of a value's mark */
    uint64_t size_mark;  /* the size's part of a value's checksum */
    uint64_t end;        /* what comes behind the value, as the last bytes of a word */
    uint32_t end_shift;  /* bits of that word that are the value's */
    bench_value_pair hit[BENCH_PLAIN_PAIRS];
    bench_value_pair
        hit_mask[BENCH_PLAIN_PAIRS]; /* ones where the form is all that there is to say */
    bench_value_pair get[BENCH_PLAIN_PAIRS];
    bench_value_pair last_mask; /* ones where a value's last pair is still the value's */
};

void bench_plain_init(struct bench_plain *plain, const struct bench_work *work,
                      enum bench_space space);

/*
 * Writes `count` gets of the keys of these numbers, and the requests themselves but for their times; a request that has letters is
 * such a get already, of another key. Up to BENCH_FORM_MAX bytes behind the last one may be overwritten. Returns the bytes written.
 */
size_t bench_plain_write(const struct bench_plain *plain, uint32_t count, const uint64_t *numbers,
                         struct bench_request *requests, char *out);

/*
 * How many of these requests are answered at the beginning of the input by a hit that is all there and right in every byte. Those
 * are done with: the input goes on behind their answers. Stops at the first request that bench_plain_write() has not written. Behind
 * the input BENCH_PLAIN_SLACK more bytes may be read, whatever they are.
 */
uint32_t bench_plain_read(const struct bench_plain *plain, uint32_t count,
                          const struct bench_request *requests, struct base_slice *input);

#endif
