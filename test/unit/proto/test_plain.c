/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plain lines: which are taken for that, and that these mean and are answered what they would be
 * without it. Each line is cut at every byte: what has not come yet is not looked at.
 */
#include "proto/plain.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/meta.h"
#include "show.h"

#define K16 "0123456789abcdef"
#define O31 K16 "0123456789abcde"
#define O32 K16 K16

/* Exactly as long as it is, for the sanitizers to look on. */
static char *copy_of(const char *line, size_t size)
{
    char *copy = malloc(size + 1);

    assert_non_null(copy);
    memcpy(copy, line, size);
    return realloc(copy, size == 0 ? 1 : size);
}

static void check_get(const char *line, size_t size, bool is_plain)
{
    char *input = copy_of(line, size);
    struct base_slice key = {NULL, 0};
    const char *end = proto_plain_get(input, input + size, &key);

    if ((end != NULL) != is_plain) {
        fail_msg("`%.*s`: %s", (int)size, line, is_plain ? "not plain" : "plain");
    }
    if (end != NULL) {
        assert_ptr_equal(end, input + strcspn(line, "\n") + 1);
        assert_ptr_equal(key.data, input + 4);
        assert_int_equal(key.size, strcspn(line + 4, "\r"));
    }
    free(input);
}

static void a_get_is_its_key(void **state)
{
    static const char *const plain[] = {
        "get k\r\n",        "get " K16 "\r\n",   "get " K16 K16 "\r\n",
        "get " K250 "\r\n", "get k\xff\xa0\r\n",
    };
    static const char *const others[] = {
        "get \r\n",          "get  k\r\n",       "get k k\r\n", "get k \r\n",  "get k\n",
        "get " K250 "1\r\n", "get k\tk\r\n",     "gets k\r\n",  "gat 1 k\r\n", "GET k\r\n",
        "get k\r\r\n",       "get\r\nget k\r\n", "get\tk\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        const size_t size = strlen(plain[i]);
        char two[600];

        for (size_t cut = 0; cut < size; cut++) {
            check_get(plain[i], cut, false);
        }
        check_get(plain[i], size, true);
        (void)snprintf(two, sizeof(two), "%s%s", plain[i], plain[i]);
        check_get(two, 2 * size, true);
        check_get(two, size + 3, true);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        check_get(others[i], strlen(others[i]), false);
    }
}

static void check_answer(const struct proto_request *request, struct base_slice key,
                         struct base_slice words, const struct proto_reply *reply)
{
    char plain[PROTO_META_REPLY_MAX];
    char usual[PROTO_META_REPLY_MAX];
    const size_t size = proto_meta_write_reply(usual, request, reply);

    assert_int_equal(proto_meta_write_plain(plain, key, words, request->flags, reply), size);
    assert_memory_equal(plain, usual, size);
}

static void check_meta(const char *line, size_t size, bool is_plain)
{
    char *input = copy_of(line, size);
    struct base_slice key = {NULL, 0};
    uint32_t flags = 0;
    const char *end = proto_plain_meta_get(input, input + size, &key, &flags);
    static struct proto_request request;
    enum proto_error error;
    uint64_t swallow;
    size_t used;

    if ((end != NULL) != is_plain) {
        fail_msg("`%.*s`: %s", (int)size, line, is_plain ? "not plain" : "plain");
    }
    if (end != NULL) {
        const struct base_slice words = {key.data + key.size,
                                         (size_t)(end - 2 - key.data) - key.size};

        assert_int_equal(
            proto_text_parse((struct base_slice){input, size}, &request, &used, &error, &swallow),
            PROTO_DONE);
        assert_int_equal(used, end - input);
        assert_int_equal(request.flags, flags);
        assert_true(base_slice_equal(request.key, key));
        check_answer(&request, key, words,
                     &(struct proto_reply){.status = PROTO_STATUS_HIT,
                                           .hit_before = true,
                                           .client_flags = 70000,
                                           .ttl_s = -1,
                                           .last_access_ago_s = 17,
                                           .value_size = 100,
                                           .cas = UINT64_MAX});
        check_answer(&request, key, words, &(struct proto_reply){.status = PROTO_STATUS_MISS});
    }
    free(input);
}

static void an_mg_is_its_line(void **state)
{
    static const char *const plain[] = {
        "mg k\r\n",
        "mg k v\r\n",
        "mg k q\r\n",
        "mg k q k Oabc\r\n",
        "mg " K250 " v\r\n",
        "mg " K16 K16 " k v\r\n",
        "mg k v c f h k l q s t u O\r\n",
        "mg k O" O31 " t\r\n",
        "mg k s O" O31 "\r\n",
    };
    static const char *const others[] = {
        "mg\r\n",
        "mg \r\n",
        "mg  k v\r\n",
        "mg k  v\r\n",
        "mg k v \r\n",
        "mg k v v\r\n",
        "mg k b\r\n",
        "mg k T30\r\n",
        "mg k vv\r\n",
        "mg k v\n",
        "mg k N0 v\r\n",
        "mg k x\r\n",
        ("mg k O" O32 "\r\n"),
        "mg k Oa O\r\n",
        "mg k Oa\tb\r\n",
        "mg k \xf6\r\n",
        ("mg " K250 "1\r\n"),
        "md k q\r\n",
        "mg k M\r\n",
        "mg k v\r\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        const size_t size = strlen(plain[i]);
        char two[600];

        for (size_t cut = 0; cut < size; cut++) {
            check_meta(plain[i], cut, false);
        }
        check_meta(plain[i], size, true);
        (void)snprintf(two, sizeof(two), "%s%s", plain[i], plain[i]);
        check_meta(two, 2 * size, true);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        check_meta(others[i], strlen(others[i]), false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_is_its_key),
        cmocka_unit_test(an_mg_is_its_line),
    };

    return cmocka_run_group_tests_name("proto-plain", tests, NULL, NULL);
}
