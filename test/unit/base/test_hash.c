/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hash is XXH3's and stays so: vectors of xxHash's own self test (its tests/sanity_test_vectors.h,
 * seed 0), which walk through every length class of the function.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

static const struct {
    size_t size;
    uint64_t hash;
} vectors[] = {
    {0, 0x2D06800538D394C2ull},   {1, 0xC44BDFF4074EECDBull},   {6, 0x27B56A84CD2D7325ull},
    {12, 0xA713DAF0DFBB77E7ull},  {24, 0xA3FE70BF9D3510EBull},  {48, 0x397DA259ECBA1F11ull},
    {80, 0xBCDEFBBB2C47C90Aull},  {195, 0xCD94217EE362EC3Aull}, {403, 0xCDEB804D65C6DEA4ull},
    {512, 0x617E49599013CB6Bull},
};

/* The self test's buffer: powers of a 64-bit prime, their highest bytes. */
static void fill(char *buffer, size_t size)
{
    uint64_t generator = 2654435761u;

    for (size_t i = 0; i < size; i++) {
        buffer[i] = (char)(generator >> 56);
        generator *= 11400714785074694797ull;
    }
}

static void test_golden_vectors(void **state)
{
    char buffer[512];

    (void)state;
    fill(buffer, sizeof(buffer));
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_true(base_hash_key((struct base_slice){buffer, vectors[i].size}) == vectors[i].hash);
    }
}

static void test_only_the_slice_counts(void **state)
{
    (void)state;
    assert_true(base_hash_key((struct base_slice){"key#1", 3}) ==
                base_hash_key((struct base_slice){"key#2", 3}));
    assert_true(base_hash_key(BASE_SLICE("key1")) != base_hash_key(BASE_SLICE("key2")));
    assert_true(base_hash_key(BASE_SLICE("a\0b")) != base_hash_key(BASE_SLICE("a\0c")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_vectors),
        cmocka_unit_test(test_only_the_slice_counts),
    };

    return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
