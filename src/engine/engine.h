/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's side of the storage engine contract (<larder/engine.h>): finding an engine.
 *
 * An engine is either built in and found by its name, or a shared object found by its path. In
 * both cases what comes back is a table of functions that has passed the version check.
 */
#ifndef LARDER_ENGINE_ENGINE_H
#define LARDER_ENGINE_ENGINE_H

#include <larder/engine.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum engine_load_result {
    ENGINE_LOAD_OK,
    ENGINE_LOAD_UNKNOWN,   /* neither a built-in name nor a path (no '/') */
    ENGINE_LOAD_UNREADABLE /* not a shared object, or not an engine of this version */
};

struct engine_module {
    const struct larder_engine_ops *ops; /* lent until engine_unload() */
    void *handle;                        /* of the shared object; NULL: built in */
};

/*
 * name      a built-in engine's name, or a path with a '/' in it.
 * why       what was wrong, for a log line; NUL-terminated, why_size >= 1 bytes.
 *
 * Any thread. On anything but ENGINE_LOAD_OK *ret_module is untouched.
 */
BASE_MUST_USE enum engine_load_result
engine_load(const char *name, struct engine_module *ret_module, char *why, size_t why_size);
/* Every instance is closed. Accepts a module that is all zero. */
void engine_unload(struct engine_module *module);

/* The i-th built-in engine, or NULL behind the last one. The first is the default. */
const struct larder_engine_ops *engine_builtin(uint32_t i);

/*
 * Does the table reach as far as this field? Tables only grow at their end, so an older module's
 * is shorter. What it has may still be NULL.
 */
#define ENGINE_HAS(ops, field)                                                                     \
    ((ops)->size >= offsetof(struct larder_engine_ops, field) + sizeof((ops)->field) &&            \
     (ops)->field != NULL)

#endif
