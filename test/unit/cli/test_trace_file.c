/* SPDX-License-Identifier: BSD-3-Clause */
/* Traces in files: every compression, several streams in one file, files that are cut off or corrupt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "cli/mcbench/trace_file.h"

enum { COUNT = 300000, ROOM = 16 * COUNT };

static char path[] = "/tmp/larder-trace-XXXXXX";
static unsigned char plain[4 * COUNT];
static unsigned char packed[ROOM];

typedef size_t (*pack_fn)(size_t begin, size_t size, unsigned char *out);

static size_t pack_none(size_t begin, size_t size, unsigned char *out)
{
    memcpy(out, plain + begin, size);
    return size;
}

static size_t pack_xz(size_t begin, size_t size, unsigned char *out)
{
    size_t used = 0;

    assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, plain + begin, size, out,
                                             &used, ROOM / 2),
                     LZMA_OK);
    return used;
}

static size_t pack_zstd(size_t begin, size_t size, unsigned char *out)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t used;

    assert_non_null(context);
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
    used = ZSTD_compress2(context, out, ROOM / 2, plain + begin, size);
    assert_false(ZSTD_isError(used));
    (void)ZSTD_freeCCtx(context);
    return used;
}

static size_t pack_gzip(size_t begin, size_t size, unsigned char *out)
{
    z_stream stream = {0};

    assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = plain + begin;
    stream.avail_in = (uInt)size;
    stream.next_out = out;
    stream.avail_out = ROOM / 2;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return (size_t)(stream.next_out - out);
}

static const struct packing {
    const char *name;
    pack_fn pack;
} PACKINGS[] = {{"none", pack_none}, {"xz", pack_xz}, {"zstd", pack_zstd}, {"gzip", pack_gzip}};

enum { PACKING_COUNT = sizeof(PACKINGS) / sizeof(PACKINGS[0]) };

static void write_file(const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* How many requests there were; *ret_result is the last result. */
static uint32_t read_file(enum bench_trace_format format, int *ret_result, char *complaint)
{
    struct bench_trace_file *file;
    uint32_t count = 0;

    complaint[0] = '\0';
    *ret_result = bench_trace_file_open(path, format, &file, complaint);
    assert_int_equal(*ret_result, 0);
    for (;;) {
        struct bench_trace_request request;

        *ret_result = bench_trace_file_next(file, &request, complaint);
        if (*ret_result != 1) {
            break;
        }
        assert_int_equal(request.number, (uint32_t)count * 2654435761u);
        count++;
    }
    bench_trace_file_close(&file);
    assert_null(file);
    return count;
}

static void test_every_packing_gives_the_same(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PACKING_COUNT; i++) {
        char complaint[BENCH_TRACE_FILE_ERROR_MAX];
        size_t size = PACKINGS[i].pack(0, 1000002, packed);
        int result;

        /* Two streams in one file; their border lies within a number. */
        size += PACKINGS[i].pack(1000002, sizeof(plain) - 1000002, packed + size);
        write_file(packed, size);
        assert_int_equal(read_file(BENCH_TRACE_ID32, &result, complaint), COUNT);
        assert_int_equal(result, 0);
    }
}

static void test_a_file_that_is_cut_off_is_an_error(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PACKING_COUNT; i++) {
        char complaint[BENCH_TRACE_FILE_ERROR_MAX];
        const size_t size = PACKINGS[i].pack(0, sizeof(plain), packed);
        int result;

        write_file(packed, size - 3);
        assert_true(read_file(BENCH_TRACE_ID32, &result, complaint) <= COUNT);
        assert_int_equal(result, -EBADMSG);
        assert_memory_equal(complaint, path, strlen(path));
    }
}

static void test_a_corrupt_file_is_an_error(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < PACKING_COUNT; i++) {
        char complaint[BENCH_TRACE_FILE_ERROR_MAX];
        const size_t size = PACKINGS[i].pack(0, sizeof(plain), packed);
        struct bench_trace_file *file;
        struct bench_trace_request request;
        int result;

        memset(packed + size / 2, 0x55, 64);
        memcpy(packed + size - 1, "x", 1);
        write_file(packed, size);
        /* What comes out before the error may be wrong already: only the end counts. */
        assert_int_equal(bench_trace_file_open(path, BENCH_TRACE_ID32, &file, complaint), 0);
        do {
            result = bench_trace_file_next(file, &request, complaint);
        } while (result == 1);
        bench_trace_file_close(&file);
        assert_int_equal(result, -EBADMSG);
    }
}

static void test_an_empty_file_is_an_empty_trace(void **state)
{
    char complaint[BENCH_TRACE_FILE_ERROR_MAX];
    int result;

    (void)state;
    write_file(packed, 0);
    assert_int_equal(read_file(BENCH_TRACE_ID64, &result, complaint), 0);
    assert_int_equal(result, 0);
}

static void test_a_missing_file_and_a_wrong_line_are_named(void **state)
{
    char complaint[BENCH_TRACE_FILE_ERROR_MAX];
    char expected[BENCH_TRACE_FILE_ERROR_MAX];
    struct bench_trace_file *file = NULL;
    int result;

    (void)state;
    assert_int_equal(bench_trace_file_open("/nowhere/x", BENCH_TRACE_KEYS, &file, complaint),
                     -ENOENT);
    assert_null(file);
    assert_string_equal(complaint, "/nowhere/x: No such file or directory");
    write_file((const unsigned char *)"0 0\n", 4);
    assert_int_equal(read_file(BENCH_TRACE_EXTENTS, &result, complaint), 0);
    assert_int_equal(result, -EBADMSG);
    (void)snprintf(expected, sizeof(expected), "%s: line 1: 0 blocks; 1..16777216 are possible",
                   path);
    assert_string_equal(complaint, expected);
}

static void test_names_tell_formats(void **state)
{
    enum bench_trace_format format;

    (void)state;
    assert_true(bench_trace_file_guess("a/oltp.lis.zst", &format));
    assert_int_equal(format, BENCH_TRACE_EXTENTS);
    assert_true(bench_trace_file_guess("cluster052.sort.zst", &format));
    assert_int_equal(format, BENCH_TRACE_TWITTER);
    assert_true(bench_trace_file_guess("x.csv", &format));
    assert_int_equal(format, BENCH_TRACE_TWITTER);
    assert_true(bench_trace_file_guess("x.keys.gz", &format));
    assert_int_equal(format, BENCH_TRACE_KEYS);
    assert_false(bench_trace_file_guess("w106.trace.xz", &format));
}

static int set_up(void **state)
{
    const int fd = mkstemp(path);

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t number = i * 2654435761u;

        for (uint32_t byte = 0; byte < 4; byte++) {
            plain[4 * i + byte] = (unsigned char)(number >> (24 - 8 * byte));
        }
    }
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_packing_gives_the_same),
        cmocka_unit_test(test_a_file_that_is_cut_off_is_an_error),
        cmocka_unit_test(test_a_corrupt_file_is_an_error),
        cmocka_unit_test(test_an_empty_file_is_an_empty_trace),
        cmocka_unit_test(test_a_missing_file_and_a_wrong_line_are_named),
        cmocka_unit_test(test_names_tell_formats),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
