/* SPDX-License-Identifier: BSD-3-Clause */
/* Rights: what a file says, what it may not say, which command takes which right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/rights.h"

static struct base_slice slice(const char *text)
{
    return (struct base_slice){text, strlen(text)};
}

static struct server_rights_file *parse(const char *text)
{
    char why[SERVER_ACCESS_WHY_MAX] = "";
    struct server_rights_file *file = server_rights_parse("rights", slice(text), why);

    if (file == NULL) {
        fail_msg("%s: %s", text, why);
    }
    return file;
}

static void lines_mean_what_they_say(void **state)
{
    struct server_rights_file *file = parse("# a remark\n"
                                            "\n"
                                            "web: commands=read,write prefixes=web:,session:\r\n"
                                            "ops:commands=admin,write,read\n"
                                            "mon:   commands=none\n"
                                            "odd: prefixes=a%2cb,%20,%00 commands=read");
    const struct server_rights *rights;
    (void)state;
    assert_int_equal(server_rights_count(file), 4);
    rights = server_rights_find(file, slice("web"));
    assert_int_equal(rights->commands, SERVER_RIGHT_READ | SERVER_RIGHT_WRITE);
    assert_false(server_rights_are_all(rights));
    assert_true(server_rights_allow_key(rights, slice("web:1")));
    assert_true(server_rights_allow_key(rights, slice("web:")));
    assert_true(server_rights_allow_key(rights, slice("session:x")));
    assert_false(server_rights_allow_key(rights, (struct base_slice){"web:", 3}));
    assert_false(server_rights_allow_key(rights, slice("other")));
    assert_false(server_rights_allow_key(rights, slice("xweb:1")));
    assert_false(server_rights_allow_key(rights, (struct base_slice){"", 0}));
    rights = server_rights_find(file, slice("ops"));
    assert_true(server_rights_are_all(rights));
    assert_true(server_rights_allow_key(rights, slice("anything")));
    rights = server_rights_find(file, slice("mon"));
    assert_int_equal(rights->commands, 0);
    rights = server_rights_find(file, slice("odd"));
    assert_int_equal(rights->prefix_count, 3);
    assert_true(server_rights_allow_key(rights, slice("a,b!")));
    assert_true(server_rights_allow_key(rights, slice(" x")));
    assert_true(server_rights_allow_key(rights, (struct base_slice){"\0x", 2}));
    assert_false(server_rights_allow_key(rights, slice("a")));
    /* Nobody else has any. */
    rights = server_rights_find(file, slice("nobody"));
    assert_int_equal(rights->commands, 0);
    assert_false(server_rights_are_all(rights));
    server_rights_close(&file);
    assert_null(file);
}

static void everybody_else_has_a_line(void **state)
{
    struct server_rights_file *file = parse("zed: commands=admin\n*: commands=read prefixes=pub:\n"
                                            "abe: commands=none\n");
    (void)state;
    assert_int_equal(server_rights_find(file, slice("who"))->commands, SERVER_RIGHT_READ);
    assert_int_equal(server_rights_find(file, slice(""))->commands, SERVER_RIGHT_READ);
    assert_int_equal(server_rights_find(file, slice("zed"))->commands, SERVER_RIGHT_ADMIN);
    assert_int_equal(server_rights_find(file, slice("abe"))->commands, 0);
    server_rights_close(&file);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"", "rights:0: nobody has any right in it"},
        {"# web: commands=read\n", "rights:1: nobody has any right in it"},
        {"web commands=read\n", "rights:1: there is no colon behind a user's name"},
        {": commands=read\n", "rights:1: a user's name is 1 to 255 bytes, and no blank among them"},
        {"a b: commands=read\n",
         "rights:1: a user's name is 1 to 255 bytes, and no blank among them"},
        {" web: commands=read\n",
         "rights:1: a user's name is 1 to 255 bytes, and no blank among them"},
        {"\nweb:\n", "rights:2: there is no commands=: say what 'web' may do"},
        {"web: prefixes=a\n", "rights:1: there is no commands=: say what 'web' may do"},
        {"web: read\n", "rights:1: 'read' is not of the form field=value"},
        {"web: rights=read\n", "rights:1: there is no field 'rights'"},
        {"web: Commands=read\n", "rights:1: there is no field 'Commands'"},
        {"web: commands=\n",
         "rights:1: commands: '' is not one of read, write, admin (or none, alone)"},
        {"web: commands=read,\n",
         "rights:1: commands: '' is not one of read, write, admin (or none, alone)"},
        {"web: commands=read,none\n",
         "rights:1: commands: 'none' is not one of read, write, admin (or none, alone)"},
        {"web: commands=reed\n",
         "rights:1: commands: 'reed' is not one of read, write, admin (or none, alone)"},
        {"web: commands=read commands=write\n", "rights:1: commands= stands there twice"},
        {"web: commands=read prefixes=a prefixes=b\n", "rights:1: prefixes= stands there twice"},
        {"web: commands=read prefixes=\n",
         "rights:1: prefixes: one of them is empty; leave the field out for every key"},
        {"web: commands=read prefixes=a,,b\n",
         "rights:1: prefixes: one of them is empty; leave the field out for every key"},
        {"web: commands=read prefixes=a%2\n",
         "rights:1: prefixes: a % has to be followed by two hexadecimal digits"},
        {"web: commands=read prefixes=a%zz\n",
         "rights:1: prefixes: a % has to be followed by two hexadecimal digits"},
        {"web: commands=read domains=d1\n",
         "rights:1: domains= cannot be enforced: this server has no domains yet"},
        {"b: commands=read\na: commands=read\n\nb: commands=write\n",
         "rights:4: 'b' has a line already, 1"},
        {"*: commands=read\n*: commands=read\n", "rights:2: '*' has a line already, 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[SERVER_ACCESS_WHY_MAX] = "";
        assert_null(server_rights_parse("rights", slice(cases[i].text), why));
        assert_string_equal(why, cases[i].why);
    }
}

static void too_many_prefixes_are_refused(void **state)
{
    char text[1024] = "web: commands=read prefixes=p0";
    char why[SERVER_ACCESS_WHY_MAX] = "";
    (void)state;
    for (int i = 1; i < SERVER_RIGHTS_PREFIXES_MAX; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), ",p%d", i);
    }
    struct server_rights_file *file = parse(text);
    assert_true(server_rights_allow_key(server_rights_find(file, slice("web")), slice("p63")));
    server_rights_close(&file);
    strcat(text, ",more"); /* NOLINT: it fits */
    assert_null(server_rights_parse("rights", slice(text), why));
    assert_string_equal(why, "rights:1: prefixes: there are more than 64");
    memset(text, 'x', 400);
    memcpy(text, "web: commands=read prefixes=", 28);
    text[400] = '\0';
    assert_null(server_rights_parse("rights", slice(text), why));
    assert_string_equal(why, "rights:1: prefixes: one is longer than a key, 250 bytes");
}

static uint32_t needed(enum proto_op op, uint32_t flags, const char *arguments)
{
    struct proto_request request = {.op = op, .flags = flags, .arguments = slice(arguments)};
    return server_rights_needed(&request);
}

static void every_command_has_its_class(void **state)
{
    const uint32_t change = SERVER_RIGHT_READ | SERVER_RIGHT_WRITE;
    (void)state;
    assert_int_equal(needed(PROTO_OP_GET, PROTO_FLAG_VALUE, ""), SERVER_RIGHT_READ);
    assert_int_equal(needed(PROTO_OP_GET, PROTO_FLAG_TTL_SET, ""), change); /* gat */
    assert_int_equal(needed(PROTO_OP_GET, PROTO_FLAG_VIVIFY, ""), change);
    assert_int_equal(needed(PROTO_OP_GET, PROTO_FLAG_RECACHE, ""), change);
    assert_int_equal(needed(PROTO_OP_META_DEBUG, 0, ""), SERVER_RIGHT_READ);
    assert_int_equal(needed(PROTO_OP_STORE, 0, ""), SERVER_RIGHT_WRITE);
    assert_int_equal(needed(PROTO_OP_DELETE, 0, ""), SERVER_RIGHT_WRITE);
    assert_int_equal(needed(PROTO_OP_ARITH, 0, ""), SERVER_RIGHT_WRITE);
    assert_int_equal(needed(PROTO_OP_TOUCH, 0, ""), SERVER_RIGHT_WRITE);
    assert_int_equal(needed(PROTO_OP_NOOP, 0, ""), 0);
    assert_int_equal(needed(PROTO_OP_VERSION, 0, ""), 0);
    assert_int_equal(needed(PROTO_OP_QUIT, 0, ""), 0);
    assert_int_equal(needed(PROTO_OP_SASL_LIST, 0, ""), 0);
    assert_int_equal(needed(PROTO_OP_SASL_AUTH, 0, ""), 0);
    assert_int_equal(needed(PROTO_OP_SASL_STEP, 0, ""), 0);
    for (int op = PROTO_OP_FLUSH_ALL; op < PROTO_OP_SASL_LIST; op++) {
        if (op != PROTO_OP_VERSION && op != PROTO_OP_QUIT && op != PROTO_OP_STATS) {
            assert_int_equal(needed((enum proto_op)op, 0, ""), SERVER_RIGHT_ADMIN);
        }
    }
    for (int op = 0; op < PROTO_OP_COUNT; op++) {
        struct proto_request request = {.op = (enum proto_op)op};
        assert_int_equal(server_rights_has_keys(&request),
                         op == PROTO_OP_GET || op == PROTO_OP_STORE || op == PROTO_OP_DELETE ||
                             op == PROTO_OP_ARITH || op == PROTO_OP_TOUCH ||
                             op == PROTO_OP_META_DEBUG);
    }
}

static void statistics_that_name_keys_and_clients_are_the_administrators(void **state)
{
    (void)state;
    assert_int_equal(needed(PROTO_OP_STATS, 0, ""), SERVER_RIGHT_READ);
    assert_int_equal(needed(PROTO_OP_STATS, 0, "items"), SERVER_RIGHT_READ);
    assert_int_equal(needed(PROTO_OP_STATS, 0, " settings "), SERVER_RIGHT_READ);
    assert_int_equal(needed(PROTO_OP_STATS, 0, "reset"), SERVER_RIGHT_ADMIN);
    assert_int_equal(needed(PROTO_OP_STATS, 0, "conns"), SERVER_RIGHT_ADMIN);
    assert_int_equal(needed(PROTO_OP_STATS, 0, "cachedump 1 0"), SERVER_RIGHT_ADMIN);
    assert_int_equal(needed(PROTO_OP_STATS, 0, "detail dump"), SERVER_RIGHT_ADMIN);
    assert_int_equal(needed(PROTO_OP_STATS, 0, "whatever comes"), SERVER_RIGHT_ADMIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_mean_what_they_say),
        cmocka_unit_test(everybody_else_has_a_line),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(too_many_prefixes_are_refused),
        cmocka_unit_test(every_command_has_its_class),
        cmocka_unit_test(statistics_that_name_keys_and_clients_are_the_administrators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
