/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Epochs: storage that readers may still look at is reused only after all of them have left.
 *
 * A reader is a context, not a system thread: it enters, looks, leaves. What is taken away is
 * deferred; poll() calls the deferred functions whose grace period is over, and never waits.
 * A wrapper of Concurrency Kit's ck_epoch (concurrencykit.org), for three reasons: its readers
 * belong to one domain (one engine), they are not bound to system threads, and its poll does not
 * block. liburcu 0.13 has none of the three. The library is invisible to ThreadSanitizer, so the
 * wrapper says what it orders.
 *
 * defer() and poll() of one domain are called under one lock of the caller's; enter() and leave()
 * by the reader alone.
 */
#ifndef LARDER_ENGINE_EPOCH_H
#define LARDER_ENGINE_EPOCH_H

#include <ck_epoch.h>
#include <stdbool.h>
#include <stdint.h>

struct engine_epoch {
    ck_epoch_t domain;
    ck_epoch_record_t limbo; /* never entered; holds what is deferred */
    uint32_t deferred_count; /* not called yet */
};

struct engine_epoch_reader {
    ck_epoch_record_t record;
};

/* Embedded in what is deferred. */
struct engine_epoch_entry {
    ck_epoch_entry_t entry;
};

typedef void engine_epoch_fn(struct engine_epoch_entry *entry);

void engine_epoch_init(struct engine_epoch *epoch);
/* The reader's memory stays part of the domain for as long as the domain lives. */
void engine_epoch_attach(struct engine_epoch *epoch, struct engine_epoch_reader *reader);
void engine_epoch_enter(struct engine_epoch_reader *reader);
void engine_epoch_leave(struct engine_epoch_reader *reader);
/* fn(entry) is called by a later poll(), when every reader that is inside now has left. */
void engine_epoch_defer(struct engine_epoch *epoch, struct engine_epoch_entry *entry,
                        engine_epoch_fn *fn);
/* Calls what is due. Needs several calls to come round while readers come and go. */
void engine_epoch_poll(struct engine_epoch *epoch);

#endif
