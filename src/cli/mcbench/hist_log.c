/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Histograms as lines of a log: version 1.3 of HdrHistogram's format.
 *
 * The payload, big-endian (AbstractHistogram.encodeIntoByteBuffer, HistogramLogWriter of HdrHistogram 2.1): 40 bytes of head, then
 * the counts as ZigZag LEB128 numbers, a negative one standing for so many zeros; compressed by zlib behind 8 bytes of its own;
 * base64. One thread at a time per file.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/check.h"
#include "cli/mcbench/hist.h"
#include "cli/mcbench/hist_priv.h"

/* The second nibble from the right says that counts are variable-length words. */
#define COOKIE_V2         UINT32_C(0x1c849313)
#define COOKIE_COMPRESSED UINT32_C(0x1c849314)

enum {
    HEAD_SIZE = 40,     /* bytes before the counts */
    COUNT_SIZE_MAX = 9, /* bytes of one count */
    COMPRESSED_HEAD_SIZE = 8,
};

static size_t put_32(unsigned char *out, uint32_t value)
{
    value = htobe32(value);
    memcpy(out, &value, sizeof value);
    return sizeof value;
}

static size_t put_64(unsigned char *out, uint64_t value)
{
    value = htobe64(value);
    memcpy(out, &value, sizeof value);
    return sizeof value;
}

/* Seven bits a byte, the lowest first; the ninth byte has eight. */
static size_t put_count(unsigned char *out, int64_t count)
{
    uint64_t rest = ((uint64_t)count << 1) ^ (count < 0 ? UINT64_MAX : 0);
    size_t size = 0;

    while (rest > 0x7f && size < COUNT_SIZE_MAX - 1) {
        out[size++] = (unsigned char)(rest | 0x80);
        rest >>= 7;
    }
    out[size++] = (unsigned char)rest;
    return size;
}

static size_t put_counts(const struct bench_hist *hist, unsigned char *out)
{
    const size_t end = bench_hist_top(hist) + 1;
    size_t size = 0, step = 0;

    while (step < end) {
        size_t zeros = 0;

        while (step + zeros < end && hist->counts[step + zeros] == 0) {
            zeros++;
        }
        if (zeros > 1) {
            size += put_count(out + size, -(int64_t)zeros);
            step += zeros;
        } else {
            size += put_count(out + size, (int64_t)hist->counts[step]);
            step++;
        }
    }
    return size;
}

/* `out` has room for HEAD_SIZE + COUNT_SIZE_MAX * BENCH_HIST_STEPS bytes. Returns the bytes written. */
static size_t encode(const struct bench_hist *hist, unsigned char *out)
{
    const double ratio = 1; /* of integers to what they stand for */
    const size_t counts_size = put_counts(hist, out + HEAD_SIZE);
    uint64_t ratio_bits;
    size_t size = 0;

    static_assert(sizeof ratio_bits == sizeof ratio, "a double of 64 bits");
    memcpy(&ratio_bits, &ratio, sizeof ratio_bits);
    size += put_32(out + size, COOKIE_V2);
    size += put_32(out + size, (uint32_t)counts_size);
    size += put_32(out + size, 0); /* the counts are not rotated */
    size += put_32(out + size, BENCH_HIST_DIGITS);
    size += put_64(out + size, BENCH_HIST_LOWEST_NS);
    size += put_64(out + size, BENCH_HIST_HIGHEST_NS);
    size += put_64(out + size, ratio_bits);
    CHECK(size == HEAD_SIZE);
    return size + counts_size;
}

/* Writes base64 with padding and a NUL; `out` has room for 4 * ceil(size / 3) + 1 bytes. */
static void write_base64(const unsigned char *bytes, size_t size, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t triple = (uint32_t)bytes[i] << 16 |
                                (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                                (left > 2 ? (uint32_t)bytes[i + 2] : 0);

        *out++ = digits[triple >> 18];
        *out++ = digits[triple >> 12 & 63];
        *out++ = left > 1 ? digits[triple >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[triple & 63] : '=';
    }
    *out = '\0';
}

/* The whole payload as text; given to the caller: free(). NULL: no memory. */
static char *write_payload(const struct bench_hist *hist)
{
    unsigned char *raw = malloc(HEAD_SIZE + (size_t)COUNT_SIZE_MAX * BENCH_HIST_STEPS);
    unsigned char *packed = NULL;
    char *text = NULL;
    uLongf packed_size;
    size_t raw_size;

    if (raw == NULL) {
        return NULL;
    }
    raw_size = encode(hist, raw);
    packed_size = compressBound(raw_size);
    packed = malloc(COMPRESSED_HEAD_SIZE + packed_size);
    if (packed != NULL && compress2(packed + COMPRESSED_HEAD_SIZE, &packed_size, raw, raw_size,
                                    Z_BEST_COMPRESSION) == Z_OK) {
        (void)put_32(packed, COOKIE_COMPRESSED);
        (void)put_32(packed + 4, (uint32_t)packed_size);
        text = malloc((COMPRESSED_HEAD_SIZE + packed_size + 2) / 3 * 4 + 1);
        if (text != NULL) {
            write_base64(packed, COMPRESSED_HEAD_SIZE + packed_size, text);
        }
    }
    free(packed);
    free(raw);
    return text;
}

int bench_hist_log_begin(FILE *file, double start_s)
{
    const time_t whole_s = (time_t)start_s;
    struct tm broken;
    char words[64];

    if (gmtime_r(&whole_s, &broken) == NULL ||
        strftime(words, sizeof words, "%a %b %d %H:%M:%S UTC %Y", &broken) == 0) {
        return -EINVAL;
    }
    errno = 0;
    if (fprintf(file,
                "#[Histogram log format version 1.3]\n"
                "#[StartTime: %.3f (seconds since epoch), %s]\n"
                "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                "\"Interval_Compressed_Histogram\"\n",
                start_s, words) < 0) {
        return errno != 0 ? -errno : -EIO;
    }
    return 0;
}

int bench_hist_log_write(FILE *file, const struct bench_hist *hist, const char *tag, double start_s,
                         double length_s)
{
    char *payload;
    int written;

    CHECK(tag == NULL || strpbrk(tag, ", \t\r\n") == NULL);
    payload = write_payload(hist);
    if (payload == NULL) {
        return -ENOMEM;
    }
    errno = 0;
    /* The maximum is there for people, in milliseconds, as HdrHistogram's own writer has it. */
    written = fprintf(file, "%s%s%s%.3f,%.3f,%.3f,%s\n", tag != NULL ? "Tag=" : "",
                      tag != NULL ? tag : "", tag != NULL ? "," : "", start_s, length_s,
                      (double)bench_hist_max(hist) / 1e6, payload);
    free(payload);
    if (written < 0) {
        return errno != 0 ? -errno : -EIO;
    }
    return 0;
}
