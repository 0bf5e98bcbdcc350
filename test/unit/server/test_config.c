/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * larderd's command line: defaults, what memcached 1.6 accepts and refuses, exit codes, words of
 * errors, `-h`, and that the manual page knows every option.
 *
 * MANUAL_PATH and PROJECT_VERSION come from the build.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

#include "server/config.h"

enum { ARGUMENTS_MAX = 64 };

/* One parsed command line; words are separated by single blanks. */
struct run {
    struct server_config config;
    enum server_config_result result;
    int status;
    char *out, *err;
    size_t out_size, err_size;
    char words[2048];
};

static void run_init(struct run *run, const char *line)
{
    char *argv[ARGUMENTS_MAX] = {run->words};
    char *rest = NULL;
    int argc = 1;
    FILE *out, *err;

    (void)snprintf(run->words, sizeof run->words, "larderd %s", line);
    (void)strtok_r(run->words, " ", &rest);
    for (char *word; (word = strtok_r(NULL, " ", &rest)) != NULL;) {
        assert_true(argc < ARGUMENTS_MAX);
        argv[argc++] = word;
    }
    out = open_memstream(&run->out, &run->out_size);
    err = open_memstream(&run->err, &run->err_size);
    run->status = -1;
    run->result = server_config_parse(&run->config, argc, argv, out, err, &run->status);
    if (run->result == SERVER_CONFIG_READY) {
        server_config_write_ignored(&run->config, err);
    }
    (void)fclose(out);
    (void)fclose(err);
}

static void run_fini(struct run *run)
{
    server_config_fini(&run->config);
    free(run->out);
    free(run->err);
}

struct setting {
    const char *name, *value;
    bool found;
};

static void compare_setting(void *arg, const char *name, const char *value)
{
    for (struct setting *setting = arg; setting->name != NULL; setting++) {
        if (strcmp(setting->name, name) == 0) {
            assert_string_equal(value, setting->value);
            assert_false(setting->found);
            setting->found = true;
        }
    }
}

static void assert_settings(const char *line, struct setting *settings)
{
    struct run run;

    run_init(&run, line);
    assert_int_equal(run.result, SERVER_CONFIG_READY);
    server_config_each_setting(&run.config, compare_setting, settings);
    for (struct setting *setting = settings; setting->name != NULL; setting++) {
        assert_true(setting->found);
    }
    run_fini(&run);
}

/* As memcached 1.6.38 answers `stats settings` when it was started without options. */
static void defaults_are_memcacheds(void **state)
{
    struct setting settings[] = {
        {"maxbytes", "67108864", false},
        {"maxconns", "1024", false},
        {"tcpport", "11211", false},
        {"udpport", "0", false},
        {"inter", "NULL", false},
        {"verbosity", "0", false},
        {"evictions", "on", false},
        {"domain_socket", "NULL", false},
        {"umask", "700", false},
        {"shutdown_command", "no", false},
        {"num_threads", "4", false},
        {"stat_key_prefix", ":", false},
        {"cas_enabled", "yes", false},
        {"tcp_backlog", "1024", false},
        {"binding_protocol", "auto-negotiate", false},
        {"item_size_max", "1048576", false},
        {"maxconns_fast", "yes", false},
        {"flush_enabled", "yes", false},
        {"dump_enabled", "yes", false},
        {"idle_timeout", "0", false},
        {"watcher_logbuf_size", "262144", false},
        {"worker_logbuf_size", "65536", false},
        {"track_sizes", "no", false},
        {"num_napi_ids", "0", false},
        {NULL, NULL, false},
    };

    (void)state;
    assert_settings("", settings);
}

static void settings_follow_the_options(void **state)
{
    struct setting settings[] = {
        {"maxbytes", "1073741824", false},
        {"maxconns", "7", false},
        {"tcpport", "-1", false},
        {"inter", "127.0.0.1,[::1]:5,*", false},
        {"verbosity", "2", false},
        {"evictions", "off", false},
        {"domain_socket", "/tmp/s", false},
        {"umask", "770", false},
        {"shutdown_command", "yes", false},
        {"num_threads", "2", false},
        {"stat_key_prefix", "/", false},
        {"cas_enabled", "no", false},
        {"tcp_backlog", "8675", false},
        {"binding_protocol", "ascii", false},
        {"item_size_max", "33554432", false},
        {"maxconns_fast", "no", false},
        {"flush_enabled", "no", false},
        {"dump_enabled", "no", false},
        {"idle_timeout", "30", false},
        {"watcher_logbuf_size", "8192", false},
        {"engine", "x.so:a=b", false},
        {"loop", "epoll", false},
        {NULL, NULL, false},
    };

    (void)state;
    assert_settings(
        "-m 1g -c7 -p -1 -l 127.0.0.1,[::1]:5 -l * -vv -M -s /tmp/s -a 0770 -A -t 2 -D/ "
        "-C -b 8675 -B ascii -I 32m -F -X -o no_modern,idle_timeout=30 "
        "-o watcher_logbuf_size=8 --engine=x.so:a=b --loop epoll",
        settings);
}

static void fields_without_a_setting(void **state)
{
    struct run run;

    (void)state;
    run_init(&run, "");
    assert_true(run.config.watch_enabled);
    assert_false(run.config.detail_enabled);
    assert_false(run.config.debug_enabled);
    assert_false(run.config.daemon);
    assert_null(run.config.user);
    assert_int_equal(run.config.loop, NET_LOOP_AUTO);
    assert_string_equal(run.config.engine, "segment");
    assert_int_equal(run.err_size, 0);
    run_fini(&run);
    run_init(&run, "-W -D# -d -u nobody -P /p -k -L -r --loop uring "
                   "-o relaxed_privileges,sock_cookie_id=9,track_sizes");
    assert_int_equal(run.result, SERVER_CONFIG_READY);
    assert_false(run.config.watch_enabled);
    assert_true(run.config.detail_enabled);
    assert_int_equal(run.config.prefix_delimiter, '#');
    assert_true(run.config.daemon && run.config.lock_memory && run.config.large_pages);
    assert_true(run.config.core_dumps && run.config.debug_enabled && run.config.sizes_enabled);
    assert_string_equal(run.config.user, "nobody");
    assert_string_equal(run.config.pid_path, "/p");
    assert_int_equal(run.config.socket_mark, 9);
    assert_int_equal(run.config.loop, NET_LOOP_URING);
    run_fini(&run);
}

/* As memcached: the port of -U alone is that of both. */
static void udp_port_is_the_tcp_port_too(void **state)
{
    static const struct {
        const char *line;
        int tcp, udp;
    } rows[] = {
        {"-U 0", 11211, 0},    {"-U 7", 7, 7},         {"-U 7 -p 8", 8, 7}, {"-p 8 -U 7", 8, 7},
        {"-p 8", 8, 0},        {"-U -1", -1, -1},      {"-p 0 -U 7", 0, 7}, {"-U 7 -U 0", 11211, 0},
        {"-p -1 -U 7", -1, 7}, {"--udp-port=7", 7, 7},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct run run;
        run_init(&run, rows[i].line);
        assert_int_equal(run.result, SERVER_CONFIG_READY);
        assert_int_equal(run.config.tcp_port, rows[i].tcp);
        assert_int_equal(run.config.udp_port, rows[i].udp);
        assert_int_equal(run.config.udp_reply_factor, 3);
        assert_string_equal(run.err, "");
        run_fini(&run);
    }
}

static void what_udp_cannot_have_is_said(void **state)
{
    static const struct {
        const char *line, *words;
    } rows[] = {
        {"-U 7 -s /s", "option -U: there is no UDP beside a UNIX socket: port 7 is not served"},
        {"-U 7 -Z", "option -U: datagrams have no TLS: port 7 is served in the clear"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct run run;
        run_init(&run, rows[i].line);
        assert_int_equal(run.result, SERVER_CONFIG_READY);
        assert_non_null(strstr(run.err, rows[i].words));
        run_fini(&run);
    }
}

/* Every option of memcached 1.6.45, its documentation and its source, with a value it takes. */
static void everything_memcached_knows_is_accepted(void **state)
{
    static const char *const lines[] = {
        "-p 1 --port=1 --port 1",
        "-U 0 --udp-port=0 -U 11211",
        "-s /s --unix-socket=/s -a 0700 --unix-mask=700",
        "-A --enable-shutdown -d --daemon -r --enable-coredumps -k --lock-memory",
        "-l 127.0.0.1 --listen=127.0.0.1 -u nobody --user=nobody -P /p --pidfile=/p",
        "-m 64 --memory-limit=64 -M --disable-evictions -c 10 --conn-limit=10",
        "-v -vv -vvv --verbose --verbose=1 -f 1.25 --slab-growth-factor=1.08",
        "-n 48 --slab-min-size=48 -L --enable-largepages -D: -t 4 --threads=4",
        "-R 20 --max-reqs-per-event=20 -C --disable-cas -b 5 --listen-backlog=5",
        "-B auto --protocol=ascii -I 1m --max-item-size=512K -I 2M -I 1024",
        "-F --disable-flush-all -X --disable-dumping -W --disable-watch -N 1 --napi-ids=1",
        "-o maxconns_fast,no_maxconns_fast,hashpower=16,no_hashexpand --extended=modern",
        "-o slab_reassign,no_slab_reassign,slab_automove,slab_automove=2,no_slab_automove",
        "-o slab_automove_ratio=0.8,slab_automove_window=10,slab_automove_freeratio=0.01",
        "-o tail_repair_time=10,hash_algorithm=xxh3,hash_algorithm=jenkins",
        "-o lru_crawler,no_lru_crawler,lru_crawler_sleep=100,lru_crawler_tocrawl=0",
        "-o lru_maintainer,hot_lru_pct=20,warm_lru_pct=40,hot_max_factor=0.2",
        "-o warm_max_factor=2.0,temporary_ttl=61,no_lru_maintainer,lru_maintainer",
        "-o idle_timeout=0,watcher_logbuf_size=256,worker_logbuf_size=64,slab_sizes=100-200",
        "-o slab_chunk_max=512,track_sizes,inline_ascii_resp,no_inline_ascii_resp",
        "-o no_chunked_items,modern,no_modern,no_drop_privileges,resp_obj_mem_limit=1",
        "-o read_buf_mem_limit=1,sock_cookie_id=1,relaxed_privileges",
        "-o ext_page_size=64,ext_wbuf_size=4,ext_threads=1,ext_io_depth=1,ext_item_size=512",
        "-o ext_item_age=2,ext_low_ttl=0,ext_recache_rate=2000,ext_compact_under=1",
        "-o ext_drop_under=1,ext_max_sleep=1000000,ext_max_frag=0.8,ext_drop_unread",
        "-o slab_reassign=1,lru_crawler=1, -m 4098 -M stray",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct run run;

        run_init(&run, lines[i]);
        if (run.result != SERVER_CONFIG_READY) {
            fail_msg("%s: %s", lines[i], run.err);
        }
        run_fini(&run);
    }
}

struct failure {
    const char *line;
    int status;
    const char *error; /* a part of what is said */
};

static void assert_failures(const struct failure *failures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct run run;

        run_init(&run, failures[i].line);
        if (run.result != SERVER_CONFIG_EXIT || run.status != failures[i].status ||
            strstr(run.err, failures[i].error) == NULL) {
            fail_msg("%s: status %d, said: %s", failures[i].line, run.status, run.err);
        }
        assert_int_equal(run.out_size, 0);
        run_fini(&run);
    }
}

static void wrong_lines_fail_as_in_memcached(void **state)
{
    static const struct failure failures[] = {
        {"-x", 1, "unknown option '-x'"},
        {"--bogus", 1, "unknown option '--bogus'"},
        {"--enable", 1, "ambiguous"},
        {"-m", 1, "option -m: needs a value"},
        {"-o", 1, "option -o: needs a value"},
        {"-o bogus", 1, "unknown suboption 'bogus'"},
        {"-o modern,bogus=1", 1, "unknown suboption 'bogus'"},
        {"-c 0", 1, "Maximum connections must be greater than 0"},
        {"-c -1", 1, "Maximum connections must be greater than 0"},
        {"-t 0", 1, "Number of threads must be greater than 0"},
        {"-t lots", 1, "option -t: 'lots' is not a number"},
        {"-R 0", 1, "Number of requests per event must be greater than 0"},
        {"-f 1", 1, "Factor must be greater than 1"},
        {"-n 0", 1, "Chunk size must be greater than 0"},
        {"-N 0", 1, "Maximum number of NAPI IDs must be greater than 0"},
        {"-D", 1, "option -D"},
        {"--daemon=1", 1, "takes no value"},
        {"-o hashpower", 1, "option -o hashpower: needs a value"},
        {"-o hashpower=11", 1, "too low"},
        {"-o hashpower=33", 1, "more than 32"},
        {"-o hash_algorithm=md5", 1, "option -o hash_algorithm"},
        {"-o slab_automove=3", 1, "option -o slab_automove"},
        {"-o slab_automove_window=2", 1, "slab_automove_window must be > 2"},
        {"-o slab_automove_ratio=1.5", 1, "option -o slab_automove_ratio"},
        {"-o slab_chunk_max=5000", 1, "option -o slab_chunk_max"},
        {"-o tail_repair_time=5", 1, "less than 10 seconds"},
        {"-o hot_lru_pct=80", 1, "option -o hot_lru_pct"},
        {"-o lru_crawler_sleep=1000001", 1, "option -o lru_crawler_sleep"},
        {"-o idle_timeout", 1, "option -o idle_timeout: needs a value"},
        {"-p 70000", EX_USAGE, "option -p: '70000' is more than 65535"},
        {"-B http", EX_USAGE, "option -B: 'http' is not one of"},
        {"-N 5", EX_USAGE, "Number of napi_ids(5) cannot be greater than number of threads(4)"},
        {"-I 1000", EX_USAGE, "Item max size cannot be less than 1024 bytes."},
        {"-I 0", EX_USAGE, "Item max size cannot be less than 1024 bytes."},
        {"-I 256m", EX_USAGE, "Cannot set item size limit higher than 1/2 of memory max."},
        {"-m 1", EX_USAGE, "Cannot set item size limit higher than 1/2 of memory max."},
        {"-m 0", EX_USAGE, "Cannot set item size limit higher than 1/2 of memory max."},
        {"-m 8g -I 1025m", EX_USAGE, "Cannot set item size limit higher than a gigabyte."},
        {"-o hot_lru_pct=50,warm_lru_pct=50", EX_USAGE, "cannot be more than 80% combined"},
        {"-o temporary_ttl=5,no_lru_maintainer", EX_USAGE, "requires lru_maintainer"},
    };

    (void)state;
    assert_failures(failures, sizeof failures / sizeof failures[0]);
}

/* memcached's checks of the TLS options, and its words. */
static void tls_options(void **state)
{
    static const struct failure failures[] = {
        {"-Z -p 0", EX_USAGE, "You cannot enable SSL without a TCP port."},
        {"-Z -o ssl_verify_mode=4", EX_USAGE, "Invalid ssl_verify_mode."},
        {"-Z -o ssl_verify_mode=x", EX_USAGE, "Invalid ssl_verify_mode."},
        {"-Z -o ssl_min_version=4", EX_USAGE, "Invalid ssl_min_version."},
        {"-Z -o ssl_keyformat=ENGINE", EX_USAGE, "could not parse argument to ssl_keyformat"},
        {"-Z -o ssl_wbuf_size=0", EX_USAGE, "ssl_wbuf_size"},
        {"-Z -o ssl_wbuf_size=big", EX_USAGE, "ssl_wbuf_size"},
        {"-Z -o ssl_chain_cert", EX_USAGE, "ssl_chain_cert"},
        {"-Z -o tls_handshake_timeout=0", EXIT_FAILURE, "tls_handshake_timeout"},
    };
    struct run run;

    (void)state;
    assert_failures(failures, sizeof failures / sizeof failures[0]);
    run_init(&run, "-Z -o ssl_chain_cert=/c,ssl_key=/k,ssl_verify_mode=3,ssl_keyformat=DER"
                   " -o ssl_min_version=3,ssl_wbuf_size=64,ssl_session_cache,ssl_kernel_tls");
    assert_true(run.config.tls_enabled && run.config.tls_session_cache && run.config.tls_kernel);
    assert_string_equal(run.config.tls_chain_path, "/c");
    assert_string_equal(run.config.tls_key_path, "/k");
    assert_int_equal(run.config.tls_verify, SERVER_TLS_VERIFY_ONCE);
    assert_int_equal(run.config.tls_key_format, SERVER_TLS_KEY_DER);
    assert_int_equal(run.config.tls_version_min, NET_TLS_1_3);
    assert_int_equal(run.config.tls_record_size, 65536);
    run_fini(&run);
}

/* Nobody runs unprotected, or without the storage he asked for, by surprise. */
static void promises_that_cannot_be_kept_are_refused(void **state)
{
    static const struct failure failures[] = {
        {"-S -B auto", EX_USAGE, "You cannot allow the ASCII protocol while using SASL."},
        {"-S -B ascii", EX_USAGE, "You cannot allow the ASCII protocol while using SASL."},
        {"-Y /auth -B auto", EX_USAGE, "You cannot allow the BINARY protocol while using ascii"},
        {"-Y /auth -B binary", EX_USAGE, "You cannot allow the BINARY protocol while using ascii"},
        {"-Y /auth -S -B binary", EX_USAGE, "-Y and -S together need both protocols"},
        {"-Y /auth -U 11211", EX_USAGE, "Cannot use UDP with authentication enabled"},
        {"--rights-file /rights", EX_USAGE, "there are no users without -Y or -S"},
        {"-e /m", EX_USAGE, "option -e"},
        {"-o ext_path=/e:64m", EX_USAGE, "option -o ext_path"},
        {"-o ssl_chain_cert=/c", EX_USAGE, "option -o ssl_chain_cert"},
        {"-o ssl_key=/k", EX_USAGE, "option -o ssl_key"},
        {"-o ssl_verify_mode=1", EX_USAGE, "option -o ssl_verify_mode"},
        {"-o ssl_keyformat=1", EX_USAGE, "option -o ssl_keyformat"},
        {"-o ssl_ciphers=x", EX_USAGE, "option -o ssl_ciphers"},
        {"-o ssl_ca_cert=x", EX_USAGE, "option -o ssl_ca_cert"},
        {"-o ssl_wbuf_size=16", EX_USAGE, "option -o ssl_wbuf_size"},
        {"-o ssl_session_cache", EX_USAGE, "option -o ssl_session_cache"},
        {"-o ssl_kernel_tls", EX_USAGE, "option -o ssl_kernel_tls"},
        {"-o ssl_min_version=2", EX_USAGE, "option -o ssl_min_version"},
        {"-o proxy_config=x", EX_USAGE, "option -o proxy_config"},
        {"-o proxy_arg=x", EX_USAGE, "option -o proxy_arg"},
        {"-o proxy_uring", EX_USAGE, "option -o proxy_uring"},
        {"-o proxy_memprofile", EX_USAGE, "option -o proxy_memprofile"},
    };

    (void)state;
    assert_failures(failures, sizeof failures / sizeof failures[0]);
}

static void what_has_no_effect_is_named_once(void **state)
{
    struct run run;

    (void)state;
    run_init(&run, "-R 5 -R 6 -m 64 -o slab_automove,slab_automove=0 stray");
    assert_string_equal(run.err,
                        "option -R is accepted for compatibility and has no effect\n"
                        "option -o slab_automove is accepted for compatibility and has no effect\n"
                        "argument 'stray' is no option and has no effect\n");
    run_fini(&run);
}

static void many_threads_are_warned_of(void **state)
{
    struct run run;

    (void)state;
    run_init(&run, "-t 65");
    assert_int_equal(run.result, SERVER_CONFIG_READY);
    assert_non_null(strstr(run.err, "WARNING: Setting a high number of worker threads"));
    run_fini(&run);
}

static void version_and_license(void **state)
{
    struct run run;

    (void)state;
    run_init(&run, "-m 5 -V --bogus");
    assert_int_equal(run.result, SERVER_CONFIG_EXIT);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out, "larderd " PROJECT_VERSION "\n");
    run_fini(&run);
    run_init(&run, "-i");
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "Redistribution and use in source and binary forms"));
    run_fini(&run);
}

/* `word` with no letter of a longer name on either side. */
static bool has_word(const char *text, const char *word)
{
    const size_t size = strlen(word);

    for (const char *at = text; (at = strstr(at, word)) != NULL; at += size) {
        const bool begins = at == text || strchr(" -\n", at[-1]) != NULL;

        if (begins && strchr(" =:\n", at[size]) != NULL) {
            return true;
        }
    }
    return false;
}

static void help_names_every_row_that_works(void **state)
{
    /* memcached's test suite tries a feature when its word is in here. */
    static const char *const absent[] = {"ext_path", "proxy_config"};
    size_t count;
    const struct base_option *rows = server_config_rows(&count);
    struct run run;

    (void)state;
    run_init(&run, "--help");
    assert_int_equal(run.status, 0);
    assert_int_equal(strncmp(run.out, "larderd " PROJECT_VERSION "\n-p, --port=<num>  ", 32), 0);
    for (size_t i = 0; i < count; i++) {
        const bool expected = !rows[i].refused && !rows[i].hidden;

        if (has_word(run.out, rows[i].name) != expected) {
            fail_msg("-h and '%s'", rows[i].name);
        }
        assert_true(rows[i].refused || rows[i].ignored || rows[i].help != NULL);
    }
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        assert_null(strcasestr(run.out, absent[i]));
    }
    assert_non_null(strcasestr(run.out, "unix-socket"));
    assert_non_null(strcasestr(run.out, "enable-ssl"));
    assert_non_null(strstr(run.out, "-m, --memory-limit=<num>  item memory in megabytes; k, m, g, "
                                    "t may follow (default: 64)\n"));
    run_fini(&run);
}

/* Is there an `.It` line with every one of the (at most two) words? */
static bool manual_lists(const char *manual, const char *first, const char *second)
{
    for (const char *line = strstr(manual, "\n.It "); line != NULL;
         line = strstr(line + 1, "\n.It ")) {
        char text[256];

        (void)snprintf(text, sizeof text, "%.*s\n", (int)strcspn(line + 1, "\n"), line + 1);
        if (has_word(text, first) && (second == NULL || has_word(text, second))) {
            return true;
        }
    }
    return false;
}

static void the_manual_knows_every_row(void **state)
{
    static char manual[65536];
    FILE *file = fopen(MANUAL_PATH, "re");
    size_t count;
    const struct base_option *rows = server_config_rows(&count);

    (void)state;
    assert_non_null(file);
    assert_true(fread(manual, 1, sizeof manual - 1, file) < sizeof manual - 1);
    (void)fclose(file);
    for (size_t i = 0; i < count; i++) {
        char word[80], letter[8];

        (void)snprintf(word, sizeof word, rows[i].in_group ? "Cm %s" : "Fl -%s", rows[i].name);
        (void)snprintf(letter, sizeof letter, "Fl %c", rows[i].letter);
        if (!manual_lists(manual, word, rows[i].letter != 0 ? letter : NULL)) {
            fail_msg("larderd.8 does not know '%s'", rows[i].name);
        }
    }
}

static void names_are_unique(void **state)
{
    size_t count;
    const struct base_option *rows = server_config_rows(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(rows[i].name, rows[j].name);
            assert_false(rows[i].letter != 0 && rows[i].letter == rows[j].letter);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_memcacheds),
        cmocka_unit_test(settings_follow_the_options),
        cmocka_unit_test(fields_without_a_setting),
        cmocka_unit_test(udp_port_is_the_tcp_port_too),
        cmocka_unit_test(what_udp_cannot_have_is_said),
        cmocka_unit_test(everything_memcached_knows_is_accepted),
        cmocka_unit_test(wrong_lines_fail_as_in_memcached),
        cmocka_unit_test(tls_options),
        cmocka_unit_test(promises_that_cannot_be_kept_are_refused),
        cmocka_unit_test(what_has_no_effect_is_named_once),
        cmocka_unit_test(many_threads_are_warned_of),
        cmocka_unit_test(version_and_license),
        cmocka_unit_test(help_names_every_row_that_works),
        cmocka_unit_test(the_manual_knows_every_row),
        cmocka_unit_test(names_are_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
