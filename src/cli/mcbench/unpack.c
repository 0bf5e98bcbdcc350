/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One table row per compression: how it begins, how it starts, goes on and ends.
 */
#include "cli/mcbench/unpack.h"

#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/check.h"

enum { XZ_MEMORY_MAX = 1 << 30 }; /* bytes of its dictionary and the like */

struct kind {
    const char *name;
    struct base_slice magic;
    bool (*begin)(struct bench_unpack *unpack);
    enum bench_unpack_result (*run)(struct bench_unpack *unpack, struct base_slice *input,
                                    bool at_end, size_t room, char *out, size_t *ret_written);
    void (*end)(struct bench_unpack *unpack);
};

struct bench_unpack {
    const struct kind *kind;
    const char *complaint;
    bool within; /* a zstd frame or a gzip member has begun and not ended */
    union {
        lzma_stream xz;
        ZSTD_DStream *zstd;
        z_stream gzip;
    };
};

static enum bench_unpack_result corrupt(struct bench_unpack *unpack, const char *complaint)
{
    unpack->complaint = complaint;
    return BENCH_UNPACK_CORRUPT;
}

/* ---- none ---- */

static bool begin_none(struct bench_unpack *unpack)
{
    (void)unpack;
    return true;
}

static enum bench_unpack_result run_none(struct bench_unpack *unpack, struct base_slice *input,
                                         bool at_end, size_t room, char *out, size_t *ret_written)
{
    const size_t size = input->size < room ? input->size : room;

    (void)unpack;
    if (size > 0) {
        memcpy(out, input->data, size);
        *input = (struct base_slice){input->data + size, input->size - size};
    }
    *ret_written = size;
    return at_end && input->size == 0 ? BENCH_UNPACK_END : BENCH_UNPACK_GOES_ON;
}

static void end_none(struct bench_unpack *unpack)
{
    (void)unpack;
}

/* ---- xz ---- */

static bool begin_xz(struct bench_unpack *unpack)
{
    unpack->xz = (lzma_stream)LZMA_STREAM_INIT;
    return lzma_stream_decoder(&unpack->xz, XZ_MEMORY_MAX, LZMA_CONCATENATED) == LZMA_OK;
}

static const char *xz_complaint(lzma_ret result)
{
    if (result == LZMA_BUF_ERROR) {
        return "the xz stream is cut off";
    }
    if (result == LZMA_MEM_ERROR || result == LZMA_MEMLIMIT_ERROR) {
        return "the xz stream needs more memory than there is";
    }
    return "the xz stream is corrupt";
}

static enum bench_unpack_result run_xz(struct bench_unpack *unpack, struct base_slice *input,
                                       bool at_end, size_t room, char *out, size_t *ret_written)
{
    lzma_ret result;

    unpack->xz.next_in = (const uint8_t *)input->data;
    unpack->xz.avail_in = input->size;
    unpack->xz.next_out = (uint8_t *)out;
    unpack->xz.avail_out = room;
    result = lzma_code(&unpack->xz, at_end ? LZMA_FINISH : LZMA_RUN);
    *ret_written = room - unpack->xz.avail_out;
    *input = (struct base_slice){(const char *)unpack->xz.next_in, unpack->xz.avail_in};
    if (result == LZMA_STREAM_END) {
        return BENCH_UNPACK_END;
    }
    if (result == LZMA_OK || (result == LZMA_BUF_ERROR && !at_end)) {
        return BENCH_UNPACK_GOES_ON;
    }
    return corrupt(unpack, xz_complaint(result));
}

static void end_xz(struct bench_unpack *unpack)
{
    lzma_end(&unpack->xz);
}

/* ---- zstd ---- */

static bool begin_zstd(struct bench_unpack *unpack)
{
    unpack->zstd = ZSTD_createDStream();
    return unpack->zstd != NULL;
}

static enum bench_unpack_result run_zstd(struct bench_unpack *unpack, struct base_slice *input,
                                         bool at_end, size_t room, char *out, size_t *ret_written)
{
    ZSTD_inBuffer in = {input->data, input->size, 0};
    ZSTD_outBuffer to = {out, room, 0};
    const size_t left = ZSTD_decompressStream(unpack->zstd, &to, &in);

    *ret_written = to.pos;
    *input = (struct base_slice){input->data + in.pos, input->size - in.pos};
    if (ZSTD_isError(left)) {
        return corrupt(unpack, ZSTD_getErrorName(left));
    }
    /* With neither input nor output nothing happened, and `left` only says what the next frame's head would take. */
    if (in.pos > 0 || to.pos > 0) {
        unpack->within = left != 0;
    }
    if (at_end && input->size == 0 && to.pos < room) {
        return unpack->within ? corrupt(unpack, "the zstd stream is cut off") : BENCH_UNPACK_END;
    }
    return BENCH_UNPACK_GOES_ON;
}

static void end_zstd(struct bench_unpack *unpack)
{
    (void)ZSTD_freeDStream(unpack->zstd);
}

/* ---- gzip ---- */

static bool begin_gzip(struct bench_unpack *unpack)
{
    unpack->gzip = (z_stream){0};
    unpack->within = true;
    return inflateInit2(&unpack->gzip, 15 + 16) == Z_OK; /* the largest window; gzip's frame */
}

static enum bench_unpack_result run_gzip(struct bench_unpack *unpack, struct base_slice *input,
                                         bool at_end, size_t room, char *out, size_t *ret_written)
{
    z_stream *stream = &unpack->gzip;
    int result;

    CHECK(input->size <= UINT32_MAX && room <= UINT32_MAX);
    *ret_written = 0;
    if (!unpack->within && input->size > 0) {
        if (inflateReset(stream) != Z_OK) {
            return corrupt(unpack, "the gzip stream is corrupt");
        }
        unpack->within = true;
    }
    if (!unpack->within) {
        return at_end ? BENCH_UNPACK_END : BENCH_UNPACK_GOES_ON;
    }
    /* zlib's own type; it does not write there. */
    stream->next_in = (Bytef *)(uintptr_t)input->data;
    stream->avail_in = (uInt)input->size;
    stream->next_out = (Bytef *)out;
    stream->avail_out = (uInt)room;
    result = inflate(stream, Z_NO_FLUSH);
    *ret_written = room - stream->avail_out;
    input->data += input->size - stream->avail_in;
    input->size = stream->avail_in;
    if (result == Z_STREAM_END) {
        unpack->within = false;
        return at_end && input->size == 0 ? BENCH_UNPACK_END : BENCH_UNPACK_GOES_ON;
    }
    if (result != Z_OK && result != Z_BUF_ERROR) {
        return corrupt(unpack, "the gzip stream is corrupt");
    }
    if (at_end && input->size == 0 && stream->avail_out > 0) {
        return corrupt(unpack, "the gzip stream is cut off");
    }
    return BENCH_UNPACK_GOES_ON;
}

static void end_gzip(struct bench_unpack *unpack)
{
    (void)inflateEnd(&unpack->gzip);
}

/* ---- all of them ---- */

static const struct kind KINDS[] = {
    {"xz", {"\xfd\x37\x7a\x58\x5a\x00", 6}, begin_xz, run_xz, end_xz},
    {"zstd", {"\x28\xb5\x2f\xfd", 4}, begin_zstd, run_zstd, end_zstd},
    {"gzip", {"\x1f\x8b", 2}, begin_gzip, run_gzip, end_gzip},
    {"none", {"", 0}, begin_none, run_none, end_none},
};

struct bench_unpack *bench_unpack_create(struct base_slice head)
{
    struct bench_unpack *unpack = calloc(1, sizeof(*unpack));
    const struct kind *kind = KINDS;

    if (unpack == NULL) {
        return NULL;
    }
    while (head.size < kind->magic.size ||
           !base_slice_equal(kind->magic, (struct base_slice){head.data, kind->magic.size})) {
        kind++;
    }
    unpack->kind = kind;
    if (!kind->begin(unpack)) {
        free(unpack);
        return NULL;
    }
    return unpack;
}

void bench_unpack_destroy(struct bench_unpack **unpack)
{
    if (*unpack != NULL) {
        (*unpack)->kind->end(*unpack);
        free(*unpack);
        *unpack = NULL;
    }
}

const char *bench_unpack_name(const struct bench_unpack *unpack)
{
    return unpack->kind->name;
}

enum bench_unpack_result bench_unpack_run(struct bench_unpack *unpack, struct base_slice *input,
                                          bool at_end, size_t room, char *out, size_t *ret_written)
{
    return unpack->kind->run(unpack, input, at_end, room, out, ret_written);
}

const char *bench_unpack_complaint(const struct bench_unpack *unpack)
{
    return unpack->complaint;
}
