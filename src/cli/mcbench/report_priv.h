/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files that print for people share: report_table.c, compare.c, plot. */
#ifndef LARDER_MCBENCH_REPORT_PRIV_H
#define LARDER_MCBENCH_REPORT_PRIV_H

enum { BENCH_REPORT_NUMBER_MAX = 64 }; /* bytes, the NUL included */

/* Digits apart by thousands: "1,234,567". |value| < 10^15. Returns `out`. */
const char *bench_report_number(double value, int decimals, char out[BENCH_REPORT_NUMBER_MAX]);

#endif
