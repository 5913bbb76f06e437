import { chmod, cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openLog } from '../../src/index.ts';
import { SEGMENT_HEADER_BYTES, SEGMENT_OWNER_ID_AT } from '../../src/format/layout.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { contentsOf, flipByte, linesOf, logOfSegments } from '../support/cli-logs.ts';
import { reseal, writeField } from '../support/faults/forged-fields.ts';
import { plantOwner } from '../support/lock-records.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const RECORD_COUNT = 200;

async function segmentFiles(path: string): Promise<string[]> {
  const names = (await readdir(path)).filter((name) => name.endsWith('.log')).toSorted();
  return names.map((name) => join(path, name));
}

/** Damage in two sealed segments and in the last one: all of it synced. */
async function damagedLog(): Promise<string> {
  const path = await logOfSegments();
  const files = await segmentFiles(path);
  const [first = '', second = ''] = files;
  await flipByte(first, SEGMENT_HEADER_BYTES + 200);
  await flipByte(second, SEGMENT_HEADER_BYTES + 200);
  const last = files.at(-1) ?? '';
  await flipByte(last, SEGMENT_HEADER_BYTES + 150);
  return path;
}

async function offsetsAndValues(path: string): Promise<Map<number, string>> {
  const log = await openLog(path, { readOnly: true });
  const found = new Map<number, string>();
  for await (const { offset, value } of log.records()) {
    found.set(offset, Buffer.from(value ?? []).toString('utf8'));
  }
  await log.close();
  return found;
}

interface Outcome {
  readonly gaps: readonly {
    readonly firstOffset: number;
    readonly nextOffset: number;
    readonly lost: 'now' | 'before';
  }[];
  readonly lostOffsetCount: number;
  readonly lostBeforeOffsetCount: number;
  readonly damage: readonly { readonly file: string; readonly position: number }[];
  readonly quarantined: readonly { readonly path: string; readonly sizeBytes: number }[];
}

function lostIn({ gaps }: Outcome): Set<number> {
  const lost = new Set<number>();
  for (const { firstOffset, nextOffset } of gaps) {
    for (let offset = firstOffset; offset < nextOffset; offset++) lost.add(offset);
  }
  return lost;
}

describe('repair without --yes', () => {
  test('a sound log: exit 0, nothing to repair', async () => {
    const path = await logOfSegments();
    const before = await contentsOf(path);
    const { exitCode, stdout } = await runCli(['repair', path]);
    expect({ exitCode, stdout }).toEqual({
      exitCode: ExitCode.ok,
      stdout: 'nothing to repair: 200 offsets, all readable\n',
    });
    expect(await contentsOf(path)).toEqual(before);
  });

  test('a damaged one: exit 4; says what is damaged, lost and kept, and changes nothing', async () => {
    const path = await damagedLog();
    const before = await contentsOf(path);
    const { exitCode, stdout } = await runCli(['repair', path]);
    expect(exitCode).toBe(ExitCode.corrupt);
    expect(
      stdout.match(/^damaged \d{20}\.log byte 128: batch, offsets \d+ to \d+: crc/gm),
    ).toHaveLength(3);
    expect(
      stdout.match(/^lost {4}offsets \d+ to \d+ \(\d+ offsets\), at byte 128 of \d{20}\.log$/gm),
    ).toHaveLength(3);
    expect(
      stdout.match(/^would keep quarantine\/\d{20}\.log@128-[0-9a-f]{8}\.cut, /gm),
    ).toHaveLength(3);
    expect(stdout).toMatch(
      /^\d+ of 200 offsets would be lost; nothing was changed, --yes repairs$/m,
    );
    expect(await contentsOf(path)).toEqual(before);
  });

  test('a torn tail is no damage: exit 0, and its bytes are named', async () => {
    const path = await logOfSegments();
    const last = (await segmentFiles(path)).at(-1) ?? '';
    await writeFile(last, Buffer.concat([await readFile(last), Buffer.from('torn')]));
    const { exitCode, stdout } = await runCli(['repair', path]);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stdout).toMatch(/^cut {5}4 B of a torn tail, never acknowledged as synced$/m);
  });
});

describe('repair --yes', () => {
  test('ends with exactly the gaps of the dry run, and every other record in its place', async () => {
    const path = await damagedLog();
    const sound = await offsetsAndValues(await logOfSegments());
    const gapsFile = join(await temporaryDirectory(), 'gaps.ndjson');
    const dry = JSON.parse((await runCli(['repair', path, '--json'])).stdout) as Outcome;
    const done = await runCli(['repair', path, '--yes', '--json', '--gaps', gapsFile]);
    expect(done.exitCode).toBe(ExitCode.ok);
    const outcome = JSON.parse(done.stdout) as Outcome;
    expect(outcome).toEqual({ ...dry, isDryRun: false });

    const lost = lostIn(outcome);
    expect(outcome.lostOffsetCount).toBe(lost.size);
    expect(linesOf(await readFile(gapsFile, 'utf8'))).toEqual(outcome.gaps);
    for (const { path: kept, sizeBytes } of outcome.quarantined) {
      expect((await stat(kept)).size).toBe(sizeBytes);
    }
    expect((await runCli(['verify', path])).exitCode).toBe(ExitCode.ok);
    const expected = [...sound].filter(([offset]) => !lost.has(offset));
    expect([...(await offsetsAndValues(path))]).toEqual(expected);
    expect(expected.length).toBeGreaterThan(RECORD_COUNT / 2);
  });

  test('says so in words; the log takes appends again, and a second run finds nothing', async () => {
    const path = await damagedLog();
    expect((await runCli(['append', path], { input: 'x\n' })).exitCode).toBe(ExitCode.corrupt);
    const { stdout } = await runCli(['repair', path, '--yes']);
    expect(stdout).toMatch(/^repaired: \d+ of 200 offsets lost; .* is whole again$/m);
    expect((await runCli(['append', path], { input: 'x\n' })).exitCode).toBe(ExitCode.ok);
    expect((await offsetsAndValues(path)).get(RECORD_COUNT)).toBe('x');
    const again = await runCli(['repair', path, '--yes']);
    expect(again.stdout).toMatch(
      /^(?:gap {5}offsets \d+ to \d+ \(\d+ offsets\), at byte 128 of \d{20}\.log, lost before\n){3}nothing to repair: 201 offsets, \d+ were lost before\n$/,
    );
  });

  test('a second run lists the gaps of the first, in the file too, and so does verify', async () => {
    const path = await damagedLog();
    const list = join(await temporaryDirectory(), 'gaps.ndjson');
    const args = ['repair', path, '--yes', '--json', '--gaps', list];
    const first = JSON.parse((await runCli(args)).stdout) as Outcome;
    expect(first.lostOffsetCount).toBeGreaterThan(0);
    const again = JSON.parse((await runCli(args)).stdout) as Outcome;
    expect(again).toMatchObject({
      lostOffsetCount: 0,
      lostBeforeOffsetCount: first.lostOffsetCount,
      gaps: first.gaps.map((gap) => ({ ...gap, lost: 'before' })),
    });
    expect(linesOf(await readFile(list, 'utf8'))).toEqual(again.gaps);
    expect((await runCli(['verify', path])).stdout).toMatch(
      new RegExp(`^sound: .*, 3 gaps of ${first.lostOffsetCount} offsets in `, 'm'),
    );
    const verified = JSON.parse((await runCli(['verify', path, '--json'])).stdout) as object;
    expect(verified).toMatchObject({ gapCount: 3, gapOffsetCount: first.lostOffsetCount });
  });

  test('--gaps where no file can be: exit 2 naming the path, before anything is changed', async () => {
    const path = await damagedLog();
    const before = await contentsOf(path);
    const directory = await temporaryDirectory();
    for (const list of [directory, join(directory, 'missing', 'gaps.ndjson'), '/dev/null']) {
      const { exitCode, stdout, stderr } = await runCli(['repair', path, '--yes', '--gaps', list]);
      expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.usage, stdout: '' });
      expect(stderr).toContain(`cannot write ${list}: `);
      expect(stderr).not.toContain('.tmp-');
    }
    expect(await contentsOf(path)).toEqual(before);
    expect(await readdir(directory)).toEqual([]);
  });

  test('--to of a sound log says that it was copied', async () => {
    const target = join(await temporaryDirectory(), 'copy');
    const { stdout } = await runCli(['repair', await logOfSegments(), '--to', target, '--yes']);
    expect(stdout).toBe(`nothing to repair: 200 offsets, all readable; copied to ${target}\n`);
    expect((await runCli(['verify', target])).exitCode).toBe(ExitCode.ok);
  });

  test('--to repairs a copy, and only reads the log', async () => {
    const path = await damagedLog();
    const before = await contentsOf(path);
    for (const name of await readdir(path)) await chmod(join(path, name), 0o400);
    const target = join(await temporaryDirectory(), 'deep', 'copy');
    const dry = await runCli(['repair', path, '--to', target]);
    expect(dry.exitCode).toBe(ExitCode.corrupt);
    const { exitCode, stdout } = await runCli(['repair', path, '--to', target, '--yes', '--json']);
    expect(exitCode).toBe(ExitCode.ok);
    const outcome = JSON.parse(stdout) as Outcome;
    for (const { path: kept } of outcome.quarantined) await stat(kept);
    for (const { file } of outcome.damage) await stat(file);
    expect(await contentsOf(path)).toEqual(before);
    expect((await runCli(['verify', target])).exitCode).toBe(ExitCode.ok);
    expect((await offsetsAndValues(target)).size).toBe(RECORD_COUNT - outcome.lostOffsetCount);
    expect(await readdir(join(target, '..'))).toEqual(['copy']);
    const again = await runCli(['repair', path, '--to', target, '--yes']);
    expect(again.exitCode).toBe(ExitCode.usage);
    expect(again.stderr).toContain('is there already');
  });
});

describe('repair --prune-quarantine', () => {
  test('lists without --yes, deletes with it, and leaves what is not ours', async () => {
    const path = await damagedLog();
    await runCli(['repair', path, '--yes']);
    const quarantine = join(path, 'quarantine');
    await writeFile(join(quarantine, 'notes.txt'), 'mine');
    const kept = await readdir(quarantine);
    const dry = await runCli(['repair', path, '--prune-quarantine']);
    expect(dry.exitCode).toBe(ExitCode.ok);
    expect(dry.stdout).toMatch(/^3 files, .*iB; nothing was changed, --yes deletes$/m);
    expect(await readdir(quarantine)).toEqual(kept);
    const { stdout } = await runCli(['repair', path, '--prune-quarantine', '--yes']);
    expect(stdout).toMatch(/^3 files, .*iB deleted$/m);
    expect(await readdir(quarantine)).toEqual(['notes.txt']);
    expect((await runCli(['verify', path])).exitCode).toBe(ExitCode.ok);
  });

  test('of a log that never had one: nothing to do', async () => {
    const { exitCode, stdout } = await runCli([
      'repair',
      await logOfSegments(),
      '--prune-quarantine',
    ]);
    expect({ exitCode, stdout }).toEqual({
      exitCode: ExitCode.ok,
      stdout: '0 files, 0 B; nothing was changed, --yes deletes\n',
    });
  });
});

describe('refused', () => {
  test('while a process writes: exit 5, dry run or not', async () => {
    const path = await logOfSegments();
    const log = await openLog(path);
    for (const args of [
      ['repair', path, '--yes'],
      ['repair', path, '--prune-quarantine', '--yes'],
    ]) {
      const { exitCode, stderr } = await runCli(args);
      expect(exitCode).toBe(ExitCode.locked);
      expect(stderr).toMatch(/^error: .* is locked by process \d+ on .*\nhint: /m);
    }
    await log.close();
  });

  test.each([
    ['append', ['append']],
    ['repair --yes', ['repair', '--yes']],
    ['import', ['import']],
  ])(
    '%s on a log that a store owns: exit 1 with a hint, nothing written',
    async (_name, [verb = '', ...flags]) => {
      const path = join(await temporaryDirectory(), 'log');
      await runCli(['append', path], { input: 'one\ntwo\n' });
      const exported = (await runCli(['export', path])).stdout;
      const [file = ''] = await segmentFiles(path);
      const bytes = await readFile(file);
      writeField(bytes, SEGMENT_OWNER_ID_AT, 8, 42n);
      reseal(bytes, { kind: 'segment header', at: 0, sizeBytes: SEGMENT_HEADER_BYTES });
      await writeFile(file, bytes);
      const before = await readFile(file);
      const { exitCode, stderr } = await runCli([verb, path, ...flags], { input: exported });
      expect(exitCode).toBe(ExitCode.failure);
      expect(stderr).toContain('stored owned by store 42');
      expect(stderr).toContain('hint: only the store that owns this log may write to it');
      expect(await readFile(file)).toEqual(before);
      expect((await runCli(['cat', path])).stdout).toBe('one\ntwo\n');
    },
  );

  test('a directory that cannot be repaired into: it says so before anything is copied', async () => {
    const path = await damagedLog();
    const target = join(await temporaryDirectory(), 'taken');
    await mkdir(target);
    await cp(path, target, { recursive: true });
    const { exitCode } = await runCli(['repair', path, '--to', target]);
    expect(exitCode).toBe(ExitCode.usage);
  });
});

test('beside an owner that nobody sees here, and whose clock is ahead, a dry run and a copy are refused', async () => {
  const path = await damagedLog();
  const heartbeatAtMs = Date.now() + 3_600_000;
  await plantOwner(path, { bootId: 'another', host: 'another', heartbeatAtMs });
  const to = join(await temporaryDirectory(), 'copy');
  for (const flags of [[], ['--to', to, '--yes']]) {
    const { exitCode, stderr } = await runCli(['repair', path, ...flags]);
    expect(exitCode).toBe(ExitCode.locked);
    expect(stderr).toContain('on another');
  }
});
