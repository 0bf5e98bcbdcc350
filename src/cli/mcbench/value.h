/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values that describe themselves: key, version, checksum.
 *
 *     0   8   key number and key space, mixed
 *     8   8   version
 *     16  8   checksum of the size and of the 16 bytes before
 *     24 ...  words that count up from the checksum by a large odd number; the last one is cut
 *
 * So every byte follows from key, version and size, and whoever reads the value compares every byte
 * with what it has to be: a wrong one, a value of another key or of another size, and a torn one
 * are all seen for certain, whoever wrote the value and when, by any run with the same key count
 * and sizes. (A hash over the body would let one in 2^64 pass, and costs twice as much.)
 * A value shorter than 24 bytes has no room for a head: it begins with the words, and its version
 * is 0. The words have the byte order of the machine. Pure; any thread.
 */
#ifndef LARDER_MCBENCH_VALUE_H
#define LARDER_MCBENCH_VALUE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "base/slice.h"
#include "cli/mcbench/keys.h"

enum { BENCH_VALUE_HEAD_SIZE = 24 }; /* bytes */

enum bench_verdict {
    BENCH_VALUE_RIGHT,
    BENCH_VALUE_WRONG_SIZE,
    BENCH_VALUE_OTHER_KEY,
    BENCH_VALUE_BAD_CHECKSUM,
    BENCH_VALUE_BAD_BODY,
};

/* Fills size bytes. */
void bench_value_write(enum bench_space space, uint64_t number, uint64_t version, char *out,
                       uint32_t size);

/*
 * ret_version (0 for one too short to have any) is written when the value is right.
 * expected_size: bench_keys_value_size().
 */
enum bench_verdict bench_value_check(enum bench_space space, uint64_t number,
                                     uint32_t expected_size, struct base_slice value,
                                     uint64_t *ret_version);

/* "has the wrong size": words for a report. */
const char *bench_value_verdict_text(enum bench_verdict verdict);

#endif
