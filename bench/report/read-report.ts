/** Reads a report that `--json` wrote, and refuses what is none. */
import { readFileSync } from 'node:fs';
import { REPORT_FORMAT, type BenchReport } from '../core/report.ts';

/** The file is no report that this version can read; the message names it and says why. */
export class ReportError extends Error {
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path}: ${reason}`, options);
    this.name = 'ReportError';
  }
}

/** @throws ReportError when it cannot be read or is no bench report */
export function readReport(path: string): BenchReport {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ReportError(path, cause instanceof Error ? cause.message : 'cannot be read', {
      cause,
    });
  }
  return parseReport(text, path);
}

/** @param path  for the message of the error @throws ReportError */
export function parseReport(text: string, path: string): BenchReport {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new ReportError(path, 'not JSON, or cut off: run the bench again with --json', { cause });
  }
  const problem = problemOf(parsed);
  if (problem !== null) throw new ReportError(path, problem);
  return parsed as BenchReport; // `problemOf` looked at what is read of it.
}

function problemOf(report: unknown): string | null {
  if (!isObject(report)) return 'no bench report: not an object';
  const { format, host, cells, goals } = report;
  if (format !== REPORT_FORMAT) {
    const found = format === undefined ? 'none' : JSON.stringify(format);
    return `no bench report: expected the format "${REPORT_FORMAT}", found ${found}`;
  }
  if (!isObject(host)) return 'a damaged bench report: no host facts';
  if (!Array.isArray(cells) || !cells.every((cell) => hasRuns(cell, 'id'))) {
    return 'a damaged bench report: cells without an id or runs';
  }
  if (!Array.isArray(goals) || !goals.every((goal) => hasRuns(goal, 'name'))) {
    return 'a damaged bench report: goals without a name or runs';
  }
  return null;
}

function hasRuns(row: unknown, name: string): boolean {
  return isObject(row) && typeof row[name] === 'string' && Array.isArray(row['runs']);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
