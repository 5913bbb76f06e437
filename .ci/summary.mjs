/**
 * Prints what failed, with the begin of what it said (a property names its seed and path there), and,
 * as the last line, `N passed, N failed[, N skipped]` over all vitest runs.
 *
 * Reads `results.tsv` (kind, name, exit status) and the JSON report of each vitest run in the folder
 * that is its argument. Exits 1 if anything failed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/** How much is shown of what a failed test said. */
const SAID_MAX = 600;

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
    names.push(...failed.map((test) => test.fullName + said(test.failureMessages[0])));
    if (file.status === 'failed' && failed.length === 0)
      names.push(`${file.name} did not run${said(file.message)}`);
  }
  return {
    passed: report.numPassedTests,
    failed: names.length,
    skipped: report.numPendingTests + report.numTodoTests,
    names,
  };
}

/** The first of what a test said when it failed, indented below its name. */
function said(message = '') {
  const text = stripVTControlCharacters(message)
    .replace(/^ +at .*\n?/gmu, '')
    .trim();
  if (text === '') return '';
  const start = text.length > SAID_MAX ? `${text.slice(0, SAID_MAX)} ...` : text;
  return start
    .split('\n')
    .map((line) => `\n      ${line}`)
    .join('');
}
