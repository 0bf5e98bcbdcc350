/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of users who may not do everything, over an engine that answers later: waiting is no way past the gate. */
#include "rig.h"

static const char USERS[] = "web:secret\nops:root\n";
static const char RIGHTS[] =
    "web: commands=read,write prefixes=web:\nops: commands=read,write,admin\n";

struct files {
    char folder[32];
    char users[48];
    char rights[48];
    char arguments[160];
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_files(struct files *files)
{
    (void)snprintf(files->folder, sizeof files->folder, "/tmp/larder-gate-XXXXXX");
    assert_non_null(mkdtemp(files->folder));
    (void)snprintf(files->users, sizeof files->users, "%s/users", files->folder);
    (void)snprintf(files->rights, sizeof files->rights, "%s/rights", files->folder);
    (void)snprintf(files->arguments, sizeof files->arguments, "-Y %s --rights-file %s",
                   files->users, files->rights);
    write_file(files->users, USERS);
    write_file(files->rights, RIGHTS);
}

static void remove_files(const struct files *files)
{
    (void)unlink(files->users);
    (void)unlink(files->rights);
    (void)rmdir(files->folder);
}

static int log_in(const struct rig *rig, const char *token)
{
    char text[80];
    const int fd = rig_connect(rig);
    (void)snprintf(text, sizeof text, "set a 0 0 %zu\r\n%s\r\n", strlen(token), token);
    rig_ask(fd, text, "STORED\r\n");
    return fd;
}

/* The user's file changes while the engine looks. */
static void a_user_who_goes_while_it_waits(void **state)
{
    struct files files;
    struct rig rig;
    (void)state;
    make_files(&files);
    rig_start(&rig, RIG_LATER ":pend_every=1,pend_us=3000000", files.arguments);
    const int ops = log_in(&rig, "ops root");
    const int web = log_in(&rig, "web secret");
    rig_ask(ops, "set web:1 0 0 1\r\nx\r\n", "STORED\r\n");
    rig_send(web, "get web:1\r\nmn\r\n");
    rig_sleep_ms(100);
    write_file(files.users, "ops:root\n");
    server_reload(rig.server);
    rig_wait_stat(ops, "auth_reloads", 1);
    rig_expect(web, "CLIENT_ERROR unauthenticated\r\nCLIENT_ERROR unauthenticated\r\n");
    close(web);
    close(ops);
    rig_stop(&rig);
    remove_files(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_who_goes_while_it_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
