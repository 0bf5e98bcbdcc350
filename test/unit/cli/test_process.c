/* SPDX-License-Identifier: BSD-3-Clause */
/* Servers under test: their command lines, what is read from them, and that they end. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/mcbench/process.h"

static char complaint[4096];

/* ---- command lines ---- */

static const struct bench_places PLACES = {.port = "4711",
                                           .listen = "-p 4711",
                                           .user = "",
                                           .memory_mb = 64,
                                           .threads = 2,
                                           .value_size = 100};

static void expect_filled(const char *line, const char *expected)
{
    char out[BENCH_COMMAND_MAX];

    assert_true(bench_process_fill(line, &PLACES, out, complaint));
    assert_string_equal(out, expected);
}

static void places_are_filled(void **state)
{
    (void)state;
    expect_filled("server", "server");
    expect_filled("", "");
    expect_filled("a {listen} -m {memory_mb}", "a -p 4711 -m 64");
    expect_filled("{port}{port}", "47114711");
    expect_filled("-t {threads} -v {value_size}", "-t 2 -v 100");
    expect_filled("x {user} y", "x  y");
    expect_filled("{\"port\": {port}}", "{\"port\": 4711}");
    expect_filled("{} { {Port} {port", "{} { {Port} {port");
}

static void unknown_places_are_refused(void **state)
{
    char out[BENCH_COMMAND_MAX];

    (void)state;
    assert_false(bench_process_fill("a {socket}", &PLACES, out, complaint));
    assert_non_null(strstr(complaint, "{socket}"));
    assert_false(bench_process_fill("a {prot}", &PLACES, out, complaint));
    assert_non_null(strstr(complaint, "{prot}"));
}

static void long_commands_are_refused(void **state)
{
    char line[BENCH_COMMAND_MAX + 1];
    char out[BENCH_COMMAND_MAX];

    (void)state;
    memset(line, 'x', sizeof(line));
    line[BENCH_COMMAND_MAX - 1] = '\0';
    assert_true(bench_process_fill(line, &PLACES, out, complaint));
    line[BENCH_COMMAND_MAX - 1] = 'x';
    line[BENCH_COMMAND_MAX] = '\0';
    assert_false(bench_process_fill(line, &PLACES, out, complaint));
    memcpy(line + BENCH_COMMAND_MAX - 7, "{port}", 7);
    assert_true(bench_process_fill(line, &PLACES, out, complaint));
}

static void lines_are_split(void **state)
{
    char line[] = "  prog 'two words'  a\"b c\"d\t'' \"it's\" ";
    char *words[BENCH_WORDS_MAX + 1];

    (void)state;
    assert_int_equal(bench_process_split(line, words), 5);
    assert_string_equal(words[0], "prog");
    assert_string_equal(words[1], "two words");
    assert_string_equal(words[2], "ab cd");
    assert_string_equal(words[3], "");
    assert_string_equal(words[4], "it's");
    assert_null(words[5]);
}

static void broken_lines_are_refused(void **state)
{
    char blank[] = " \t ";
    char open[] = "a 'b";
    char many[2 * (BENCH_WORDS_MAX + 1) + 1];
    char *words[BENCH_WORDS_MAX + 1];

    (void)state;
    assert_int_equal(bench_process_split(blank, words), 0);
    assert_int_equal(bench_process_split(open, words), 0);
    for (size_t i = 0; i < BENCH_WORDS_MAX + 1; i++) {
        memcpy(many + 2 * i, "a ", 2);
    }
    many[2 * BENCH_WORDS_MAX] = '\0';
    assert_int_equal(bench_process_split(many, words), BENCH_WORDS_MAX);
    for (size_t i = 0; i < BENCH_WORDS_MAX + 1; i++) {
        memcpy(many + 2 * i, "a ", 2);
    }
    many[sizeof(many) - 1] = '\0';
    assert_int_equal(bench_process_split(many, words), 0);
}

/* ---- processes ---- */

static void what_a_dying_server_says_is_told(void **state)
{
    struct bench_process process;

    (void)state;
    assert_int_equal(bench_process_start(&process, "dying",
                                         "/bin/sh -c 'echo no {port} for me >&2; exit 3'", false,
                                         64, -1, complaint),
                     -ECHILD);
    assert_non_null(strstr(complaint, "dying has ended (status 3), and says:\nno "));
    assert_non_null(strstr(complaint, " for me"));
    assert_int_equal(process.pid, 0);
}

static void programs_that_are_not_there_are_named(void **state)
{
    struct bench_process process;

    (void)state;
    assert_true(bench_process_start(&process, "absent", "/nowhere/server {port}", false, 64, -1,
                                    complaint) < 0);
    assert_non_null(strstr(complaint, "cannot run /nowhere/server"));
    assert_true(bench_process_start(&process, "absent", "'", false, 64, -1, complaint) < 0);
    assert_true(bench_process_start(&process, "absent", "a {socket}", false, 64, -1, complaint) <
                0);
    assert_non_null(strstr(complaint, "absent"));
}

static void folders_of_sockets_are_removed(void **state)
{
    struct bench_process process;
    char folder[sizeof(process.folder)];

    (void)state;
    assert_true(bench_process_start(&process, "x", "/bin/sh -c 'echo {socket}; exit 1'", true, 64,
                                    -1, complaint) < 0);
    assert_non_null(strstr(complaint, "/socket"));
    assert_int_equal(process.folder[0], '\0');
    (void)snprintf(folder, sizeof(folder), "%s", process.address);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(access(folder, F_OK), -1);
}

static void own_figures_can_be_read(void **state)
{
    struct bench_threads threads;
    struct bench_cpu cpu;
    uint64_t rss = 0;
    uint64_t peak = 0;

    (void)state;
    assert_true(bench_process_cpu(getpid(), &cpu));
    assert_true(cpu.run_ns > 0);
    assert_true(bench_process_memory(getpid(), &rss, &peak));
    assert_in_range(rss, 100, peak);
    assert_true(bench_process_threads(getpid(), &threads));
    assert_int_equal(threads.count, 1);
    assert_int_equal(threads.rows[0].id, getpid());
    assert_false(bench_process_cpu(0, &cpu));
    assert_false(bench_process_memory(0, &rss, &peak));
}

/* ---- disturbance ---- */

static void set_thread(struct bench_threads *threads, size_t at, pid_t id, uint64_t run_ns,
                       uint64_t wait_ns)
{
    threads->rows[at].id = id;
    threads->rows[at].cpu = (struct bench_cpu){run_ns, wait_ns};
    threads->count = at + 1;
}

static void own_helpers_are_no_disturbance(void **state)
{
    struct bench_threads before;
    struct bench_threads after;

    (void)state;
    set_thread(&before, 0, 10, 5000, 50); /* a helper that has run much, once */
    set_thread(&before, 1, 11, 100, 0);
    set_thread(&after, 0, 10, 5100, 9050);
    set_thread(&after, 1, 11, 1100, 120);
    set_thread(&after, 2, 12, 77, 77); /* new: not known since when */
    /* The worker (11) waited 120, of which the helper ran 100. */
    assert_int_equal(bench_process_disturbed_ns(&before, &after, 1), 20);
    after.rows[1].cpu.wait_ns = 60;
    assert_int_equal(bench_process_disturbed_ns(&before, &after, 1), 0);
    /* Both are workers: nothing excuses their waiting. */
    assert_int_equal(bench_process_disturbed_ns(&before, &after, 2), 9060);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_filled),
        cmocka_unit_test(unknown_places_are_refused),
        cmocka_unit_test(long_commands_are_refused),
        cmocka_unit_test(lines_are_split),
        cmocka_unit_test(broken_lines_are_refused),
        cmocka_unit_test(what_a_dying_server_says_is_told),
        cmocka_unit_test(programs_that_are_not_there_are_named),
        cmocka_unit_test(folders_of_sockets_are_removed),
        cmocka_unit_test(own_figures_can_be_read),
        cmocka_unit_test(own_helpers_are_no_disturbance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
