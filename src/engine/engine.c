/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding an engine: the table of those built in, and dlopen() for the others. No state.
 */
#include "engine/engine.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "engine/segment/segment.h"

typedef const struct larder_engine_ops *entry_fn(uint32_t host_abi_major, uint32_t host_abi_minor);

/* The first is the default. */
static entry_fn *const builtin[] = {
    segment_engine_entry,
};

const struct larder_engine_ops *engine_builtin(uint32_t i)
{
    if (i >= sizeof(builtin) / sizeof(builtin[0])) {
        return NULL;
    }
    return builtin[i](LARDER_ENGINE_ABI_MAJOR, LARDER_ENGINE_ABI_MINOR);
}

/* An engine without these cannot be used at all. */
static bool ops_complete(const struct larder_engine_ops *ops)
{
    return ops->abi_major == LARDER_ENGINE_ABI_MAJOR && ops->name != NULL &&
           ENGINE_HAS(ops, open) && ENGINE_HAS(ops, close) && ENGINE_HAS(ops, thread_attach) &&
           ENGINE_HAS(ops, thread_detach) && ENGINE_HAS(ops, thread_begin) &&
           ENGINE_HAS(ops, thread_end) && ENGINE_HAS(ops, prefetch) && ENGINE_HAS(ops, get) &&
           ENGINE_HAS(ops, release) && ENGINE_HAS(ops, put) && ENGINE_HAS(ops, remove) &&
           ENGINE_HAS(ops, flush) && ENGINE_HAS(ops, tick) && ENGINE_HAS(ops, stats) &&
           ENGINE_HAS(ops, stats_reset);
}

static enum engine_load_result load_path(const char *path, struct engine_module *ret_module,
                                         char *why, size_t why_size)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct larder_engine_ops *ops = NULL;
    entry_fn *entry = NULL;
    void *symbol;

    if (handle == NULL) {
        (void)snprintf(why, why_size, "%s", dlerror());
        return ENGINE_LOAD_UNREADABLE;
    }
    symbol = dlsym(handle, "larder_engine_entry");
    if (symbol != NULL) {
        /* POSIX's way from an object pointer to a function pointer. */
        memcpy(&entry, &symbol, sizeof(entry));
        ops = entry(LARDER_ENGINE_ABI_MAJOR, LARDER_ENGINE_ABI_MINOR);
    }
    if (ops == NULL || !ops_complete(ops)) {
        (void)snprintf(why, why_size, "%s: no storage engine for version %u.%u", path,
                       LARDER_ENGINE_ABI_MAJOR, LARDER_ENGINE_ABI_MINOR);
        (void)dlclose(handle);
        return ENGINE_LOAD_UNREADABLE;
    }
    ret_module->ops = ops;
    ret_module->handle = handle;
    return ENGINE_LOAD_OK;
}

enum engine_load_result engine_load(const char *name, struct engine_module *ret_module, char *why,
                                    size_t why_size)
{
    const struct larder_engine_ops *ops;

    CHECK(name != NULL && ret_module != NULL && why_size > 0);
    for (uint32_t i = 0; (ops = engine_builtin(i)) != NULL; i++) {
        if (strcmp(ops->name, name) == 0) {
            CHECK(ops_complete(ops));
            ret_module->ops = ops;
            ret_module->handle = NULL;
            return ENGINE_LOAD_OK;
        }
    }
    if (strchr(name, '/') == NULL) {
        (void)snprintf(why, why_size, "%s: no such engine (a module needs a path)", name);
        return ENGINE_LOAD_UNKNOWN;
    }
    return load_path(name, ret_module, why, why_size);
}

void engine_unload(struct engine_module *module)
{
    if (module->handle != NULL) {
        (void)dlclose(module->handle);
    }
    module->ops = NULL;
    module->handle = NULL;
}
