/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Traces of every format, seen in steps of a size that the second byte chooses. Whatever comes, the parser stays inside its input,
 * gives only keys a server would take, goes on or ends, and says the same however the bytes were cut.
 */
#include "cli/mcbench/trace.h"
#include "fuzz.h"

enum { REQUESTS_MAX = 1000 };

struct outcome {
    uint64_t digest; /* of all requests */
    uint32_t count;
    enum bench_trace_result result;
};

static void check_request(const struct bench_trace_request *request, struct base_slice seen,
                          enum bench_trace_format format)
{
    const bool has_text = format == BENCH_TRACE_KEYS || format == BENCH_TRACE_TWITTER;

    CHECK(fuzz_is_inside(request->key, seen));
    CHECK((request->key.size > 0) == has_text && request->key.size <= BASE_KEY_SIZE_MAX);
    for (size_t i = 0; i < request->key.size; i++) {
        CHECK((unsigned char)request->key.data[i] > ' ');
    }
    CHECK(request->op <= BENCH_TRACE_DELETE);
    CHECK(request->has_sizes == (format == BENCH_TRACE_TWITTER));
}

static struct outcome parse(enum bench_trace_format format, struct base_slice input, size_t step)
{
    struct outcome outcome = {0};
    struct bench_trace_parser parser;
    size_t begin = 0;
    size_t end = 0;

    bench_trace_init(&parser, format);
    for (;;) {
        const struct base_slice seen = {input.data + begin, end - begin};
        struct bench_trace_request request;
        char complaint[BENCH_TRACE_ERROR_MAX] = "";
        size_t consumed = 0;

        outcome.result =
            bench_trace_parse(&parser, seen, end == input.size, &consumed, &request, complaint);
        CHECK(consumed <= seen.size);
        if (outcome.result == BENCH_TRACE_MORE) {
            CHECK(end < input.size);
            end = input.size - end < step ? input.size : end + step;
            continue;
        }
        if (outcome.result == BENCH_TRACE_BAD) {
            CHECK(complaint[0] != '\0' && memchr(complaint, '\0', sizeof(complaint)) != NULL);
            return outcome;
        }
        if (outcome.result == BENCH_TRACE_END || outcome.count == REQUESTS_MAX) {
            return outcome;
        }
        check_request(&request, seen, format);
        outcome.digest = outcome.digest * 31 + request.number + request.value_size * 7 + request.op;
        outcome.count++;
        begin += consumed;
        CHECK(parser.offset == begin);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum bench_trace_format format;
    struct base_slice input;
    struct outcome whole, cut;

    if (size < 2) {
        return 0;
    }
    format = (enum bench_trace_format)(data[0] % BENCH_TRACE_FORMATS);
    input = fuzz_slice(data + 2, size - 2);
    whole = parse(format, input, size);
    cut = parse(format, input, (size_t)data[1] + 1);
    CHECK(whole.count == cut.count && whole.digest == cut.digest && whole.result == cut.result);
    return 0;
}
