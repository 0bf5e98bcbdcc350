/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Traces as requests: sizes, tenants, and what a trace is made of.
 */
#include "cli/mcbench/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/mcbench/sizes.h"

static const struct bench_sizes KEY_SIZES = {.kind = BENCH_SIZE_RANGE, .min = 20, .max = 40};
static const struct bench_sizes ETC_SIZES = {.kind = BENCH_SIZE_ETC};

enum { DIGITS = 16 /* hexadecimal, of a number */ };

/* One request of a trace that is held in memory. */
struct record {
    uint64_t number;
    uint32_t value_size;
    uint32_t ttl_s;
    uint8_t key_size;
    uint8_t op;
    bool is_sized;
};

struct bench_source {
    struct bench_source_plan plan;
    struct bench_trace_file *file; /* one tenant */
    uint64_t taken;                /* of the file, or of all tenants */
    struct record *records;        /* more tenants; owned */
    uint64_t record_count;
};

/* One to one, and every bit of the number in every bit of the result (the end of splitmix64). */
static uint64_t mix(uint64_t number)
{
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9ull;
    number = (number ^ number >> 27) * 0x94d049bb133111ebull;
    return number ^ number >> 31;
}

static void spell(uint64_t number, uint32_t size, char *out)
{
    memset(out, '0', size);
    for (uint32_t i = 1; i <= DIGITS; i++) {
        out[size - i] = "0123456789abcdef"[number & 15];
        number >>= 4;
    }
}

static uint32_t made_up_value_size(const struct bench_source_plan *plan, uint64_t number)
{
    return bench_sizes_value(plan->value_sizes == NULL ? &ETC_SIZES : plan->value_sizes,
                             mix(~number));
}

/* The key's text and the sizes that the trace does not say. */
static void complete(const struct bench_source_plan *plan, struct bench_source_request *request)
{
    if (!request->is_sized) {
        request->key_size = bench_sizes_key(&KEY_SIZES, mix(request->number + 1));
        request->value_size = made_up_value_size(plan, request->number);
    } else if (request->key_size < DIGITS) {
        request->key_size = DIGITS;
    }
    spell(request->number, request->key_size, request->key);
}

static void from_trace(const struct bench_source_plan *plan,
                       const struct bench_trace_request *traced,
                       struct bench_source_request *request)
{
    request->number = traced->number;
    request->op = traced->op;
    request->ttl_s = traced->ttl_s;
    request->is_sized = traced->has_sizes;
    request->value_size = traced->value_size;
    request->key_size =
        traced->key_size < BASE_KEY_SIZE_MAX ? traced->key_size : (uint32_t)BASE_KEY_SIZE_MAX;
    if (traced->key.size == 0) {
        complete(plan, request);
        return;
    }
    if (!traced->has_sizes) {
        request->value_size = made_up_value_size(plan, request->number);
    }
    request->key_size = (uint32_t)traced->key.size;
    memcpy(request->key, traced->key.data, traced->key.size);
}

static int no_memory(char *complaint)
{
    (void)snprintf(complaint, BENCH_TRACE_FILE_ERROR_MAX, "no memory to hold the trace");
    return -ENOMEM;
}

static int append(struct bench_source *source, const struct bench_trace_request *traced,
                  char *complaint)
{
    struct record *record;

    if ((source->record_count & (source->record_count - 1)) == 0) {
        const uint64_t room = source->record_count == 0 ? 1 : 2 * source->record_count;
        struct record *records = realloc(source->records, room * sizeof(*records));

        if (records == NULL) {
            return no_memory(complaint);
        }
        source->records = records;
    }
    record = &source->records[source->record_count++];
    record->number = traced->number;
    record->value_size = traced->value_size;
    record->ttl_s = traced->ttl_s;
    record->key_size =
        (uint8_t)(traced->key_size < BASE_KEY_SIZE_MAX ? traced->key_size : BASE_KEY_SIZE_MAX);
    record->op = (uint8_t)traced->op;
    record->is_sized = traced->has_sizes;
    return 0;
}

static int load(struct bench_source *source, char *complaint)
{
    int result = 1;

    while (source->plan.requests_max == 0 || source->record_count < source->plan.requests_max) {
        struct bench_trace_request traced;

        result = bench_trace_file_next(source->file, &traced, complaint);
        if (result == 1) {
            result = append(source, &traced, complaint) == 0 ? 1 : -ENOMEM;
        }
        if (result != 1) {
            break;
        }
    }
    bench_trace_file_close(&source->file);
    return result < 0 ? result : 0;
}

int bench_source_open(const struct bench_source_plan *plan, struct bench_source **ret_source,
                      char complaint[static BENCH_TRACE_FILE_ERROR_MAX])
{
    struct bench_source *source = calloc(1, sizeof(*source));
    int result;

    if (source == NULL) {
        return no_memory(complaint);
    }
    source->plan = *plan;
    result = bench_trace_file_open(plan->path, plan->format, &source->file, complaint);
    if (result == 0 && plan->tenant_count > 1) {
        result = load(source, complaint);
    }
    if (result != 0) {
        bench_source_close(&source);
        return result;
    }
    *ret_source = source;
    return 0;
}

int bench_source_rewind(struct bench_source *source,
                        char complaint[static BENCH_TRACE_FILE_ERROR_MAX])
{
    source->taken = 0;
    if (source->records != NULL) {
        return 0;
    }
    bench_trace_file_close(&source->file);
    return bench_trace_file_open(source->plan.path, source->plan.format, &source->file, complaint);
}

void bench_source_close(struct bench_source **source)
{
    if (*source == NULL) {
        return;
    }
    bench_trace_file_close(&(*source)->file);
    free((*source)->records);
    free(*source);
    *source = NULL;
}

/* Tenant k is k/n of the trace ahead of the first. */
static int next_of_tenants(struct bench_source *source, struct bench_source_request *request)
{
    const uint64_t count = source->record_count;
    const uint64_t tenants = source->plan.tenant_count;
    const uint64_t tenant = source->taken % tenants;
    const uint64_t turn = source->taken / tenants;
    const struct record *record;

    if (turn == count) {
        return 0;
    }
    record = &source->records[(turn + tenant * count / tenants) % count];
    source->taken++;
    request->number = mix(record->number + tenant * 0x9e3779b97f4a7c15ull);
    request->op = (enum bench_trace_op)record->op;
    request->ttl_s = record->ttl_s;
    request->is_sized = record->is_sized;
    request->key_size = record->key_size;
    request->value_size = record->value_size;
    complete(&source->plan, request);
    return 1;
}

int bench_source_next(struct bench_source *source, struct bench_source_request *ret_request,
                      char complaint[static BENCH_TRACE_FILE_ERROR_MAX])
{
    struct bench_trace_request traced;
    int result;

    if (source->plan.tenant_count > 1) {
        return source->record_count == 0 ? 0 : next_of_tenants(source, ret_request);
    }
    if (source->plan.requests_max != 0 && source->taken == source->plan.requests_max) {
        return 0;
    }
    result = bench_trace_file_next(source->file, &traced, complaint);
    if (result == 1) {
        source->taken++;
        from_trace(&source->plan, &traced, ret_request);
    }
    return result;
}

/* ---- survey ---- */

/* A table of the keys seen so far, by number; open addressing, at most half full. */
struct seen {
    uint64_t *numbers; /* 0: free; number 0 counts as its own, in has_zero */
    uint32_t *sizes;   /* of the value, its largest */
    uint64_t room, count;
    bool has_zero;
    uint32_t zero_size;
};

static bool grow(struct seen *seen)
{
    struct seen bigger = {.room = seen->room * 2, .count = seen->count};

    bigger.numbers = calloc(bigger.room, sizeof(*bigger.numbers));
    bigger.sizes = calloc(bigger.room, sizeof(*bigger.sizes));
    if (bigger.numbers == NULL || bigger.sizes == NULL) {
        free(bigger.numbers);
        free(bigger.sizes);
        return false;
    }
    for (uint64_t i = 0; seen->numbers != NULL && i < seen->room; i++) {
        uint64_t at = mix(seen->numbers[i]) & (bigger.room - 1);

        if (seen->numbers[i] == 0) {
            continue;
        }
        while (bigger.numbers[at] != 0) {
            at = (at + 1) & (bigger.room - 1);
        }
        bigger.numbers[at] = seen->numbers[i];
        bigger.sizes[at] = seen->sizes[i];
    }
    free(seen->numbers);
    free(seen->sizes);
    seen->numbers = bigger.numbers;
    seen->sizes = bigger.sizes;
    seen->room = bigger.room;
    return true;
}

static bool note(struct seen *seen, const struct bench_source_request *request,
                 struct bench_source_survey *survey)
{
    uint64_t at = mix(request->number) & (seen->room - 1);
    uint32_t *size = &seen->zero_size;
    bool is_new = !seen->has_zero;

    if (request->number == 0) {
        seen->has_zero = true;
    } else {
        while (seen->numbers[at] != 0 && seen->numbers[at] != request->number) {
            at = (at + 1) & (seen->room - 1);
        }
        is_new = seen->numbers[at] == 0;
        seen->numbers[at] = request->number;
        size = &seen->sizes[at];
        seen->count += is_new ? 1 : 0;
    }
    survey->requests++;
    if (is_new) {
        survey->keys++;
        survey->bytes += request->key_size;
    }
    if (request->value_size > *size) {
        survey->bytes += request->value_size - *size;
        *size = request->value_size;
    }
    return seen->count * 2 < seen->room || grow(seen);
}

int bench_source_survey(const struct bench_source_plan *plan,
                        struct bench_source_survey *ret_survey,
                        char complaint[static BENCH_TRACE_FILE_ERROR_MAX])
{
    struct bench_source_plan once = *plan;
    struct bench_source_survey survey = {0};
    struct seen seen = {.room = 512}; /* grow() makes the first table */
    struct bench_source *source = NULL;
    struct bench_source_request request;
    int result;

    once.tenant_count = 1;
    result = bench_source_open(&once, &source, complaint);
    if (result != 0) {
        return result;
    }
    result = grow(&seen) ? 1 : no_memory(complaint);
    while (result == 1) {
        result = bench_source_next(source, &request, complaint);
        if (result == 1 && !note(&seen, &request, &survey)) {
            result = no_memory(complaint);
        }
    }
    bench_source_close(&source);
    free(seen.numbers);
    free(seen.sizes);
    if (result < 0) {
        return result;
    }
    ret_survey->requests = survey.requests * plan->tenant_count;
    ret_survey->keys = survey.keys * plan->tenant_count;
    ret_survey->bytes = survey.bytes * plan->tenant_count;
    return 0;
}
