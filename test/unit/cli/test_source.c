/* SPDX-License-Identifier: BSD-3-Clause */
/* What a replay sends: sizes, tenants, limits, the survey. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/mcbench/source.h"

static char path[] = "/tmp/larder-source-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static struct bench_source *open_source(enum bench_trace_format format, uint64_t requests_max,
                                        uint32_t tenant_count)
{
    const struct bench_source_plan plan = {path, format, requests_max, tenant_count, NULL};
    char complaint[BENCH_TRACE_FILE_ERROR_MAX];
    struct bench_source *source = NULL;

    assert_int_equal(bench_source_open(&plan, &source, complaint), 0);
    return source;
}

/* False at the end. */
static bool next(struct bench_source *source, struct bench_source_request *request)
{
    char complaint[BENCH_TRACE_FILE_ERROR_MAX];
    const int result = bench_source_next(source, request, complaint);

    assert_true(result >= 0);
    return result == 1;
}

static void test_ids_get_keys_and_sizes_of_their_own(void **state)
{
    struct bench_source *source;
    struct bench_source_request request;
    char first_key[BASE_KEY_SIZE_MAX];
    uint32_t first_key_size = 0;
    uint32_t first_value_size = 0;
    uint64_t values = 0;
    uint32_t count = 0;

    (void)state;
    write_file("0 20000\n0 1\n");
    source = open_source(BENCH_TRACE_EXTENTS, 0, 1);
    while (next(source, &request)) {
        assert_int_equal(request.number, count % 20000);
        assert_in_range(request.key_size, 20, 40);
        assert_false(request.is_sized);
        if (count == 0) {
            memcpy(first_key, request.key, request.key_size);
            first_key_size = request.key_size;
            first_value_size = request.value_size;
        }
        values += request.value_size;
        count++;
    }
    assert_int_equal(count, 20001);
    /* The last one was the first again. */
    assert_int_equal(request.key_size, first_key_size);
    assert_memory_equal(request.key, first_key, first_key_size);
    assert_int_equal(request.value_size, first_value_size);
    assert_memory_equal(request.key + request.key_size - 4, "0000", 4);
    /* ETC's mean is 199; the tail is heavy. */
    assert_in_range(values / 20000, 180, 220);
    bench_source_close(&source);
    assert_null(source);
}

static void test_sizes_and_times_of_the_trace_are_kept(void **state)
{
    struct bench_source_request request;

    (void)state;
    write_file("5,key,30,77,1,set,60\n6,key,30,78,1,get,0\n");
    for (uint32_t tenants = 1; tenants <= 2; tenants++) {
        struct bench_source *source = open_source(BENCH_TRACE_TWITTER, 0, tenants);

        assert_true(next(source, &request));
        assert_int_equal(request.op, BENCH_TRACE_WRITE);
        assert_int_equal(request.value_size, 77);
        assert_int_equal(request.ttl_s, 60);
        assert_true(request.is_sized);
        /* The trace's own text, or a spelling of its size. */
        assert_int_equal(request.key_size, tenants == 1 ? 3 : 30);
        bench_source_close(&source);
    }
}

static void test_tenants_take_turns_and_share_no_key(void **state)
{
    enum { TENANTS = 3, BLOCKS = 6 };
    struct bench_source *source;
    struct bench_source_request request;
    uint64_t numbers[TENANTS * BLOCKS];
    uint32_t count = 0;

    (void)state;
    write_file("10 6\n");
    source = open_source(BENCH_TRACE_EXTENTS, 0, TENANTS);
    while (next(source, &request)) {
        for (uint32_t i = 0; i < count; i++) {
            assert_int_not_equal(numbers[i], request.number);
        }
        assert_in_range(count, 0, TENANTS * BLOCKS - 1);
        numbers[count++] = request.number;
    }
    assert_int_equal(count, TENANTS * BLOCKS);
    /* The same again after a rewind; and a second round of a tenant is where the first was. */
    assert_int_equal(bench_source_rewind(source, (char[BENCH_TRACE_FILE_ERROR_MAX]){0}), 0);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(next(source, &request));
        assert_int_equal(request.number, numbers[i]);
    }
    assert_false(next(source, &request));
    bench_source_close(&source);
}

static void test_tenants_begin_at_different_places(void **state)
{
    struct bench_source *source;
    struct bench_source_request request;
    uint64_t first[2];
    bool found = false;

    (void)state;
    /* Blocks 1 2 3 4: the second tenant begins with 3, so its key of 3 comes before that of 1. */
    write_file("1 4\n");
    source = open_source(BENCH_TRACE_EXTENTS, 0, 2);
    assert_true(next(source, &request));
    first[0] = request.number;
    assert_true(next(source, &request));
    first[1] = request.number;
    bench_source_close(&source);
    write_file("3 1\n");
    source = open_source(BENCH_TRACE_EXTENTS, 0, 2);
    while (next(source, &request)) {
        found |= request.number == first[1];
        assert_int_not_equal(request.number, first[0]);
    }
    assert_true(found);
    bench_source_close(&source);
}

static void test_limits_and_rewinding(void **state)
{
    struct bench_source_request request;

    (void)state;
    write_file("a\nb\nc\n");
    for (uint32_t tenants = 1; tenants <= 2; tenants++) {
        struct bench_source *source = open_source(BENCH_TRACE_KEYS, 2, tenants);

        for (uint32_t round = 0; round < 2; round++) {
            uint32_t count = 0;

            while (next(source, &request)) {
                count++;
            }
            assert_int_equal(count, 2 * tenants);
            assert_int_equal(bench_source_rewind(source, (char[BENCH_TRACE_FILE_ERROR_MAX]){0}), 0);
        }
        bench_source_close(&source);
    }
}

static void test_the_survey_counts_keys_once_at_their_largest(void **state)
{
    struct bench_source_plan plan = {path, BENCH_TRACE_TWITTER, 0, 10, NULL};
    struct bench_source_survey survey;
    char complaint[BENCH_TRACE_FILE_ERROR_MAX];

    (void)state;
    write_file("0,aa,20,0,1,get,0\n0,bbb,20,5,1,get,0\n0,aa,20,100,1,set,0\n0,aa,20,50,1,get,0\n");
    assert_int_equal(bench_source_survey(&plan, &survey, complaint), 0);
    assert_int_equal(survey.requests, 40);
    assert_int_equal(survey.keys, 20);
    assert_int_equal(survey.bytes, 10 * (2 + 100 + 3 + 5));
    /* More keys than the first table has room for, number 0 among them. */
    write_file("0 5000\n0 5000\n");
    plan.format = BENCH_TRACE_EXTENTS;
    plan.tenant_count = 1;
    assert_int_equal(bench_source_survey(&plan, &survey, complaint), 0);
    assert_int_equal(survey.requests, 10000);
    assert_int_equal(survey.keys, 5000);
}

static void test_wrong_traces_are_reported(void **state)
{
    struct bench_source_plan plan = {path, BENCH_TRACE_EXTENTS, 0, 2, NULL};
    struct bench_source_survey survey;
    struct bench_source *source = NULL;
    char complaint[BENCH_TRACE_FILE_ERROR_MAX];

    (void)state;
    write_file("1 1\nx\n");
    assert_int_equal(bench_source_open(&plan, &source, complaint), -EBADMSG);
    assert_null(source);
    assert_non_null(strstr(complaint, "line 2"));
    assert_int_equal(bench_source_survey(&plan, &survey, complaint), -EBADMSG);
    plan.path = "/nowhere/trace";
    assert_int_equal(bench_source_open(&plan, &source, complaint), -ENOENT);
}

static int set_up(void **state)
{
    const int fd = mkstemp(path);

    (void)state;
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
        cmocka_unit_test(test_ids_get_keys_and_sizes_of_their_own),
        cmocka_unit_test(test_sizes_and_times_of_the_trace_are_kept),
        cmocka_unit_test(test_tenants_take_turns_and_share_no_key),
        cmocka_unit_test(test_tenants_begin_at_different_places),
        cmocka_unit_test(test_limits_and_rewinding),
        cmocka_unit_test(test_the_survey_counts_keys_once_at_their_largest),
        cmocka_unit_test(test_wrong_traces_are_reported),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
