/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/mcbench/stats.h"
