/** `npm run bench` and `varve bench` as a shell runs them, on a contest of a second. */
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BenchReport } from '../../bench/core/report.ts';
import { distPath, runProgram, startProgram } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const RUN = distPath('bench', 'run.js');
const CLI = distPath('tools', 'cli.js');
const SMALL = ['--suite', 'micro', '--only', 'index-search', '--rounds', '1'];

function parseReport(text: string): BenchReport {
  return JSON.parse(text) as BenchReport;
}

describe('npm run bench', () => {
  test('--list names the contests and runs none', async () => {
    const { exitCode, stdout, stderr } = await runProgram(RUN, [
      '--list',
      '--suite',
      'append,read',
    ]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/^append\/os-100 +3 +yes +append at os/m);
    expect(stdout).toMatch(/^append\/shapes-os-100 +\d +no /m);
    expect(stdout).toMatch(/^read\/1024 /m);
    expect(stdout).not.toContain('random/');
  });

  test.each([
    [['--suite', 'nope'], 'there is no suite nope'],
    [['--only', 'nope'], 'no contest has "nope" in its name'],
    [['--rounds', '0'], 'Expected a whole number from 1'],
    [['--json', '/nonexistent/x.json'], 'There is no directory /nonexistent'],
    [['--directory', '/nonexistent'], 'There is no such directory'],
    [['--nope'], "unknown option '--nope'"],
    [['nope'], 'error: '],
  ])('%j is a usage error', async (args, message) => {
    const { exitCode, stdout, stderr } = await runProgram(RUN, args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('--json holds cells, goals and the host; the directory is empty again', async () => {
    const directory = await temporaryDirectory();
    const data = await temporaryDirectory();
    const json = join(directory, 'report.json');
    const html = join(directory, 'report.html');
    const args = [...SMALL, '--json', json, '--html', html, '--directory', data];
    const { exitCode, stdout } = await runProgram(RUN, args);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^micro\/index-search: /m);
    expect(stdout).toMatch(/^node +\d+\.\d+/m);
    expect(await readdir(data)).toEqual([]);
    const report = parseReport(await readFile(json, 'utf8'));
    expect(report).toMatchObject({ format: 'varve-bench-1', isQuick: false, goals: [] });
    expect(report.host).toMatchObject({ node: process.versions.node, v8: process.versions.v8 });
    expect(report.cells).toHaveLength(1);
    const [cell] = report.cells;
    expect(cell).toMatchObject({ id: 'micro/index-search/ns', suite: 'micro', unit: 'ns' });
    expect(cell?.runs).toHaveLength(1);
    expect(cell?.median).toBeGreaterThan(0);
    expect(await readFile(html, 'utf8')).toContain('micro/index-search');
    const compared = await runProgram(RUN, ['compare', json, json]);
    expect(compared).toMatchObject({ exitCode: 0, stderr: '' });
    expect(compared.stdout).toContain('micro/index-search');
  });

  test('compare refuses what is no report', async () => {
    const { exitCode, stderr } = await runProgram(RUN, ['compare', 'package.json', 'package.json']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('error: package.json: no bench report');
  });

  test('--quick leaves out what no goal needs, with the reason', async () => {
    const directory = await temporaryDirectory();
    const json = join(directory, 'report.json');
    const args = ['--only', 'keys-os', '--quick', '--json', json, '--directory', directory];
    const { exitCode } = await runProgram(RUN, args);
    expect(exitCode).toBe(0);
    const { cells, isQuick } = parseReport(await readFile(json, 'utf8'));
    expect(isQuick).toBe(true);
    expect(cells.map(({ median, runs, reason }) => ({ median, runs, reason }))).toEqual(
      Array.from({ length: 3 }, () => ({
        median: null,
        runs: [],
        reason: 'call shapes without a goal: full runs only',
      })),
    );
  });

  test('Ctrl-C removes everything and exits 130', async () => {
    const directory = await temporaryDirectory();
    const args = ['--only', 'append/sync-100', '--directory', directory];
    const child = startProgram(RUN, args);
    const closed = once(child, 'exit');
    await once(child.stderr ?? child, 'data'); // The first contest begins.
    child.kill('SIGINT');
    child.kill('SIGINT'); // npm passes on what the terminal sends anyway.
    expect(await closed).toEqual([130, null]);
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('varve bench', () => {
  test('--json prints one document, and leaves nothing behind', async () => {
    const directory = await temporaryDirectory();
    const { exitCode, stdout } = await runProgram(CLI, ['bench', directory, ...SMALL, '--json']);
    expect(exitCode).toBe(0);
    expect(parseReport(stdout)).toMatchObject({
      format: 'varve-bench-1',
      cells: [{ id: 'micro/index-search/ns' }],
    });
    expect(await readdir(directory)).toEqual([]);
  });

  test('prints tables, and says on stderr what it does', async () => {
    const directory = await temporaryDirectory();
    const { stdout, stderr } = await runProgram(CLI, ['bench', directory, ...SMALL]);
    expect(stdout).toMatch(/^micro\/index-search: .*\n +median +min \.\. max\n/m);
    expect(stderr).toMatch(/^micro\/index-search \.\.\.\ntook /);
  });

  test.each([
    [['bench', '--suite', 'nope'], 2, 'error: there is no suite nope'],
    [['bench', '--rounds', 'many'], 2, 'Expected a whole number'],
    [['bench', '/nonexistent'], 3, 'error: there is no directory /nonexistent'],
  ])('%j: exit %i', async (args, expected, message) => {
    const { exitCode, stdout, stderr } = await runProgram(CLI, args);
    expect({ exitCode, stdout }).toEqual({ exitCode: expected, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('--list shows what works from an installed package', async () => {
    const { exitCode, stdout } = await runProgram(CLI, ['bench', '--list']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^append\/os-100 /m);
    expect(stdout).not.toMatch(/^peers\//m);
  });
});
