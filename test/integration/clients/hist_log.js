// SPDX-License-Identifier: BSD-3-Clause
// Reads a log of histograms with HdrHistogram's own reader for JavaScript and prints each as a line:
// tag, start, end, count, minimum, maximum, mean, percentiles.
const fs = require("fs");
const hdr = require("hdr-histogram-js");

const reader = new hdr.HistogramLogReader(fs.readFileSync(process.argv[2], "utf8"), 64);
for (let one = reader.nextIntervalHistogram(); one; one = reader.nextIntervalHistogram()) {
  const percentiles = [10, 50, 75, 90, 99, 99.9, 99.99, 100].map((p) => one.getValueAtPercentile(p));
  console.log(one.tag, one.startTimeStampMsec, one.endTimeStampMsec, one.totalCount,
    one.getValueAtPercentile(0), one.maxValue, one.mean, ...percentiles);
}
