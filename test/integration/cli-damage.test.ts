import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ExitCode } from '../../tools/exit-codes.ts';
import {
  contentsOf,
  FIRST_SEGMENT as FIRST,
  flipByte,
  linesOf,
  logOfSegments,
} from '../support/cli-logs.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/format/layout.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe('a sound log', () => {
  test('verify says so', async () => {
    const path = await logOfSegments();
    const { exitCode, stdout, stderr } = await runCli(['verify', path]);
    expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
    expect(stdout).toMatch(/^sound: \d+ segments, \d+ batches, 200 records, [\d.]+ KiB in /);
    const { stdout: json } = await runCli(['verify', path, '--json']);
    expect(JSON.parse(json)).toMatchObject({ isSound: true, recordCount: 200, damage: [] });
  });

  test('info shows segments, offsets and the checkpoint', async () => {
    const path = await logOfSegments();
    const { exitCode, stdout } = await runCli(['info', path]);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stdout).toMatch(/^offsets +0 to 199: 200 offsets, next 200$/m);
    expect(stdout).toMatch(/^checkpoint +synced below offset 200/m);
    expect(stdout).toMatch(/^quarantine +0 files, 0 B$/m);
    expect(stdout).toContain(FIRST);
    const { stdout: json } = await runCli(['info', path, '--json']);
    const names = (await readdir(path)).filter((name) => name.endsWith('.log'));
    expect(JSON.parse(json)).toMatchObject({
      startOffset: 0,
      endOffset: 200,
      segmentCount: names.length,
      checkpoint: { syncedOffset: 200 },
      damage: null,
    });
  });

  test('dump prints a line for each batch, and records when asked to', async () => {
    const path = await logOfSegments();
    const { exitCode, stdout } = await runCli(['dump', path]);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stdout).toMatch(new RegExp(`^${FIRST} {2}.*base offset 0, epoch`, 'm'));
    expect(stdout).toMatch(/^ {7}128 {2}data {5}offsets 0 to \d+ +records \d+ {2}bytes \d+/m);
    expect(stdout).toMatch(/ index {4}no offsets /);
    expect(stdout).not.toContain('value 0 ');
    const { stdout: withRecords } = await runCli(['dump', path, '--records']);
    expect(
      withRecords.match(/^ {12}\d+ {2}1970-01-01T.* {2}key "key \d" {2}value "value/gm),
    ).toHaveLength(200);
  });

  test('dump as JSON holds the same events in one document and in lines', async () => {
    const path = await logOfSegments();
    const { stdout } = await runCli(['dump', path, '--json', '--records']);
    const { stdout: lines } = await runCli(['dump', path, '--ndjson', '--records']);
    const document = JSON.parse(stdout) as { path: string; events: unknown[] };
    expect(document).toEqual({ path, events: linesOf(lines) });
    expect(document.events[0]).toMatchObject({
      type: 'segment-header',
      file: FIRST,
      baseOffset: 0,
    });
    expect(document.events[1]).toMatchObject({
      type: 'batch',
      kind: 'data',
      position: SEGMENT_HEADER_BYTES,
      records: expect.arrayContaining([
        expect.objectContaining({ offset: 0, key: 'key 0' }),
      ]) as unknown,
    });
  });

  test('dump reads a single segment that was copied away', async () => {
    const path = await logOfSegments();
    const copy = join(await temporaryDirectory(), 'copied.segment');
    await copyFile(join(path, FIRST), copy);
    const { exitCode, stdout } = await runCli(['dump', copy, '--ndjson']);
    expect(exitCode).toBe(ExitCode.ok);
    expect(linesOf(stdout)[1]).toMatchObject({ file: 'copied.segment', baseOffset: 0 });
  });

  test('no verb that reads writes anything', async () => {
    const path = await logOfSegments();
    const before = await contentsOf(path);
    for (const verb of ['cat', 'dump', 'info', 'verify']) {
      expect((await runCli([verb, path])).exitCode).toBe(ExitCode.ok);
    }
    expect(await contentsOf(path)).toEqual(before);
  });
});

describe('a flipped byte in a sealed segment', () => {
  const flipAt = SEGMENT_HEADER_BYTES + 200;

  async function damagedLog(): Promise<string> {
    const path = await logOfSegments();
    await flipByte(join(path, FIRST), flipAt);
    return path;
  }

  test('verify exits 4 and names file, byte, offsets and checksums, in every form', async () => {
    const path = await damagedLog();
    const { exitCode, stdout } = await runCli(['verify', path]);
    expect(exitCode).toBe(ExitCode.corrupt);
    expect(stdout).toMatch(
      new RegExp(
        `^damaged ${FIRST} byte 128: batch, offsets 0 to \\d+: crc stored=0x\\w+ computed=0x\\w+$`,
        'm',
      ),
    );
    expect(stdout).toMatch(/^1 damaged place: /m);
    const { stdout: json, exitCode: jsonCode } = await runCli(['verify', path, '--json']);
    expect(jsonCode).toBe(ExitCode.corrupt);
    const finding = { file: join(path, FIRST), position: 128, kind: 'batch', firstOffset: 0 };
    expect(JSON.parse(json)).toMatchObject({ isSound: false, damage: [finding] });
    const { stdout: lines } = await runCli(['verify', path, '--ndjson']);
    expect(linesOf(lines)).toContainEqual(expect.objectContaining({ type: 'damage', ...finding }));
    expect(linesOf(lines).at(-1)).toMatchObject({ type: 'summary', damageCount: 1 });
  });

  test('cat stops there with 4; skipping prints the rest and still says 4', async () => {
    const path = await damagedLog();
    const failed = await runCli(['cat', path, '--format', String.raw`%o\n`]);
    expect(failed).toMatchObject({ exitCode: ExitCode.corrupt, stdout: '' });
    expect(failed.stderr).toMatch(
      /^error: damaged batch at byte 128 of .*\nhint: nothing was changed/,
    );
    const skipped = await runCli([
      'cat',
      path,
      '--format',
      String.raw`%o\n`,
      '--on-corruption',
      'skip',
    ]);
    expect(skipped.exitCode).toBe(ExitCode.corrupt);
    const gap = /^skipped offsets 0 to (\d+): damaged at byte 128 of /.exec(skipped.stderr);
    const offsets = skipped.stdout.trimEnd().split('\n').map(Number);
    const firstOffset = Number(gap?.[1]) + 1;
    expect(offsets).toEqual(
      Array.from({ length: 200 - firstOffset }, (_, index) => firstOffset + index),
    );
  });

  test('dump shows it and goes on behind it', async () => {
    const path = await damagedLog();
    const { exitCode, stdout } = await runCli(['dump', path, '--ndjson']);
    expect(exitCode).toBe(ExitCode.corrupt);
    const events = linesOf(stdout);
    expect(events[1]).toMatchObject({ type: 'damage', file: FIRST, position: 128, firstOffset: 0 });
    expect(events[2]).toMatchObject({ type: 'batch', file: FIRST });
  });

  test('payload bytes appear in no diagnostics', async () => {
    const path = await damagedLog();
    for (const verb of ['cat', 'dump', 'info', 'verify']) {
      const { stdout, stderr } = await runCli([verb, path]);
      expect(stdout).not.toContain('value ');
      expect(stderr).not.toContain('value ');
    }
  });
});

describe('damage in the synced tail', () => {
  async function logWithDamagedTail(): Promise<string> {
    const path = join(await temporaryDirectory(), 'log');
    await runCli(['append', path], { input: 'first\n' });
    const file = join(path, FIRST);
    const { size } = await stat(file);
    await runCli(['append', path], { input: 'second\n' });
    await flipByte(file, size + 120);
    return path;
  }

  test('cat and info exit 4, and info still shows what there is', async () => {
    const path = await logWithDamagedTail();
    expect(await runCli(['cat', path])).toMatchObject({ exitCode: ExitCode.corrupt, stdout: '' });
    const { exitCode, stdout } = await runCli(['info', path]);
    expect(exitCode).toBe(ExitCode.corrupt);
    expect(stdout).toMatch(/^offsets +0 to 1: 2 offsets, next 2$/m);
    expect(stdout).toMatch(
      /^damage +damaged batch at byte \d+ of .*offsets below 2 were synced, so this is no torn tail$/m,
    );
  });

  test('cat that skips prints the rest and says what it skipped', async () => {
    const path = await logWithDamagedTail();
    const { exitCode, stdout, stderr } = await runCli(['cat', path, '--on-corruption', 'skip']);
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.corrupt, stdout: 'first\n' });
    expect(stderr).toMatch(/^skipped offsets 1 to 1: damaged at byte /);
  });

  test('tail that follows prints what is readable, then says that it cannot follow, exit 4', async () => {
    const path = await logWithDamagedTail();
    const args = ['tail', path, '--follow', '--on-corruption', 'skip'];
    const { exitCode, stdout, stderr } = await runCli(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.corrupt, stdout: 'first\n' });
    expect(stderr).toMatch(/^error: a log with a damaged tail cannot be followed: /m);
  });

  test('append refuses with 4 and changes nothing', async () => {
    const path = await logWithDamagedTail();
    const before = await readFile(join(path, FIRST));
    const { exitCode, stderr } = await runCli(['append', path], { input: 'third\n' });
    expect(exitCode).toBe(ExitCode.corrupt);
    expect(stderr).toContain('varve verify <dir> lists all damage');
    expect(await readFile(join(path, FIRST))).toEqual(before);
  });
});

test('info of a quarantine counts its files', async () => {
  const path = join(await temporaryDirectory(), 'log');
  await runCli(['append', path], { input: 'first\n' });
  const file = join(path, FIRST);
  await writeFile(file, Buffer.concat([await readFile(file), Buffer.from('a torn tail')]));
  await runCli(['append', path], { input: '' });
  const { stdout } = await runCli(['info', path]);
  expect(stdout).toMatch(/^quarantine +1 file, 11 B$/m);
});
