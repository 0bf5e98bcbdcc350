/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the server says about itself and its items: dumps, watchers, prefixes, statistics.
 */
#include "rig.h"

enum { ITEMS = 5000 };

static void fill(int fd)
{
    char text[256];
    for (int i = 0; i < ITEMS; i++) {
        (void)snprintf(text, sizeof(text), "set some_prefix:and_a_key_%d 0 0 1 noreply\r\nx\r\n",
                       i);
        rig_send(fd, text);
    }
    rig_ask(fd, "mn\r\n", "MN\r\n");
}

/* ---- dumps ---- */

/* Every item once, at the reader's pace, and the next command waits behind it. */
static void a_dump_waits_for_its_reader(void **state)
{
    struct rig rig;
    (void)state;
    rig_start(&rig, RIG_NOW, "");
    int other = rig_connect(&rig);
    fill(other);
    for (int form = 0; form < 3; form++) {
        static const char *const commands[] = {"lru_crawler metadump all\r\nmn\r\n",
                                               "lru_crawler mgdump all\r\nmn\r\n",
                                               "stats cachedump 1 0\r\nmn\r\n"};
        static const char *const starts[] = {"key=some_prefix%3Aand_a_key_%n%d",
                                             "mg some_prefix:and_a_key_%n%d",
                                             "ITEM some_prefix:and_a_key_%n%d"};
        static const char *const ends[] = {"END", "EN", "END"};
        bool *seen = calloc(ITEMS, sizeof(*seen));
        unsigned count = 0;
        int fd = rig_connect_narrow(&rig);
        assert_non_null(seen);
        rig_send(fd, commands[form]);
        rig_sleep_ms(5);
        rig_ask(other, "mn\r\n", "MN\r\n"); /* nobody waits for it */
        for (const char *line = rig_line(fd); strcmp(line, ends[form]) != 0; line = rig_line(fd)) {
            const char *digits = strstr(line, "and_a_key_");
            assert_non_null(digits);
            assert_int_equal(strncmp(line, starts[form], 4), 0);
            int number = atoi(digits + 10);
            assert_in_range(number, 0, ITEMS - 1);
            assert_false(seen[number]);
            seen[number] = true;
            count++;
        }
        assert_int_equal(count, ITEMS);
        rig_expect(fd, "MN\r\n");
        free(seen);
        close(fd);
    }
    rig_stop(&rig);
    close(other);
}

static void dumps_that_are_given_up(void **state)
{
    struct rig rig;
    int fds[6];
    (void)state;
    rig_start(&rig, RIG_NOW, "");
    int other = rig_connect(&rig);
    fill(other);
    for (int i = 0; i < 6; i++) {
        fds[i] = rig_connect_narrow(&rig);
        for (int k = 0; k < 10; k++) {
            rig_send(fds[i], "lru_crawler metadump all\r\nlru_crawler mgdump all\r\n");
        }
    }
    rig_sleep_ms(5);
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    rig_ask(other, "mn\r\n", "MN\r\n");
    rig_stop(&rig); /* with three of them under way */
    for (int i = 3; i < 6; i++) {
        close(fds[i]);
    }
    close(other);
}

static void a_cachedump_can_be_short(void **state)
{
    struct rig rig;
    (void)state;
    rig_start(&rig, RIG_NOW, "");
    int fd = rig_connect(&rig);
    rig_ask(fd, "set a 0 0 3\r\nabc\r\n", "STORED\r\n");
    rig_ask(fd, "stats cachedump 1 5\r\n", "ITEM a [3 b; 0 s]\r\nEND\r\n");
    rig_ask(fd, "stats cachedump 2 5\r\n", "END\r\n");
    fill(fd);
    unsigned count = 0;
    rig_send(fd, "stats cachedump 1 7\r\n");
    while (strcmp(rig_line(fd), "END") != 0) {
        count++;
    }
    assert_int_equal(count, 7);
    rig_stop(&rig);
    close(fd);
}

/* ---- watchers ---- */

static void watchers_see_what_they_asked_for(void **state)
{
    struct rig rig;
    (void)state;
    rig_start(&rig, RIG_NOW, "");
    int fetchers = rig_connect(&rig);
    int mutations = rig_connect(&rig);
    int deletions = rig_connect(&rig);
    int fd = rig_connect(&rig);
    rig_ask(fetchers, "watch\r\n", "OK\r\n");
    rig_ask(mutations, "watch mutations\r\n", "OK\r\n");
    rig_ask(deletions, "watch deletions\r\n", "OK\r\n");
    rig_ask(fd, "set a\001b 0 100 3\r\nabc\r\n", "STORED\r\n");
    rig_ask(fd, "get a\001b\r\nmg no s\r\ndelete a\001b\r\n",
            "VALUE a\001b 0 3\r\nabc\r\nEND\r\nEN\r\nDELETED\r\n");
    const char *line = rig_line(mutations);
    assert_non_null(strstr(line, " type=item_store key=a%01b status=stored cmd=set ttl=100 "));
    assert_int_equal(strncmp(line, "ts=", 3), 0);
    /* A set looks its key up, as memcached's does. */
    assert_non_null(strstr(rig_line(fetchers), " type=item_get key=a%01b status=not_found "));
    assert_non_null(strstr(rig_line(fetchers), " type=item_get key=a%01b status=found "));
    assert_non_null(strstr(rig_line(fetchers), " type=item_get key=no status=not_found "));
    assert_non_null(strstr(rig_line(deletions), " type=deleted key=a%01b cmd=delete "));
    rig_expect_silence(mutations);
    assert_int_equal(rig_stat(fd, "log_watchers"), 3);
    rig_stop(&rig);
    close(fetchers);
    close(mutations);
    close(deletions);
    close(fd);
}

/* More than the sockets and the server's patience hold: 850 bytes for every get. */
static void a_slow_watcher_misses_lines_and_knows_it(void **state)
{
    enum { GETS = 20000, ROUND = 500, GET_SIZE = 256 };
    struct rig rig;
    (void)state;
    rig_start(&rig, RIG_NOW, "-o watcher_logbuf_size=16");
    int watcher = rig_connect_narrow(&rig);
    int fd = rig_connect(&rig);
    char *gets = malloc(ROUND * GET_SIZE);
    char *ends = malloc(ROUND * 5 + 1);
    assert_true(gets != NULL && ends != NULL);
    memset(gets, 1, ROUND * GET_SIZE);
    for (size_t i = 0; i < ROUND; i++) {
        memcpy(gets + i * GET_SIZE, "get ", 4);
        memcpy(gets + i * GET_SIZE + 254, "\r\n", 2);
        memcpy(ends + i * 5, "END\r\n", 5);
    }
    rig_ask(watcher, "watch fetchers\r\n", "OK\r\n");
    for (int round = 0; round < GETS / ROUND; round++) {
        rig_send_bytes(fd, gets, ROUND * GET_SIZE);
        rig_expect_bytes(fd, ends, ROUND * 5);
    }
    uint64_t skipped = rig_stat(fd, "log_watcher_skipped");
    assert_true(skipped > 0);
    /* Every line is there or is told to be missing; those at the end with the line after them. */
    uint64_t lines = 0;
    uint64_t told = 0;
    bool last = false;
    while (!last) {
        if (lines == GETS - skipped) {
            rig_ask(fd, "get last\r\n", "END\r\n");
            last = true;
        }
        const char *line = rig_line(watcher);
        if (strncmp(line, "skipped=", 8) == 0) {
            told += strtoull(line + 8, NULL, 10);
            line = last ? rig_line(watcher) : line;
        } else {
            lines += last ? 0 : 1;
        }
        assert_int_equal(strstr(line, "key=last") != NULL, last);
    }
    assert_int_equal(lines + told, GETS);
    rig_stop(&rig);
    close(watcher);
    close(fd);
    free(gets);
    free(ends);
}

struct reader {
    pthread_t thread;
    int fd;
};

static void *keep_reading(void *arg)
{
    const struct reader *reader = arg;
    for (int i = 0; i < 300; i++) {
        rig_ask(reader->fd, "get a\r\nset b 0 0 1\r\nx\r\n", "END\r\nSTORED\r\n");
    }
    return NULL;
}

static void come_and_go(bool graceful)
{
    struct rig rig;
    struct reader readers[2];
    rig_start(&rig, RIG_NOW, "");
    for (int i = 0; i < 2; i++) {
        readers[i].fd = rig_connect(&rig);
        assert_int_equal(pthread_create(&readers[i].thread, NULL, keep_reading, &readers[i]), 0);
    }
    for (int i = 0; i < 60; i++) {
        int watcher = rig_connect(&rig);
        rig_ask(watcher, "watch fetchers mutations connevents\r\n", "OK\r\n");
        close(watcher);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        close(readers[i].fd);
    }
    int left[5];
    for (int i = 0; i < 5; i++) {
        left[i] = rig_connect(&rig);
        rig_ask(left[i], "watch connevents\r\n", "OK\r\n");
    }
    /* Each one's end is an event for the others. */
    if (graceful) {
        rig_stop_gracefully(&rig);
    } else {
        rig_stop(&rig);
    }
    for (int i = 0; i < 5; i++) {
        close(left[i]);
    }
}

static void watchers_come_and_go(void **state)
{
    (void)state;
    come_and_go(true);
    come_and_go(false);
}

static void there_is_room_for_twenty_watchers(void **state)
{
    struct rig rig;
    int fds[21];
    (void)state;
    rig_start(&rig, RIG_NOW, "");
    for (int i = 0; i < 20; i++) {
        fds[i] = rig_connect(&rig);
        rig_ask(fds[i], "watch evictions\r\n", "OK\r\n");
    }
    fds[20] = rig_connect(&rig);
    rig_ask(fds[20], "watch evictions\r\n", "WATCHER_TOO_MANY log watcher limit reached\r\n");
    rig_stop(&rig);
    for (int i = 0; i < 21; i++) {
        close(fds[i]);
    }
}

/* ---- statistics ---- */

static void prefixes_are_counted(void **state)
{
    struct rig rig;
    (void)state;
    rig_start(&rig, RIG_NOW, "");
    int fd = rig_connect(&rig);
    rig_ask(fd, "get a:1\r\nstats detail dump\r\n", "END\r\nEND\r\n");
    rig_ask(fd, "stats detail on\r\n", "OK\r\n");
    rig_ask(fd, "set a:1 0 0 1\r\nx\r\nget a:1 a:2 none\r\ngat 0 a:1\r\ndelete a:1\r\n",
            "STORED\r\nVALUE a:1 0 1\r\nx\r\nEND\r\nVALUE a:1 0 1\r\nx\r\nEND\r\nDELETED\r\n");
    rig_ask(fd, "stats detail off\r\nget a:1\r\n", "OK\r\nEND\r\n");
    rig_ask(fd, "stats detail dump\r\n", "PREFIX a get 3 hit 2 set 1 del 1\r\nEND\r\n");
    rig_ask(fd, "stats reset\r\nstats detail dump\r\n", "RESET\r\nEND\r\n");
    rig_ask(fd, "stats detail\r\n", "CLIENT_ERROR usage: stats detail on|off|dump\r\n");
    rig_stop(&rig);
    close(fd);
}

static void a_reset_starts_from_nothing(void **state)
{
    static const char *const names[] = {"cmd_get",    "cmd_set",       "get_hits",
                                        "get_misses", "incr_hits",     "total_connections",
                                        "cmd_meta",   "errors_client", "log_worker_written"};
    struct rig rig;
    (void)state;
    rig_start(&rig, RIG_NOW, "");
    int fd = rig_connect(&rig);
    int watcher = rig_connect(&rig);
    rig_ask(watcher, "watch fetchers\r\n", "OK\r\n");
    rig_ask(fd, "set a 0 0 1\r\n1\r\nget a b\r\nincr a 1\r\nmn\r\nwhat\r\n",
            "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n2\r\nMN\r\nERROR\r\n");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_true(rig_stat(fd, names[i]) > 0);
    }
    assert_true(rig_stat(fd, "bytes_written") > 1000);
    rig_ask(fd, "stats reset\r\n", "RESET\r\n");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(rig_stat(fd, names[i]), 0);
    }
    int again = rig_connect(&rig);
    rig_ask(again, "stats reset\r\nget a\r\n", "RESET\r\nVALUE a 0 1\r\n2\r\nEND\r\n");
    assert_in_range(rig_stat(again, "bytes_read"), 1, 100);
    assert_in_range(rig_stat(again, "bytes_written"), 1, 5000);
    assert_int_equal(rig_stat(again, "get_hits"), 1);
    assert_int_equal(rig_stat(again, "curr_connections"), 3);
    rig_stop(&rig);
    close(fd);
    close(again);
    close(watcher);
}

/* ---- documentation ---- */

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 65536);
    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) < 65535);
    (void)fclose(file);
    return text;
}

/* `name`, a class's number in it as the page writes it. */
static void check_name(const char *page, const char *name, const char *command)
{
    char quoted[160];
    if (strncmp(name, "items:1:", 8) == 0) {
        (void)snprintf(quoted, sizeof(quoted), "`items:<class>:%s`", name + 8);
    } else if (strncmp(name, "1:", 2) == 0) {
        (void)snprintf(quoted, sizeof(quoted), "`<class>:%s`", name + 2);
    } else {
        (void)snprintf(quoted, sizeof(quoted), "`%s`", name);
    }
    if (strstr(page, quoted) == NULL) {
        fail_msg("%s is in the answer to %s and not in %s", quoted, command, METRICS_PATH);
    }
}

/* Larder's own engine here: the page explains its names, too. */
static void every_name_is_explained(void **state)
{
    static const char *const commands[] = {"stats\r\n",        "stats settings\r\n",
                                           "stats items\r\n",  "stats slabs\r\n",
                                           "stats engine\r\n", "stats sizes\r\n"};
    struct rig rig;
    char *page = read_text(METRICS_PATH);
    unsigned count = 0;
    (void)state;
    rig_start(&rig, "segment", "-o idle_timeout=1000");
    int fd = rig_connect(&rig);
    rig_ask(fd, "set a 0 0 1\r\n1\r\n", "STORED\r\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        rig_send(fd, commands[i]);
        for (const char *line = rig_line(fd); strcmp(line, "END") != 0; line = rig_line(fd)) {
            char name[128];
            assert_int_equal(sscanf(line, "STAT %127s", name), 1);
            check_name(page, name, commands[i]);
            count++;
        }
    }
    assert_true(count > 150);
    rig_stop(&rig);
    close(fd);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dump_waits_for_its_reader),
        cmocka_unit_test(dumps_that_are_given_up),
        cmocka_unit_test(a_cachedump_can_be_short),
        cmocka_unit_test(watchers_see_what_they_asked_for),
        cmocka_unit_test(a_slow_watcher_misses_lines_and_knows_it),
        cmocka_unit_test(watchers_come_and_go),
        cmocka_unit_test(there_is_room_for_twenty_watchers),
        cmocka_unit_test(prefixes_are_counted),
        cmocka_unit_test(a_reset_starts_from_nothing),
        cmocka_unit_test(every_name_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
