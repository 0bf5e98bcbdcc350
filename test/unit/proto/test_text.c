/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Request lines of the text protocol. What is expected here is what memcached 1.6.38 does, but for
 * the numbers of more than 32 bits, which it cuts and we refuse.
 */
#include "show.h"

#define CHECK_ROWS(rows) show_check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void get_takes_keys(void **state)
{
    static const struct show_row rows[] = {
        {"get a", "GET v key=a keys= a"},
        {"get a b cc", "GET v key=a keys= a b cc"},
        {"  get   a   b  ", "GET v key=a keys=   a   b  "},
        {"gets a", "GET cv key=a keys= a"},
        {"gets a b", "GET cv key=a keys= a b"},
        {"gets " K250, "GET cv key=" K250 " keys= " K250},
        {"gets " K251, "BAD_FORMAT"},
        {"get a\rb", "GET v key=a\rb keys= a\rb"},
        {"bget a", "GET v key=a keys= a"},
        {"get get", "GET v key=get keys= get"},
        {"get noreply", "GET v key=noreply keys= noreply"},
        {"get a\tb", "GET v key=a\tb keys= a\tb"},
        {"get \x01\xff", "GET v key=\x01\xff keys= \x01\xff"},
        {"get " K250, "GET v key=" K250 " keys= " K250},
        {"get " K251, "BAD_FORMAT"},
        {"get a " K251 " b", "BAD_FORMAT"},
        {"get a b " K251, "BAD_FORMAT"},
        {"get 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25",
         "GET v key=1 keys= 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25"},
        {"get", "UNKNOWN"},
        {"get  ", "UNKNOWN"},
        {"gets", "UNKNOWN"},
        {"bget ", "UNKNOWN"},
        {"gat 10 a", "GET Tv key=a keys= a exptime=10"},
        {"gat  0  a  b ", "GET Tv key=a keys=  a  b  exptime=0"},
        {"gats -1 a", "GET cTv key=a keys= a exptime=-1"},
        {"gat 2147483647 a", "GET Tv key=a keys= a exptime=2147483647"},
        {"gat +3 a", "GET Tv key=a keys= a exptime=3"},
        {"gat 10", "GET Tv key= keys= exptime=10"},
        {"gats 10 ", "GET cTv key= keys=  exptime=10"},
        {"gat", "UNKNOWN"},
        {"gats  ", "UNKNOWN"},
        {"gat a", "INVALID_EXPTIME"},
        {"gat a b", "INVALID_EXPTIME"},
        {"gat a " K251, "INVALID_EXPTIME"},
        {"gat 1 " K251, "BAD_FORMAT"},
        {"gat 1 b " K251, "BAD_FORMAT"},
        {"gat 2147483648 a", "INVALID_EXPTIME"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

/* What is parsed in one pass, and what is nearly that. */
static void plain_sets(void **state)
{
    static const struct show_row rows[] = {
        {"set k 0 0 1 noreply", "STORE SET key=k flags=0 exptime=0 size=1 noreply"},
        {"set k 999999999 999999999 999999999 noreply",
         "STORE SET key=k flags=999999999 exptime=999999999 size=999999999 noreply"},
        {"set k 1000000000 1000000000 1000000000 noreply",
         "STORE SET key=k flags=1000000000 exptime=1000000000 size=1000000000 noreply"},
        {"set k 0 0 1 norepl", "STORE SET key=k flags=0 exptime=0 size=1"},
        {"set k 0 0 1 noreply2", "STORE SET key=k flags=0 exptime=0 size=1"},
        {"set k\t 0 0 1", "STORE SET key=k\t flags=0 exptime=0 size=1"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void store_takes_four_numbers(void **state)
{
    static const struct show_row rows[] = {
        {"set k 0 0 1", "STORE SET key=k flags=0 exptime=0 size=1"},
        {"set k 1 2 3", "STORE SET key=k flags=1 exptime=2 size=3"},
        {" set  k  1  2  3 ", "STORE SET key=k flags=1 exptime=2 size=3"},
        {"set k 1 2 0", "STORE SET key=k flags=1 exptime=2 size=0"},
        {"add k 1 2 3", "STORE ADD key=k flags=1 exptime=2 size=3"},
        {"replace k 1 2 3", "STORE REPLACE key=k flags=1 exptime=2 size=3"},
        {"append k 1 2 3", "STORE APPEND key=k flags=1 exptime=2 size=3"},
        {"prepend k 1 2 3", "STORE PREPEND key=k flags=1 exptime=2 size=3"},
        {"cas k 1 2 3 4", "STORE CAS key=k flags=1 exptime=2 size=3 cas=4"},
        {"cas k 1 2 3 18446744073709551615",
         "STORE CAS key=k flags=1 exptime=2 size=3 cas=18446744073709551615"},
        {"set k 1 2 3 noreply", "STORE SET key=k flags=1 exptime=2 size=3 noreply"},
        {"add k 1 2 3  noreply ", "STORE ADD key=k flags=1 exptime=2 size=3 noreply"},
        {"cas k 1 2 3 4 noreply", "STORE CAS key=k flags=1 exptime=2 size=3 cas=4 noreply"},
        {"set noreply 1 2 3", "STORE SET key=noreply flags=1 exptime=2 size=3"},
        {"set k 1 2 3 NOREPLY", "STORE SET key=k flags=1 exptime=2 size=3"},
        {"set k 1 2 3 x", "STORE SET key=k flags=1 exptime=2 size=3"},
        {"cas k 1 2 3 4 x", "STORE CAS key=k flags=1 exptime=2 size=3 cas=4"},
        {"set k 4294967295 2147483647 2147483645",
         "STORE SET key=k flags=4294967295 exptime=2147483647 size=2147483645"},
        {"set k 0 -2147483648 0", "STORE SET key=k flags=0 exptime=-2147483648 size=0"},
        {"set k 007 +1 -0", "STORE SET key=k flags=7 exptime=1 size=0"},
        {"set k -0 \t1 1\tx", "STORE SET key=k flags=0 exptime=1 size=1"},
        {"set k 0 0 1\r", "STORE SET key=k flags=0 exptime=0 size=1"},
        {"set " K250 " 0 0 1", "STORE SET key=" K250 " flags=0 exptime=0 size=1"},
        {"set " K251 " 0 0 1", "BAD_FORMAT"},
        {"set " K251 " 0 0 1 noreply", "NONE"},
        {"set k 0 0 -1", "BAD_FORMAT"},
        {"set k 0 0 2147483646", "BAD_FORMAT"},
        {"set k 0 0 4294967297", "BAD_FORMAT"},
        {"set k 0 0 99999999999999999999999", "BAD_FORMAT"},
        {"set k -1 0 1", "BAD_FORMAT"},
        {"set k 4294967296 0 1", "BAD_FORMAT"},
        {"set k 0 2147483648 1", "BAD_FORMAT"},
        {"set k 0 -2147483649 1", "BAD_FORMAT"},
        {"set k x 0 1", "BAD_FORMAT"},
        {"set k 0 x 1", "BAD_FORMAT"},
        {"set k 0 0 x", "BAD_FORMAT"},
        {"set k 0 0 1x", "BAD_FORMAT"},
        {"set k 0 0 0x1", "BAD_FORMAT"},
        {"set k 0 0 1.5", "BAD_FORMAT"},
        {"set k 0 0 --1", "BAD_FORMAT"},
        {"set k 0 0 +", "BAD_FORMAT"},
        {"set k 0 0 noreply", "NONE"},
        {"set k 0 x 1 noreply", "NONE"},
        {"cas k 0 0 1 x", "BAD_FORMAT"},
        {"cas k 0 0 1 -1", "BAD_FORMAT"},
        {"cas k 0 0 1 18446744073709551616", "BAD_FORMAT"},
        {"cas k 0 0 1 noreply", "NONE"},
        {"set", "UNKNOWN"},
        {"set k", "UNKNOWN"},
        {"set k 0", "UNKNOWN"},
        {"set k 0 0", "UNKNOWN"},
        {"set k 0 noreply", "UNKNOWN"},
        {"set k 0 0 1 noreply x", "UNKNOWN"},
        {"set k 0 0 1 x noreply", "UNKNOWN"},
        {"set " K251, "UNKNOWN"},
        {"cas k 0 0 1", "UNKNOWN"},
        {"cas k 0 0 1 2 3 4", "UNKNOWN"},
        {"set 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25", "UNKNOWN"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void delete_takes_a_zero(void **state)
{
    static const struct show_row rows[] = {
        {"delete k", "DELETE key=k"},
        {"delete k 0", "DELETE key=k"},
        {"delete k noreply", "DELETE key=k noreply"},
        {"delete k 0 noreply", "DELETE key=k noreply"},
        {"  delete   k  ", "DELETE key=k"},
        {"delete noreply", "DELETE key=noreply"},
        {"delete noreply noreply", "DELETE key=noreply noreply"},
        {"delete " K250, "DELETE key=" K250},
        {"delete " K251, "BAD_FORMAT"},
        {"delete " K251 " 0", "BAD_FORMAT"},
        {"delete " K251 " noreply", "NONE"},
        {"delete k 1", "DELETE_USAGE"},
        {"delete k 00", "DELETE_USAGE"},
        {"delete k x", "DELETE_USAGE"},
        {"delete k 0 0", "DELETE_USAGE"},
        {"delete k noreply 0", "DELETE_USAGE"},
        {"delete k x noreply", "NONE"},
        {"delete k noreply noreply", "NONE"},
        {"delete", "UNKNOWN"},
        {"delete k 0 0 noreply", "UNKNOWN"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void numbers_change_values(void **state)
{
    static const struct show_row rows[] = {
        {"incr k 1", "ARITH key=k delta=1"},
        {"decr k 1", "ARITH key=k delta=-1"},
        {"incr k 0", "ARITH key=k delta=0"},
        {"incr k +1", "ARITH key=k delta=1"},
        {"incr k 18446744073709551615 noreply", "ARITH key=k delta=18446744073709551615 noreply"},
        {"incr k 1 x", "ARITH key=k delta=1"},
        {"incr " K250 " 1", "ARITH key=" K250 " delta=1"},
        {"incr " K251 " 1", "BAD_FORMAT"},
        {"decr " K251 " x", "BAD_FORMAT"},
        {"incr k 18446744073709551616", "INVALID_DELTA"},
        {"incr k -1", "INVALID_DELTA"},
        {"incr k x", "INVALID_DELTA"},
        {"incr k noreply", "NONE"},
        {"decr k x noreply", "NONE"},
        {"incr k", "UNKNOWN"},
        {"incr", "UNKNOWN"},
        {"decr k 1 2 3", "UNKNOWN"},
        {"touch k 1", "TOUCH key=k exptime=1"},
        {"touch k -1 noreply", "TOUCH key=k exptime=-1 noreply"},
        {"touch k 2147483648", "INVALID_EXPTIME"},
        {"touch k x", "INVALID_EXPTIME"},
        {"touch k noreply", "NONE"},
        {"touch " K251 " 1", "BAD_FORMAT"},
        {"touch k", "UNKNOWN"},
        {"touch", "UNKNOWN"},
        {"touch k 1 2 3", "UNKNOWN"},
        {"flush_all", "FLUSH_ALL exptime=0"},
        {"flush_all noreply", "FLUSH_ALL exptime=0 noreply"},
        {"flush_all 5", "FLUSH_ALL exptime=5"},
        {"flush_all -5", "FLUSH_ALL exptime=-5"},
        {"flush_all 5 noreply", "FLUSH_ALL exptime=5 noreply"},
        {"flush_all 5 x", "FLUSH_ALL exptime=5"},
        {"flush_all x", "INVALID_EXPTIME"},
        {"flush_all noreply 5", "INVALID_EXPTIME"},
        {"flush_all x noreply", "NONE"},
        {"flush_all noreply noreply", "NONE"},
        {"flush_all 1 2 3", "UNKNOWN"},
        {"verbosity 1", "VERBOSITY delta=1"},
        {"verbosity 9 noreply", "VERBOSITY delta=9 noreply"},
        {"verbosity 1 2", "VERBOSITY delta=1"},
        {"verbosity x", "BAD_FORMAT"},
        {"verbosity noreply", "NONE"},
        {"verbosity", "UNKNOWN"},
        {"verbosity 1 2 3", "UNKNOWN"},
        {"cache_memlimit 64", "CACHE_MEMLIMIT delta=64"},
        {"cache_memlimit 64 noreply", "CACHE_MEMLIMIT delta=64 noreply"},
        {"cache_memlimit 8589934592", "CACHE_MEMLIMIT delta=8589934592"},
        {"cache_memlimit x", "UNKNOWN"},
        {"cache_memlimit -1", "UNKNOWN"},
        {"cache_memlimit noreply", "NONE"},
        {"cache_memlimit", "UNKNOWN"},
        {"cache_memlimit 1 2 3", "UNKNOWN"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void administration_is_passed_on(void **state)
{
    static const struct show_row rows[] = {
        {"version", "VERSION []"},
        {"version noreply", "VERSION [noreply]"},
        {"quit", "QUIT []"},
        {"quit now", "QUIT [now]"},
        {"stats", "STATS []"},
        {"stats   items  ", "STATS [items]"},
        {"stats detail on", "STATS [detail on]"},
        {"stats noreply", "STATS [noreply]"},
        {"shutdown graceful", "SHUTDOWN [graceful]"},
        {"shutdown noreply", "SHUTDOWN [noreply]"},
        {"slabs reassign 1 2", "SLABS [reassign 1 2]"},
        {"slabs reassign 1 noreply", "SLABS [reassign 1 noreply]"},
        {"slabs automove 1 noreply", "SLABS [automove 1 noreply] noreply"},
        {"slabs automove noreply", "SLABS [automove noreply] noreply"},
        {"slabs noreply", "SLABS [noreply]"},
        {"slabs", "SLABS []"},
        {"lru mode flat", "LRU [mode flat]"},
        {"lru mode flat noreply", "LRU [mode flat noreply] noreply"},
        {"lru_crawler enable", "LRU_CRAWLER [enable]"},
        {"lru_crawler enable noreply", "LRU_CRAWLER [enable noreply]"},
        {"watch fetchers  mutations ", "WATCH [fetchers  mutations]"},
        {"watch noreply", "WATCH [noreply] noreply"},
        {"extstore max_sleep 1", "EXTSTORE [max_sleep 1]"},
        {"extstore x noreply", "EXTSTORE [x noreply] noreply"},
        {"refresh_certs", "REFRESH_CERTS []"},
        {"refresh_certs noreply", "REFRESH_CERTS [noreply] noreply"},
        {"debugtime +5", "DEBUGTIME [+5]"},
        {"misbehave", "MISBEHAVE []"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void other_words_are_errors(void **state)
{
    static const struct show_row rows[] = {
        {" ", "UNKNOWN"},           {"a", "UNKNOWN"},
        {"g", "UNKNOWN"},           {"m", "UNKNOWN"},
        {"GET a", "UNKNOWN"},       {"Get a", "UNKNOWN"},
        {"SET k 0 0 1", "UNKNOWN"}, {"ge a", "UNKNOWN"},
        {"gett a", "UNKNOWN"},      {"getget a", "UNKNOWN"},
        {"get\ta", "UNKNOWN"},      {"noreply", "UNKNOWN"},
        {"mget a", "UNKNOWN"},      {"mx a", "UNKNOWN"},
        {"mG a", "UNKNOWN"},        {"cache_memlimits 64", "UNKNOWN"},
        {"stat", "UNKNOWN"},        {K251 " x", "UNKNOWN"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void http_is_hung_up_on(void **state)
{
    static const struct show_row rows[] = {
        {"GET / HTTP/1.1", "CLOSE"},
        {"POST /x HTTP/1.0 ", "CLOSE"},
        {"HTTP/1.1", "CLOSE"},
        {"put / HTTP/", "CLOSE"},
        {"mget / HTTP/1.1", "CLOSE"},
        {"GET / HTTP/1.1 x", "UNKNOWN"},
        {"GET / HTTP", "UNKNOWN"},
        {"GET / http/1.1", "UNKNOWN"},
        {"get / HTTP/1.1", "GET v key=/ keys= / HTTP/1.1"},
        {"set / HTTP/1.1", "UNKNOWN"},
        {"delete / HTTP/1.1", "DELETE_USAGE"},
        {"trace / HTTP/1.1", "UNKNOWN"},
        {"mx / HTTP/1.1", "UNKNOWN"},
        {"G / HTTP/1.1", "UNKNOWN"},
        /* the 23rd word is the last that counts */
        {"ZZ 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 HTTP/1.1", "CLOSE"},
        {"ZZ 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 HTTP/1.1", "UNKNOWN"},
        {"ZZ 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 HTTP/ 24", "CLOSE"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void carriage_returns_count(void **state)
{
    size_t consumed = 0;

    (void)state;
    assert_string_equal(show_parse(BASE_SLICE("\n"), &consumed), "UNKNOWN");
    assert_int_equal(consumed, 1);
    assert_string_equal(show_parse(BASE_SLICE("\r\n"), &consumed), "UNKNOWN");
    assert_int_equal(consumed, 2);
    assert_string_equal(show_parse(BASE_SLICE("\r\r\n"), &consumed), "UNKNOWN");
    assert_int_equal(consumed, 3);
    assert_string_equal(show_parse(BASE_SLICE("get a\r\r\n"), &consumed),
                        "GET v key=a\r keys= a\r");
    assert_string_equal(show_parse(BASE_SLICE(""), &consumed), "MORE");
}

/* memcached 1.6.38 ends the line at a NUL, later ones and we do not. */
static void nul_is_a_byte_of_a_key(void **state)
{
    static const char line[] = "get a\0b\r\n";
    struct proto_request request;
    size_t consumed = 0;
    enum proto_error error;
    uint64_t swallow;

    (void)state;
    assert_int_equal(proto_text_parse((struct base_slice){line, sizeof(line) - 1}, &request,
                                      &consumed, &error, &swallow),
                     PROTO_DONE);
    assert_int_equal(request.key.size, 3);
    assert_memory_equal(request.key.data, "a\0b", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_takes_keys),           cmocka_unit_test(plain_sets),
        cmocka_unit_test(store_takes_four_numbers), cmocka_unit_test(delete_takes_a_zero),
        cmocka_unit_test(numbers_change_values),    cmocka_unit_test(administration_is_passed_on),
        cmocka_unit_test(other_words_are_errors),   cmocka_unit_test(http_is_hung_up_on),
        cmocka_unit_test(carriage_returns_count),   cmocka_unit_test(nul_is_a_byte_of_a_key),
    };

    return cmocka_run_group_tests_name("proto-text", tests, NULL, NULL);
}
