/* SPDX-License-Identifier: BSD-3-Clause */
/* Password files: what is read, what is refused and in which words, who comes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/secrets.h"

static struct base_slice slice(const char *text)
{
    return (struct base_slice){text, strlen(text)};
}

static struct server_secrets *parse(const char *text, enum server_secrets_form form)
{
    char why[SERVER_ACCESS_WHY_MAX] = "";
    struct server_secrets *secrets = server_secrets_parse("users", slice(text), form, why);

    if (secrets == NULL) {
        fail_msg("%s: %s", text, why);
    }
    return secrets;
}

static bool match(const struct server_secrets *secrets, const char *user, const char *password)
{
    return server_secrets_match(secrets, slice(user), slice(password));
}

static void right_passwords_match_and_no_others(void **state)
{
    struct server_secrets *secrets =
        parse("foo:bar\nbaaaz:quux\r\n\nsame:same\nco:a:b\nlast:one", SERVER_SECRETS_AUTH_FILE);
    (void)state;
    assert_int_equal(server_secrets_count(secrets), 5);
    assert_true(match(secrets, "foo", "bar"));
    assert_true(match(secrets, "baaaz", "quux"));
    assert_true(match(secrets, "same", "same"));
    assert_true(match(secrets, "co", "a:b")); /* only the first colon ends the name */
    assert_true(match(secrets, "last", "one"));
    assert_false(match(secrets, "foo", "baz"));
    assert_false(match(secrets, "foo", "quux"));
    assert_false(match(secrets, "foo", "ba"));
    assert_false(match(secrets, "foo", "barbar")); /* the stored one, repeated */
    assert_false(match(secrets, "foo", ""));
    assert_false(match(secrets, "fo", "bar"));
    assert_false(match(secrets, "fooo", "bar"));
    assert_false(match(secrets, "", ""));
    assert_false(match(secrets, "nobody", "\n"));
    assert_false(server_secrets_match(secrets, slice("foo"), (struct base_slice){"bar", 4}));
    server_secrets_close(&secrets);
    assert_null(secrets);
}

static void a_user_may_have_several_passwords(void **state)
{
    struct server_secrets *secrets =
        parse("app:old\nzed:z\napp:new\nabe:a\n", SERVER_SECRETS_AUTH_FILE);
    (void)state;
    assert_true(match(secrets, "app", "old"));
    assert_true(match(secrets, "app", "new"));
    assert_false(match(secrets, "app", "z"));
    assert_false(match(secrets, "zed", "old"));
    server_secrets_close(&secrets);
}

static void more_users_than_memcached_takes(void **state)
{
    char text[200 * 24];
    size_t size = 0;
    (void)state;
    for (int i = 0; i < 200; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "user%d:pass%d\n", i, i * 7);
    }
    struct server_secrets *secrets = parse(text, SERVER_SECRETS_AUTH_FILE);
    assert_int_equal(server_secrets_count(secrets), 200);
    for (int i = 0; i < 200; i++) {
        char user[16];
        char password[16];
        (void)snprintf(user, sizeof user, "user%d", i);
        (void)snprintf(password, sizeof password, "pass%d", i * 7);
        assert_true(match(secrets, user, password));
        assert_false(match(secrets, user, "pass1"));
    }
    server_secrets_close(&secrets);
}

static void a_pwdb_has_more_tokens_behind_the_password(void **state)
{
    struct server_secrets *secrets = parse("anna:secret:x:y\nbert:b b\n", SERVER_SECRETS_PWDB);
    (void)state;
    assert_true(match(secrets, "anna", "secret"));
    assert_false(match(secrets, "anna", "secret:x:y"));
    assert_true(match(secrets, "bert", "b b")); /* SASL can send a blank */
    server_secrets_close(&secrets);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"", "users:0: there is no user in it"},
        {"\n\r\n\n", "users:3: there is no user in it"},
        {"foo:bar\nfoo\n", "users:2: there is no colon: write user:password"},
        {"\n\n:bar\n", "users:3: the user's name has to be 1 to 255 bytes"},
        {"foo:\n", "users:1: the password has to be 1 to 1024 bytes"},
        {"foo:a b\n",
         "users:1: there is a blank in the name or the password: no client could send it"},
        {"foo bar:a\n",
         "users:1: there is a blank in the name or the password: no client could send it"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[SERVER_ACCESS_WHY_MAX] = "";
        assert_null(
            server_secrets_parse("users", slice(cases[i].text), SERVER_SECRETS_AUTH_FILE, why));
        assert_string_equal(why, cases[i].why);
    }
}

/* text is given */
static void refuse(char *text, size_t size, const char *expected)
{
    char why[SERVER_ACCESS_WHY_MAX] = "";
    assert_null(server_secrets_parse("users", (struct base_slice){text, size},
                                     SERVER_SECRETS_AUTH_FILE, why));
    assert_string_equal(why, expected);
    free(text);
}

static char *filled(size_t size)
{
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    return text;
}

static void what_is_too_long_is_refused(void **state)
{
    char *text = filled(9000);
    (void)state;
    refuse(text, 9000, "users:1: the line is longer than 8192 bytes");
    text = filled(300);
    text[256] = ':';
    refuse(text, 300, "users:1: the user's name has to be 1 to 255 bytes");
    text = filled(1100);
    text[3] = ':';
    refuse(text, 1100, "users:1: the password has to be 1 to 1024 bytes");
    text = filled(20);
    text[3] = ':';
    text[10] = '\0';
    refuse(text, 20, "users:1: there is a NUL byte in the line");
}

static void files_that_cannot_be_read_are_named(void **state)
{
    char why[SERVER_ACCESS_WHY_MAX];
    char path[64];
    (void)state;
    assert_null(server_secrets_open("/nowhere/users", SERVER_SECRETS_AUTH_FILE, why));
    assert_string_equal(why, "/nowhere/users: cannot be opened: No such file or directory");
    assert_null(server_secrets_open("/tmp", SERVER_SECRETS_AUTH_FILE, why));
    assert_string_equal(why, "/tmp: is no regular file");
    (void)snprintf(path, sizeof path, "/tmp/larder-test-fifo.%ld", (long)getpid());
    (void)unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(server_secrets_open(path, SERVER_SECRETS_AUTH_FILE, why)); /* and does not hang */
    assert_int_equal(unlink(path), 0);
    assert_non_null(strstr(why, ": is no regular file"));
}

static void a_file_is_read(void **state)
{
    char why[SERVER_ACCESS_WHY_MAX] = "";
    char path[64];
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/larder-test-users.%ld", (long)getpid());
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("foo:bar", file) >= 0); /* no newline at its end */
    assert_int_equal(fclose(file), 0);
    struct server_secrets *secrets = server_secrets_open(path, SERVER_SECRETS_AUTH_FILE, why);
    assert_int_equal(unlink(path), 0);
    assert_non_null(secrets);
    assert_true(match(secrets, "foo", "bar"));
    server_secrets_close(&secrets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_passwords_match_and_no_others),
        cmocka_unit_test(a_user_may_have_several_passwords),
        cmocka_unit_test(more_users_than_memcached_takes),
        cmocka_unit_test(a_pwdb_has_more_tokens_behind_the_password),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(files_that_cannot_be_read_are_named),
        cmocka_unit_test(a_file_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
