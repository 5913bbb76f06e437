/** Small bench reports for tests of what reads them. */
import type { BenchReport, CellResult, GoalResult } from '../../../bench/core/report.ts';
import { median } from '../../../bench/core/statistics.ts';

/** Runs that spread by 2 % around `value`. */
export function steadyRuns(value: number): number[] {
  return [1, 0.99, 1.01, 0.995, 1.005].map((factor) => value * factor);
}

export function cell(id: string, runs: readonly number[], more: Partial<CellResult> = {}) {
  const [suite = '', ...rest] = id.split('/');
  return {
    id,
    suite,
    contest: [suite, ...rest.slice(0, -1)].join('/'),
    contestTitle: `contest of ${id}`,
    title: `side ${id}`,
    parameters: {},
    unit: 'bytes/s',
    isHigherBetter: true,
    runs,
    median: runs.length > 0 ? median(runs) : null,
    min: runs.length > 0 ? Math.min(...runs) : null,
    max: runs.length > 0 ? Math.max(...runs) : null,
    extra: {},
    ...more,
  } satisfies CellResult;
}

export function goal(name: string, runs: readonly number[], more: Partial<GoalResult> = {}) {
  const value = runs.length > 0 ? median(runs) : null;
  return {
    name,
    value,
    goal: 0.25,
    bound: 'min',
    met: value === null ? null : value >= 0.25,
    runs,
    subject: 'append/os/varve',
    references: ['append/os/W'],
    ...more,
  } satisfies GoalResult;
}

export function report(more: Partial<BenchReport> = {}): BenchReport {
  return {
    format: 'varve-bench-1',
    startedAt: '2026-11-21T10:00:00.000Z',
    durationMs: 60_000,
    isQuick: false,
    host: { cpu: 'a processor', node: 'v20.20.2', kernel: '6.1', fileSystem: 'ext4' },
    cells: [],
    goals: [],
    ...more,
  };
}
