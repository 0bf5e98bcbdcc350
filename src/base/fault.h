/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Named failure points: `if (BASE_FAULT("block-take")) { return NULL; }`.
 *
 * Builds with -Dfaults=true ask whether this pass is the one that has to fail; in all others the
 * condition is the constant false and the branch is gone. Which pass fails is set by a test, or
 * for whole programs by the environment: LARDER_FAULTS="name:n,name:n".
 * Any thread; points of one name share one count.
 */
#ifndef LARDER_BASE_FAULT_H
#define LARDER_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef LARDER_FAULTS
#define BASE_FAULT(name) base_fault_pass(name)
#else
#define BASE_FAULT(name) false
#endif

enum {
    BASE_FAULT_POINTS_MAX = 64,    /* different names */
    BASE_FAULT_NAME_SIZE_MAX = 31, /* bytes */
};

/* The point fails at its n-th pass from now on, once; n = 0: never. Its count starts again. */
void base_fault_set(const char *name, uint64_t n);
/* How often the point was passed since it was set (or since the start). */
uint64_t base_fault_pass_count(const char *name);
/* Counts the pass and says whether it has to fail. Call through BASE_FAULT(). */
bool base_fault_pass(const char *name);

#endif
