/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sorted by name; a look-up is a binary search. Names are no secret, passwords are: all of a user's are
 * compared, to their end, and where there is no such user one that nobody has is compared instead.
 */
#include "server/secrets.h"

#include <stdlib.h>
#include <string.h>

struct secret {
    struct base_slice user; /* lent by the file's text, as the password */
    struct base_slice password;
};

struct server_secrets {
    struct server_access_file file; /* its text holds the names and passwords */
    struct secret *items;           /* sorted by user */
    size_t count;
    size_t room;
};

/* ---- reading ---- */

static int compare_names(struct base_slice a, struct base_slice b)
{
    const size_t common = a.size < b.size ? a.size : b.size;
    const int order = memcmp(a.data, b.data, common);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int by_user(const void *a, const void *b)
{
    return compare_names(((const struct secret *)a)->user, ((const struct secret *)b)->user);
}

/* A blank ends a word of the log-in: what has one can never be sent. */
static bool has_blank(struct base_slice text)
{
    return memchr(text.data, ' ', text.size) != NULL;
}

static bool add(struct server_secrets *secrets, struct base_slice line,
                enum server_secrets_form form, char why[SERVER_ACCESS_WHY_MAX])
{
    const struct server_access_file *file = &secrets->file;
    const char *colon = memchr(line.data, ':', line.size);
    struct secret secret;
    if (colon == NULL) {
        return server_access_file_complain(file, why, "there is no colon: write user:password");
    }
    secret.user = (struct base_slice){line.data, (size_t)(colon - line.data)};
    secret.password = (struct base_slice){colon + 1, line.size - secret.user.size - 1};
    if (form == SERVER_SECRETS_PWDB) {
        const char *end = memchr(secret.password.data, ':', secret.password.size);
        if (end != NULL) {
            secret.password.size = (size_t)(end - secret.password.data);
        }
    }
    if (secret.user.size == 0 || secret.user.size > SERVER_ACCESS_USER_MAX) {
        return server_access_file_complain(file, why, "the user's name has to be 1 to %d bytes",
                                           SERVER_ACCESS_USER_MAX);
    }
    if (secret.password.size == 0 || secret.password.size > SERVER_ACCESS_PASSWORD_MAX) {
        return server_access_file_complain(file, why, "the password has to be 1 to %d bytes",
                                           SERVER_ACCESS_PASSWORD_MAX);
    }
    if (form == SERVER_SECRETS_AUTH_FILE &&
        (has_blank(secret.user) || has_blank(secret.password))) {
        return server_access_file_complain(
            file, why, "there is a blank in the name or the password: no client could send it");
    }
    if (secrets->count == secrets->room) {
        const size_t room = secrets->room * 2 + 8;
        struct secret *items = realloc(secrets->items, room * sizeof(*items));
        if (items == NULL) {
            return server_access_file_complain(file, why, "no memory for so many users");
        }
        secrets->items = items;
        secrets->room = room;
    }
    secrets->items[secrets->count++] = secret;
    return true;
}

static bool add_all(struct server_secrets *secrets, enum server_secrets_form form,
                    char why[SERVER_ACCESS_WHY_MAX])
{
    struct base_slice line;
    for (;;) {
        switch (server_access_file_next(&secrets->file, &line, why)) {
        case SERVER_ACCESS_LINE:
            if (!add(secrets, line, form, why)) {
                return false;
            }
            break;
        case SERVER_ACCESS_BAD:
            return false;
        case SERVER_ACCESS_END:
            if (secrets->count == 0) {
                return server_access_file_complain(&secrets->file, why, "there is no user in it");
            }
            qsort(secrets->items, secrets->count, sizeof(*secrets->items), by_user);
            return true;
        }
    }
}

/* `file` is given. */
static struct server_secrets *read_file(struct server_access_file file,
                                        enum server_secrets_form form,
                                        char why[SERVER_ACCESS_WHY_MAX])
{
    struct server_secrets *secrets = calloc(1, sizeof(*secrets));
    if (secrets == NULL) {
        (void)server_access_file_complain(&file, why, "no memory for its users");
        server_access_file_fini(&file);
        return NULL;
    }
    secrets->file = file;
    if (!add_all(secrets, form, why)) {
        server_secrets_close(&secrets);
    }
    return secrets;
}

struct server_secrets *server_secrets_open(const char *path, enum server_secrets_form form,
                                           char why[SERVER_ACCESS_WHY_MAX])
{
    struct server_access_file file;
    return server_access_file_open(&file, path, why) ? read_file(file, form, why) : NULL;
}

struct server_secrets *server_secrets_parse(const char *path, struct base_slice text,
                                            enum server_secrets_form form,
                                            char why[SERVER_ACCESS_WHY_MAX])
{
    struct server_access_file file;
    return server_access_file_init(&file, path, text, why) ? read_file(file, form, why) : NULL;
}

void server_secrets_close(struct server_secrets **secrets)
{
    if (*secrets != NULL) {
        server_access_file_fini(&(*secrets)->file);
        free((*secrets)->items);
        free(*secrets);
        *secrets = NULL;
    }
}

size_t server_secrets_count(const struct server_secrets *secrets)
{
    return secrets->count;
}

/* ---- comparing ---- */

/* In a time that depends on `given` alone, which whoever measures it knows. */
static bool is_equal(struct base_slice given, struct base_slice wanted)
{
    const volatile unsigned char *left = (const volatile unsigned char *)given.data;
    const volatile unsigned char *right = (const volatile unsigned char *)wanted.data;
    size_t differs = given.size ^ wanted.size;
    size_t at = 0;
    for (size_t i = 0; i < given.size; i++) {
        differs |= (size_t)(left[i] ^ right[at]);
        at = at + 1 < wanted.size ? at + 1 : 0;
    }
    return differs == 0;
}

/* Where the lines of `user` begin, or would. */
static size_t lower_bound(const struct server_secrets *secrets, struct base_slice user)
{
    size_t low = 0;
    size_t high = secrets->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_names(secrets->items[middle].user, user) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool server_secrets_match(const struct server_secrets *secrets, struct base_slice user,
                          struct base_slice password)
{
    static const struct base_slice nobodys = {"\n", 1}; /* no line has it */
    bool match = false;
    size_t at = lower_bound(secrets, user);
    bool known = false;
    for (; at < secrets->count && base_slice_equal(secrets->items[at].user, user); at++) {
        match |= is_equal(password, secrets->items[at].password);
        known = true;
    }
    if (!known) {
        match = is_equal(password, nobodys) && known;
    }
    return match;
}
