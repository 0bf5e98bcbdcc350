/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rows of config.def as a table, and what one row alone cannot say: the checks between options.
 *
 * Exit codes are memcached's: 1 for a command line that cannot be read or a value out of bounds,
 * EX_USAGE for values that do not go together or that this server cannot do.
 */
#include "server/config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/limits.h"
#include "base/option_value.h"
#include "server/help.h"

enum {
    ITEM_SIZE_MIN = 1024,    /* bytes; memcached's lower bound of -I */
    LRU_PERCENT_MAX = 80,    /* memcached's bound of hot_lru_pct + warm_lru_pct */
    WORKER_COUNT_USUAL = 64, /* more workers get memcached's warning */
};

#define FIELD(field_)                                                                              \
    .stored = true, .offset = offsetof(struct server_config, field_),                              \
    .size = sizeof(((struct server_config *)NULL)->field_)

#define SERVER_OPTION(letter_, name_, kind_, field_, ...)                                          \
    {.letter = (letter_), .name = (name_), .kind = BASE_OPTION_##kind_, FIELD(field_), __VA_ARGS__},
#define SERVER_SUBOPTION(name_, kind_, field_, ...)                                                \
    {.name = (name_), .kind = BASE_OPTION_##kind_, .in_group = true, FIELD(field_), __VA_ARGS__},
#define SERVER_ACTION(letter_, name_, help_)                                                       \
    {.letter = (letter_), .name = (name_), .kind = BASE_OPTION_ACTION, .help = (help_)},
#define SERVER_GROUP(letter_, name_, argument_, help_)                                             \
    {.letter = (letter_),                                                                          \
     .name = (name_),                                                                              \
     .kind = BASE_OPTION_GROUP,                                                                    \
     .argument = (argument_),                                                                      \
     .help = (help_)},
#define SERVER_IGNORED(letter_, name_, kind_, ...)                                                 \
    {.letter = (letter_),                                                                          \
     .name = (name_),                                                                              \
     .kind = BASE_OPTION_##kind_,                                                                  \
     .ignored = true,                                                                              \
     __VA_ARGS__},
#define SERVER_SUBOPTION_IGNORED(name_, kind_, ...)                                                \
    {.name = (name_), .kind = BASE_OPTION_##kind_, .in_group = true, .ignored = true, __VA_ARGS__},
#define SERVER_SUBOPTION_IGNORED_FLAG(name_)                                                       \
    {.name = (name_), .kind = BASE_OPTION_ON, .in_group = true, .ignored = true},
#define SERVER_REFUSED(letter_, name_, why_)                                                       \
    {.letter = (letter_),                                                                          \
     .name = (name_),                                                                              \
     .kind = BASE_OPTION_ON,                                                                       \
     .refused = true,                                                                              \
     .status = EX_USAGE,                                                                           \
     .complaint = (why_)},
#define SERVER_SUBOPTION_REFUSED(name_, why_)                                                      \
    {.name = (name_),                                                                              \
     .kind = BASE_OPTION_ON,                                                                       \
     .in_group = true,                                                                             \
     .refused = true,                                                                              \
     .status = EX_USAGE,                                                                           \
     .complaint = (why_)},

static const struct base_option rows[] = {
#include "server/config.def"
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

const struct base_option *server_config_rows(size_t *ret_count)
{
    *ret_count = ROW_COUNT;
    return rows;
}

/* ---- the checks between options ---- */

static bool check_sizes(const struct server_config *config, FILE *err)
{
    if (config->item_size_max < ITEM_SIZE_MIN) {
        (void)fprintf(err, "Item max size cannot be less than %d bytes.\n", ITEM_SIZE_MIN);
        return false;
    }
    if (config->item_size_max > config->memory_size / 2) {
        (void)fprintf(err, "Cannot set item size limit higher than 1/2 of memory max.\n");
        return false;
    }
    if (config->item_size_max > BASE_ITEM_SIZE_MAX) {
        (void)fprintf(err, "Cannot set item size limit higher than a gigabyte.\n");
        return false;
    }
    return true;
}

static bool check_without_effect(const struct server_config *config, FILE *err)
{
    if (config->napi_id_count > config->worker_count) {
        (void)fprintf(err,
                      "Number of napi_ids(%" PRIu32 ") cannot be greater than number of "
                      "threads(%" PRIu32 ")\n",
                      config->napi_id_count, config->worker_count);
        return false;
    }
    if (config->hot_lru_percent + config->warm_lru_percent > LRU_PERCENT_MAX) {
        (void)fprintf(err, "hot_lru_pct + warm_lru_pct cannot be more than %d%% combined\n",
                      LRU_PERCENT_MAX);
        return false;
    }
    if (base_option_is_given(&config->options, "temporary_ttl") && !config->lru_maintainer) {
        (void)fprintf(err, "temporary_ttl requires lru_maintainer to be enabled\n");
        return false;
    }
    return true;
}

/* Who names a certificate wants TLS; to serve without it would be a bad surprise. */
static bool check_tls(const struct server_config *config, FILE *err)
{
    if (config->tls_enabled && config->tcp_port == 0) {
        (void)fprintf(err, "ERROR: You cannot enable SSL without a TCP port.\n");
        return false;
    }
    for (size_t i = 0; i < ROW_COUNT && !config->tls_enabled; i++) {
        if (strncmp(rows[i].name, "ssl_", 4) == 0 &&
            base_option_is_given(&config->options, rows[i].name)) {
            (void)fprintf(err, "option -o %s: needs -Z, without which there is no TLS\n",
                          rows[i].name);
            return false;
        }
    }
    return true;
}

/* The ways to log in, and the protocols that have them: -Y is text's, -S is binary's. */
static bool check_users(struct server_config *config, FILE *err)
{
    const bool is_protocol_given = base_option_is_given(&config->options, "protocol");

    if (config->sasl_enabled && is_protocol_given &&
        (config->protocol == SERVER_PROTOCOL_ASCII ||
         (config->protocol == SERVER_PROTOCOL_AUTO && config->auth_path == NULL))) {
        (void)fprintf(err, "ERROR: You cannot allow the ASCII protocol while using SASL.\n");
        return false;
    }
    if (config->auth_path != NULL && is_protocol_given && !config->sasl_enabled &&
        config->protocol != SERVER_PROTOCOL_ASCII) {
        (void)fprintf(err, "ERROR: You cannot allow the BINARY protocol while using ascii"
                           " authentication tokens.\n");
        return false;
    }
    if (config->auth_path != NULL && config->sasl_enabled &&
        config->protocol != SERVER_PROTOCOL_AUTO) {
        (void)fprintf(err, "ERROR: -Y and -S together need both protocols: -B auto.\n");
        return false;
    }
    if (config->udp_port != 0 && (config->auth_path != NULL || config->sasl_enabled)) {
        (void)fprintf(err, "Cannot use UDP with authentication enabled (-U 0 to disable)\n");
        return false;
    }
    if (config->rights_path != NULL && config->auth_path == NULL && !config->sasl_enabled) {
        (void)fprintf(err, "option --rights-file: there are no users without -Y or -S\n");
        return false;
    }
    if (config->auth_path != NULL && !config->sasl_enabled) {
        config->protocol = SERVER_PROTOCOL_ASCII;
    } else if (config->sasl_enabled && config->auth_path == NULL) {
        config->protocol = SERVER_PROTOCOL_BINARY;
    }
    return true;
}

/* memcached's: the port of -U alone is that of both. */
static void settle_ports(struct server_config *config, FILE *err)
{
    if (config->udp_port == 0) {
        return;
    }
    if (!base_option_is_given(&config->options, "port")) {
        config->tcp_port = config->udp_port;
    }
    if (config->unix_path != NULL) {
        /* Start scripts name both, and memcached passes over it: say it, and go on. */
        (void)fprintf(err,
                      "option -U: there is no UDP beside a UNIX socket: port %d is not served\n",
                      (int)config->udp_port);
    } else if (config->tls_enabled) {
        (void)fprintf(err, "option -U: datagrams have no TLS: port %d is served in the clear\n",
                      (int)config->udp_port);
    }
}

/* ---- the command line ---- */

static int answer(const struct base_option *row, FILE *out)
{
    if (row->letter == 'h') {
        server_help_write(ROW_COUNT, rows, out);
    } else if (row->letter == 'i') {
        server_help_write_license(out);
    } else {
        (void)fprintf(out, "%s %s\n", SERVER_NAME, SERVER_VERSION);
    }
    return EXIT_SUCCESS;
}

static enum server_config_result read_arguments(struct server_config *config, int argc,
                                                char *const *argv, FILE *out, FILE *err,
                                                int *ret_status)
{
    const struct base_option_parser *options = &config->options;

    switch (base_option_parse(&config->options, argc, argv)) {
    case BASE_OPTION_DONE:
        return SERVER_CONFIG_READY;
    case BASE_OPTION_STOPPED:
        *ret_status = answer(options->row, out);
        return SERVER_CONFIG_EXIT;
    case BASE_OPTION_BAD:
        break;
    }
    (void)fprintf(err, "%s\n", options->error);
    *ret_status =
        options->row != NULL && options->row->status != 0 ? options->row->status : EXIT_FAILURE;
    return SERVER_CONFIG_EXIT;
}

enum server_config_result server_config_parse(struct server_config *config, int argc,
                                              char *const *argv, FILE *out, FILE *err,
                                              int *ret_status)
{
    *config = (struct server_config){0};
    if (base_option_init(&config->options, ROW_COUNT, rows, config) != 0) {
        (void)fprintf(err, "no memory to read the command line\n");
        *ret_status = EXIT_FAILURE;
        return SERVER_CONFIG_EXIT;
    }
    if (read_arguments(config, argc, argv, out, err, ret_status) == SERVER_CONFIG_EXIT) {
        return SERVER_CONFIG_EXIT;
    }
    config->sandbox_required = base_option_is_given(&config->options, "drop_privileges");
    config->detail_enabled = base_option_is_given(&config->options, "prefix-delimiter");
    if (config->worker_count > WORKER_COUNT_USUAL) {
        (void)fprintf(err, "WARNING: Setting a high number of worker threads is not recommended.\n"
                           " Set this value to the number of cores in your machine or less.\n");
    }
    if (!check_sizes(config, err) || !check_without_effect(config, err) ||
        !check_tls(config, err) || !check_users(config, err)) {
        *ret_status = EX_USAGE;
        return SERVER_CONFIG_EXIT;
    }
    settle_ports(config, err);
    return SERVER_CONFIG_READY;
}

void server_config_fini(struct server_config *config)
{
    base_option_fini(&config->options);
}

void server_config_write_ignored(const struct server_config *config, FILE *err)
{
    const struct base_option_parser *options = &config->options;
    const struct base_option *row;
    char spelling[BASE_OPTION_SPELLING_MAX];
    size_t cursor = 0;

    while ((row = base_option_next_ignored(options, &cursor)) != NULL) {
        (void)fprintf(err, "option %s is accepted for compatibility and has no effect\n",
                      base_option_spell(options, row, spelling));
    }
    for (size_t i = 0; i < options->operand_count; i++) {
        (void)fprintf(err, "argument '%s' is no option and has no effect\n", options->operands[i]);
    }
}

void server_config_each_setting(const struct server_config *config,
                                void (*on_setting)(void *arg, const char *name, const char *value),
                                void *arg)
{
    char value[SERVER_SETTING_TEXT_MAX];

    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].setting != NULL) {
            base_option_value_show(&rows[i], config, value, sizeof value);
            on_setting(arg, rows[i].setting, value);
        }
    }
}
