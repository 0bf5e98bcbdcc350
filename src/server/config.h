/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the administrator asked for: the command line, as one structure.
 *
 * config.def holds one row per option; the rows fill this structure, print `-h` and answer
 * `stats settings`. A new option is one field here, one row there, one entry in larderd(8).
 *
 * Filled once, before there are threads, and read-only from then on. Texts are lent until
 * server_config_fini(). Not to be moved in memory: the parser inside points back.
 */
#ifndef LARDER_SERVER_CONFIG_H
#define LARDER_SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/option.h"
#include "net/loop.h"

#define SERVER_NAME    "larderd"
#define SERVER_VERSION "0.1.0"

/* In the order of config.def's choices. */
enum server_tls_verify {
    SERVER_TLS_VERIFY_NONE,
    SERVER_TLS_VERIFY_REQUEST,
    SERVER_TLS_VERIFY_REQUIRE,
    SERVER_TLS_VERIFY_ONCE,
};
enum server_tls_key { SERVER_TLS_KEY_1, SERVER_TLS_KEY_2, SERVER_TLS_KEY_PEM, SERVER_TLS_KEY_DER };
/* In the order of config.def's choices for -B. */
enum server_protocol { SERVER_PROTOCOL_AUTO, SERVER_PROTOCOL_ASCII, SERVER_PROTOCOL_BINARY };

struct server_config {
    /* where to listen: listener.c */
    int32_t tcp_port;               /* 0: no TCP; -1: any free port */
    int32_t udp_port;               /* 0: no UDP; -1: any free port */
    struct base_option_list listen; /* -l, as written; empty: every interface */
    const char *unix_path;          /* NULL: none. When set, there is no TCP, and no UDP */
    uint32_t unix_mode;             /* permission bits of unix_path */
    uint32_t backlog;               /* of listen(2) */
    uint32_t udp_reply_factor; /* a reply's bytes are at most its request's times this; 0: any */
    uint32_t socket_mark;      /* SO_MARK of the listening sockets; 0: none */
    enum server_protocol protocol; /* what a client may speak */

    /* the process: daemon.c, privilege.c */
    bool daemon;           /* detach from the terminal */
    bool core_dumps;       /* raise the limit of core files */
    bool lock_memory;      /* never swap */
    bool sandbox_required; /* asked for by name */
    bool sandbox;          /* no system calls but those of syscalls.def once clients are served */
    const char *user;      /* whom to become when started as root; NULL: nobody was named */
    const char *pid_path;  /* NULL: no pid file */
    uint32_t verbosity;    /* how many -v; the `verbosity` command does not change it */

    /* threads and connections */
    uint32_t worker_count;
    uint32_t connections_max;
    bool
        connections_fast; /* over connections_max: true: tell the client and close; false: stop accepting */
    uint32_t idle_timeout_s; /* close a client that said nothing for so long; 0: never */
    enum net_loop_kind loop;

    /* TLS: tls.c */
    bool tls_enabled;
    const char *tls_chain_path, *tls_key_path, *tls_ca_path, *tls_ciphers; /* NULL: not given */
    enum server_tls_verify tls_verify;
    enum server_tls_key tls_key_format;
    enum net_tls_version tls_version_min;
    bool tls_session_cache, tls_kernel;
    uint32_t tls_record_size;         /* bytes */
    uint32_t tls_handshake_timeout_s; /* >= 1 */
    uint32_t tls_handshake_max;       /* over all workers; 0: a quarter of connections_max */

    /* storage */
    const char *engine;     /* "name" or "path.so", then optionally ":option=value,..." */
    uint64_t memory_size;   /* bytes; the engine's limit */
    uint64_t item_size_max; /* bytes; of key, value and header together */
    bool evictions;         /* false: refuse new items when memory is full */
    bool cas;               /* false: `gets` shows no unique value */
    bool large_pages;       /* ask the kernel for huge pages */

    /* who may come in: auth.c */
    const char *auth_path;      /* -Y: user:password lines; NULL: nobody has to log in by text */
    bool sasl_enabled;          /* -S: SASL in the binary protocol */
    const char *rights_path;    /* what users may do; NULL: everything */
    const char *admin_path;     /* UNIX socket of the administrators; NULL: none */
    uint32_t auth_failures_max; /* of one address, at once and per minute; 0: any number */

    /* commands */
    bool shutdown_enabled; /* `shutdown` */
    bool flush_enabled;    /* `flush_all` */
    bool dump_enabled;  /* `stats cachedump`, `stats detail`, `lru_crawler metadump` and `mgdump` */
    bool watch_enabled; /* `watch` */
    bool crawler;       /* `lru_crawler crawl`, `metadump`, `mgdump` */
    bool debug_enabled; /* `debugtime`: the test suite's clock; -o relaxed_privileges */

    /* statistics */
    char prefix_delimiter;     /* ends the prefix of a key in `stats detail` */
    bool detail_enabled;       /* count per prefix from the start; -D turns it on */
    bool sizes_enabled;        /* `stats sizes` */
    uint32_t watcher_log_size; /* bytes buffered for one watcher */
    uint32_t worker_log_size;  /* bytes buffered per worker for all watchers */

    /* checked against each other as memcached does, and without effect */
    uint32_t napi_id_count;
    uint32_t hot_lru_percent, warm_lru_percent;
    bool lru_maintainer;

    struct base_option_parser options; /* which options were given, and their texts */
};

enum server_config_result {
    SERVER_CONFIG_READY,
    SERVER_CONFIG_EXIT, /* it was -h, -V or -i, and has been answered; or a bad command line */
};

/*
 * Read and check the command line. -h, -V and -i are answered on `out`, what is wrong is written
 * to `err`, with the option's name. SERVER_CONFIG_EXIT: leave with *ret_status (0, 1 or EX_USAGE,
 * memcached's choice). Release with server_config_fini() in every case.
 */
BASE_MUST_USE enum server_config_result server_config_parse(struct server_config *config, int argc,
                                                            char *const *argv, FILE *out, FILE *err,
                                                            int *ret_status);
void server_config_fini(struct server_config *config);

/* One line for each option that was given and has no effect here. Meant for -v. */
void server_config_write_ignored(const struct server_config *config, FILE *err);

enum { SERVER_SETTING_TEXT_MAX = 1024 };
/*
 * Walk what `stats settings` shows, in the order of the rows: calls on_setting once per name. name and value are borrowed; value is at most
 * SERVER_SETTING_TEXT_MAX - 1 bytes and NUL-terminated.
 */
void server_config_each_setting(const struct server_config *config,
                                void (*on_setting)(void *arg, const char *name, const char *value),
                                void *arg);

/* The rows themselves, for `-h` and for the tests. */
const struct base_option *server_config_rows(size_t *ret_count);

#endif
