/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values that describe themselves: key, version, checksum.
 *
 *     0   8   key number and key space, mixed
 *     8   8   version
 *     16  8   checksum (XXH3) of the size, of the 16 bytes before, and of what follows
 *     24 ...  bytes that differ from key to key and from version to version
 *
 * A value shorter than 24 bytes has no room for that: its bytes all follow from key number and size, and have no version.
 * So one wrong byte, a value of another key, a value of another size, and a torn one are all seen, whoever wrote the value and
 * when, by any run with the same key count and sizes. Pure; any thread.
 */
#ifndef LARDER_MCBENCH_VALUE_H
#define LARDER_MCBENCH_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "cli/mcbench/keys.h"

enum { BENCH_VALUE_HEAD_SIZE = 24 }; /* bytes */

enum bench_verdict {
    BENCH_VALUE_RIGHT,
    BENCH_VALUE_WRONG_SIZE,
    BENCH_VALUE_OTHER_KEY,
    BENCH_VALUE_BAD_CHECKSUM,
};

/* Fills size bytes. */
void bench_value_write(enum bench_space space, uint64_t number, uint64_t version, char *out,
                       uint32_t size);

/* ret_version (0 for one too short to have any) is written when the value is right. expected_size: bench_keys_value_size(). */
enum bench_verdict bench_value_check(enum bench_space space, uint64_t number,
                                     uint32_t expected_size, struct base_slice value,
                                     uint64_t *ret_version);

/* "has the checksum of ...": words for a report. */
const char *bench_value_verdict_text(enum bench_verdict verdict);

#endif
