/**
 * Prints what failed and, as the last line, `N passed, N failed[, N skipped]` over all vitest runs.
 *
 * Reads `results.tsv` (kind, name, exit status) and the JSON report of each vitest run in the folder
 * that is its argument. Exits 1 if anything failed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? '.';
const total = { passed: 0, failed: 0, skipped: 0 };
const complaints = [];

for (const line of readFileSync(join(folder, 'results.tsv'), 'utf8').trim().split('\n')) {
  const [kind, name, status] = line.split('\t');
  const counts = kind === 'tests' ? readReport(join(folder, `${name}.json`)) : null;
  if (counts !== null) {
    for (const key of Object.keys(total)) total[key] += counts[key];
    complaints.push(...counts.names.map((test) => `${name}: ${test}`));
  }
  if (status !== '0' && (counts === null || counts.failed === 0)) {
    total.failed += 1;
    complaints.push(`${name}: exit status ${status}`);
  }
}

console.log(complaints.length === 0 ? '' : `\nFailed:\n  ${complaints.join('\n  ')}\n`);
const skipped = total.skipped === 0 ? '' : `, ${total.skipped} skipped`;
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

/** Counts of one vitest run; a file that did not load is one failure. Null without a report. */
function readReport(path) {
  if (!existsSync(path)) return null;
  const report = JSON.parse(readFileSync(path, 'utf8'));
  const names = [];
  for (const file of report.testResults) {
    const failed = file.assertionResults.filter((test) => test.status === 'failed');
    names.push(...failed.map((test) => test.fullName));
    if (file.status === 'failed' && failed.length === 0) names.push(`${file.name} did not run`);
  }
  return {
    passed: report.numPassedTests,
    failed: names.length,
    skipped: report.numPendingTests + report.numTodoTests,
    names,
  };
}
