/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool counts its blocks, reuses them, and survives a system without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aborts.h"
#include "base/block.h"

/* The linker puts these in the place of aligned_alloc(). */
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static bool memory_is_out;

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return memory_is_out ? NULL : __real_aligned_alloc(alignment, size);
}

static void test_taken_block_is_empty(void **state)
{
    struct base_block_pool pool;
    struct base_block *block;

    (void)state;
    base_block_pool_init(&pool, 1);
    block = base_block_take(&pool);
    assert_non_null(block);
    memset(block->data, 0xa5, BASE_BLOCK_ROOM); /* the sanitizers see whether it is all there */
    block->begin = 3;
    block->end = 7;
    block->next = block;
    base_block_give(&pool, &block);
    assert_null(block);

    block = base_block_take(&pool);
    assert_null(block->next);
    assert_int_equal(block->begin, 0);
    assert_int_equal(block->end, 0);
    assert_int_equal((uintptr_t)block % 64, 0);
    base_block_give(&pool, &block);
    base_block_pool_fini(&pool);
}

static void test_keeps_no_more_than_idle_max(void **state)
{
    struct base_block_pool pool;
    struct base_block *blocks[4];

    (void)state;
    base_block_pool_init(&pool, 2);
    for (size_t i = 0; i < 4; i++) {
        blocks[i] = base_block_take(&pool);
        assert_non_null(blocks[i]);
    }
    assert_int_equal(pool.used_count, 4);
    assert_int_equal(pool.idle_count, 0);
    for (size_t i = 0; i < 4; i++) {
        base_block_give(&pool, &blocks[i]);
    }
    assert_int_equal(pool.used_count, 0);
    assert_int_equal(pool.idle_count, 2);
    base_block_pool_fini(&pool);
    assert_int_equal(pool.idle_count, 0);
}

static void test_last_given_is_taken_first(void **state)
{
    struct base_block_pool pool;
    struct base_block *first;
    struct base_block *second;
    const struct base_block *warm;

    (void)state;
    base_block_pool_init(&pool, 2);
    first = base_block_take(&pool);
    second = base_block_take(&pool);
    warm = second;
    base_block_give(&pool, &first);
    base_block_give(&pool, &second);
    first = base_block_take(&pool);
    assert_ptr_equal(first, warm);
    base_block_give(&pool, &first);
    base_block_pool_fini(&pool);
}

static void test_gives_whole_list(void **state)
{
    struct base_block_pool pool;
    struct base_block *head = NULL;

    (void)state;
    base_block_pool_init(&pool, 8);
    base_block_give_list(&pool, &head);
    for (int i = 0; i < 3; i++) {
        struct base_block *block = base_block_take(&pool);

        block->next = head;
        head = block;
    }
    base_block_give_list(&pool, &head);
    assert_null(head);
    assert_int_equal(pool.used_count, 0);
    assert_int_equal(pool.idle_count, 3);
    base_block_give(&pool, &head); /* NULL is nothing to give */
    assert_int_equal(pool.idle_count, 3);
    base_block_pool_fini(&pool);
}

static void test_out_of_memory_is_counted(void **state)
{
    struct base_block_pool pool;
    struct base_block *block;

    (void)state;
    base_block_pool_init(&pool, 1);
    memory_is_out = true;
    assert_null(base_block_take(&pool));
    assert_null(base_block_take(&pool));
    memory_is_out = false;
    assert_int_equal(pool.oom_count, 2);
    assert_int_equal(pool.used_count, 0);
    block = base_block_take(&pool);
    assert_non_null(block);
    base_block_give(&pool, &block);
    base_block_pool_fini(&pool);
}

static void leak_block(void)
{
    struct base_block_pool pool;

    base_block_pool_init(&pool, 1);
    if (base_block_take(&pool) != NULL) {
        base_block_pool_fini(&pool);
    }
}

static void test_leak_is_fatal(void **state)
{
    (void)state;
    assert_true(aborts(leak_block, "/dev/null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken_block_is_empty),
        cmocka_unit_test(test_keeps_no_more_than_idle_max),
        cmocka_unit_test(test_last_given_is_taken_first),
        cmocka_unit_test(test_gives_whole_list),
        cmocka_unit_test(test_out_of_memory_is_counted),
        cmocka_unit_test(test_leak_is_fatal),
    };

    return cmocka_run_group_tests_name("base/block", tests, NULL, NULL);
}
