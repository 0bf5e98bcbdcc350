/* SPDX-License-Identifier: BSD-3-Clause */
/* The limit of failures per address, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "server/guard.h"

enum { MAX = 10, MINUTE_MS = 60000 };

static struct server_guard_key key(uint64_t value)
{
    return (struct server_guard_key){.kind = 4, .value = value};
}

static struct server_guard *create(uint32_t failures_max)
{
    struct server_guard *guard = server_guard_create(failures_max, 1234567);
    assert_non_null(guard);
    return guard;
}

static void an_address_may_fail_some_times(void **state)
{
    struct server_guard *guard = create(MAX);
    const uint64_t now = 5000000;
    (void)state;
    for (int i = 0; i < MAX; i++) {
        assert_true(server_guard_allows(guard, key(1), now));
        assert_int_equal(server_guard_failed(guard, key(1), now), i == MAX - 1); /* said once */
    }
    assert_false(server_guard_allows(guard, key(1), now));
    assert_false(server_guard_failed(guard, key(1), now));
    assert_true(server_guard_allows(guard, key(2), now)); /* nobody else suffers */
    server_guard_destroy(&guard);
    assert_null(guard);
}

static void time_brings_it_back(void **state)
{
    struct server_guard *guard = create(MAX);
    uint64_t now = 1;
    (void)state;
    for (int i = 0; i < MAX; i++) {
        (void)server_guard_failed(guard, key(1), now);
    }
    assert_false(server_guard_allows(guard, key(1), now + MINUTE_MS / MAX - 10));
    now += MINUTE_MS / MAX;
    assert_true(server_guard_allows(guard, key(1), now)); /* one */
    assert_true(server_guard_failed(guard, key(1), now));
    assert_false(server_guard_allows(guard, key(1), now));
    now += MINUTE_MS; /* all of them */
    for (int i = 0; i < MAX; i++) {
        assert_true(server_guard_allows(guard, key(1), now));
        (void)server_guard_failed(guard, key(1), now);
    }
    assert_false(server_guard_allows(guard, key(1), now));
    server_guard_destroy(&guard);
}

static void looking_often_does_not_stop_the_clock(void **state)
{
    struct server_guard *guard = create(1); /* one a minute: a millisecond brings nothing whole */
    uint64_t now = 1;
    (void)state;
    (void)server_guard_failed(guard, key(1), now);
    for (int i = 0; i < MINUTE_MS - 100; i++) {
        assert_false(server_guard_allows(guard, key(1), ++now));
    }
    assert_true(server_guard_allows(guard, key(1), now + 200));
    server_guard_destroy(&guard);
}

static void whoever_never_stops_waits_two_minutes_at_most(void **state)
{
    struct server_guard *guard = create(MAX);
    uint64_t now = 77;
    (void)state;
    for (int i = 0; i < 100000; i++) {
        (void)server_guard_failed(guard, key(1), now);
    }
    assert_false(server_guard_allows(guard, key(1), now + MINUTE_MS));
    assert_true(server_guard_allows(guard, key(1), now + 2 * MINUTE_MS));
    server_guard_destroy(&guard);
}

static void the_clock_may_stand_still_or_go_back(void **state)
{
    struct server_guard *guard = create(MAX);
    (void)state;
    for (int i = 0; i < MAX; i++) {
        (void)server_guard_failed(guard, key(1), 1000000);
    }
    assert_false(server_guard_allows(guard, key(1), 0));
    assert_false(server_guard_allows(guard, key(1), 1000000));
    assert_true(server_guard_allows(guard, key(1), UINT64_MAX));
    server_guard_destroy(&guard);
}

static void a_flood_from_everywhere_is_bounded(void **state)
{
    struct server_guard *guard = create(MAX);
    (void)state;
    for (int i = 0; i < MAX + 5; i++) {
        (void)server_guard_failed(guard, key(1), 1);
    }
    /* Far more addresses than places, with one failure each: the guiltiest is remembered. */
    for (uint64_t i = 2; i < 100 * (uint64_t)SERVER_GUARD_ADDRESSES_MAX; i++) {
        (void)server_guard_failed(guard, key(i), 1);
    }
    assert_false(server_guard_allows(guard, key(1), 1));
    server_guard_destroy(&guard);
}

static void without_a_limit_nobody_is_refused(void **state)
{
    struct server_guard *guard = create(0);
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_false(server_guard_failed(guard, key(1), 1));
    }
    assert_true(server_guard_allows(guard, key(1), 1));
    server_guard_destroy(&guard);
}

static struct server_guard_key key_of(const char *text)
{
    struct net_address address = {.size = sizeof(address.in)};
    if (inet_pton(AF_INET, text, &address.in.sin_addr) == 1) {
        address.in.sin_family = AF_INET;
    } else {
        address.size = sizeof(address.in6);
        address.in6.sin6_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &address.in6.sin6_addr), 1);
    }
    return server_guard_key_of(&address, -1);
}

static bool is_same(struct server_guard_key a, struct server_guard_key b)
{
    return a.kind == b.kind && a.value == b.value;
}

static void addresses_are_told_apart_as_far_as_one_owner_has_them(void **state)
{
    int fds[2];
    struct net_address nobody = {.size = 0};
    (void)state;
    assert_false(is_same(key_of("10.0.0.1"), key_of("10.0.0.2")));
    assert_true(is_same(key_of("10.0.0.1"), key_of("::ffff:10.0.0.1")));
    assert_true(is_same(key_of("2001:db8::1"), key_of("2001:db8::ffff:1"))); /* one network */
    assert_false(is_same(key_of("2001:db8::1"), key_of("2001:db8:0:1::1")));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct server_guard_key local = server_guard_key_of(&nobody, fds[0]);
    assert_int_equal(local.value, geteuid());
    assert_int_equal(local.kind, 1);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_may_fail_some_times),
        cmocka_unit_test(time_brings_it_back),
        cmocka_unit_test(looking_often_does_not_stop_the_clock),
        cmocka_unit_test(whoever_never_stops_waits_two_minutes_at_most),
        cmocka_unit_test(the_clock_may_stand_still_or_go_back),
        cmocka_unit_test(a_flood_from_everywhere_is_bounded),
        cmocka_unit_test(without_a_limit_nobody_is_refused),
        cmocka_unit_test(addresses_are_told_apart_as_far_as_one_owner_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
