/* SPDX-License-Identifier: BSD-3-Clause */
/* What reaches standard error: levels, one line per event, and the limit on repeated events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static FILE *capture;
static int real_stderr;

static int begin_capture(void **state)
{
    (void)state;
    capture = tmpfile();
    real_stderr = dup(STDERR_FILENO);
    return capture == NULL || real_stderr < 0 ||
           dup2(fileno(capture), STDERR_FILENO) != STDERR_FILENO;
}

static int end_capture(void **state)
{
    (void)state;
    base_log_set_level(BASE_LOG_ERROR);
    return dup2(real_stderr, STDERR_FILENO) != STDERR_FILENO || close(real_stderr) != 0 ||
           fclose(capture) != 0;
}

/* Everything written so far, NUL-terminated; valid until the next call. */
static const char *captured(void)
{
    static char text[65536];
    const ssize_t size = pread(fileno(capture), text, sizeof(text) - 1, 0);

    assert_true(size >= 0);
    text[size] = '\0';
    return text;
}

static void test_levels(void **state)
{
    (void)state;
    base_log(BASE_LOG_ERROR, "cannot bind %s", "::1");
    base_log(BASE_LOG_NOTICE, "not written");
    base_log_set_level(BASE_LOG_DEBUG);
    base_log(BASE_LOG_NOTICE, "worker %d", 3);
    base_log(BASE_LOG_DEBUG, "get");
    base_log(BASE_LOG_TRACE, "not written");
    assert_true(base_log_is_on(BASE_LOG_DEBUG));
    assert_false(base_log_is_on(BASE_LOG_TRACE));
    assert_string_equal(captured(), "cannot bind ::1\nworker 3\nget\n");
}

static void test_event_is_one_line(void **state)
{
    (void)state;
    base_log(BASE_LOG_ERROR, "key <%s>", "a\r\nb");
    assert_string_equal(captured(), "key <a  b>\n");
}

static void test_long_event_is_cut(void **state)
{
    char text[3 * BASE_LOG_LINE_MAX];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    base_log(BASE_LOG_ERROR, "%s", text);
    assert_true(strlen(captured()) <= BASE_LOG_LINE_MAX);
    assert_true(strlen(captured()) >= BASE_LOG_LINE_MAX - 2);
    assert_int_equal(captured()[strlen(captured()) - 1], '\n');
}

static void *log_often(void *argument)
{
    for (int i = 0; i < 200; i++) {
        base_log(BASE_LOG_ERROR, "%s %s", (const char *)argument, (const char *)argument);
    }
    return NULL;
}

static void test_lines_do_not_mix(void **state)
{
    static char names[2][8] = {"aaaaaaa", "bbbbbbb"};
    pthread_t threads[2];
    const char *line;
    int lines = 0;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_often, names[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (line = captured(); *line != '\0'; line += 16) {
        assert_true(memcmp(line, "aaaaaaa aaaaaaa\n", 16) == 0 ||
                    memcmp(line, "bbbbbbb bbbbbbb\n", 16) == 0);
        lines++;
    }
    assert_int_equal(lines, 400);
}

static void test_limit_decides_per_second(void **state)
{
    struct base_log_limit limit = {.per_s = 2};
    uint64_t suppressed = 99;

    (void)state;
    assert_true(base_log_limit_pass(&limit, 10, &suppressed));
    assert_true(base_log_limit_pass(&limit, 10, &suppressed));
    assert_true(suppressed == 0);
    for (int i = 0; i < 5; i++) {
        assert_false(base_log_limit_pass(&limit, 10, &suppressed));
    }
    assert_true(base_log_limit_pass(&limit, 11, &suppressed));
    assert_true(suppressed == 5);
    assert_true(base_log_limit_pass(&limit, 11, &suppressed));
    assert_true(suppressed == 0);
    assert_false(base_log_limit_pass(&limit, 11, &suppressed));
    assert_true(base_log_limit_pass(&limit, 99, &suppressed));
    assert_true(suppressed == 1);
}

static void test_limited_line_says_what_is_missing(void **state)
{
    struct base_log_limit limit = {.per_s = 1000000, .suppressed_count = 12};

    (void)state;
    base_log_limited(&limit, BASE_LOG_NOTICE, "not written, not counted");
    base_log_limited(&limit, BASE_LOG_ERROR, "accept: %s", "too many");
    base_log_limited(&limit, BASE_LOG_ERROR, "accept: %s", "too many");
    assert_string_equal(captured(), "accept: too many (suppressed 12 more)\naccept: too many\n");
    limit = (struct base_log_limit){.per_s = 0};
    base_log_limited(&limit, BASE_LOG_ERROR, "never");
    assert_null(strstr(captured(), "never"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_levels, begin_capture, end_capture),
        cmocka_unit_test_setup_teardown(test_event_is_one_line, begin_capture, end_capture),
        cmocka_unit_test_setup_teardown(test_long_event_is_cut, begin_capture, end_capture),
        cmocka_unit_test_setup_teardown(test_lines_do_not_mix, begin_capture, end_capture),
        cmocka_unit_test(test_limit_decides_per_second),
        cmocka_unit_test_setup_teardown(test_limited_line_says_what_is_missing, begin_capture,
                                        end_capture),
    };

    return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
