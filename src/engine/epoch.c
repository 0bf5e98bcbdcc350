/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model is in epoch.h. A deferred entry carries the function of engine_epoch_fn's type in the
 * library's field; both take a pointer to the same first member.
 */
#include "engine/epoch.h"

#include "base/check.h"
#include "engine/epoch_tsan.h"

void engine_epoch_init(struct engine_epoch *epoch)
{
    ck_epoch_init(&epoch->domain);
    ck_epoch_register(&epoch->domain, &epoch->limbo, epoch);
    epoch->deferred_count = 0;
}

void engine_epoch_attach(struct engine_epoch *epoch, struct engine_epoch_reader *reader)
{
    ck_epoch_register(&epoch->domain, &reader->record, epoch);
}

void engine_epoch_enter(struct engine_epoch_reader *reader)
{
    ck_epoch_begin(&reader->record, NULL);
}

void engine_epoch_leave(struct engine_epoch_reader *reader)
{
    EPOCH_RELEASE(reader->record.global);
    ck_epoch_end(&reader->record, NULL);
}

void engine_epoch_defer(struct engine_epoch *epoch, struct engine_epoch_entry *entry,
                        engine_epoch_fn *fn)
{
    /* The function is called by poll() below, not by the library, so its type is ours. */
    ck_epoch_call(&epoch->limbo, &entry->entry, (ck_epoch_cb_t *)(void (*)(void))fn);
    epoch->deferred_count++;
}

void engine_epoch_poll(struct engine_epoch *epoch)
{
    ck_stack_t due;
    ck_stack_entry_t *cursor;

    if (epoch->deferred_count == 0) {
        return;
    }
    ck_stack_init(&due);
    (void)ck_epoch_poll_deferred(&epoch->limbo, &due);
    EPOCH_ACQUIRE(&epoch->domain);
    cursor = CK_STACK_FIRST(&due);
    while (cursor != NULL) {
        ck_epoch_entry_t *inner =
            (ck_epoch_entry_t *)(void *)((char *)cursor -
                                         offsetof(struct ck_epoch_entry, stack_entry));
        struct engine_epoch_entry *entry = (struct engine_epoch_entry *)(void *)inner;
        engine_epoch_fn *fn = (engine_epoch_fn *)(void (*)(void))inner->function;

        cursor = CK_STACK_NEXT(cursor);
        CHECK(epoch->deferred_count > 0);
        epoch->deferred_count--;
        fn(entry);
    }
}
