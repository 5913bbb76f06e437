/** What only a process shows of export and import: Ctrl-C in the middle, and a pipe between them. */
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { ExitCode } from '../../tools/exit-codes.ts';
import { distPath, runCli, runProgram, startProgram } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const cliPath = distPath('tools', 'cli.js');
/** More than one group of an import, so that some of it is stored before the input ends. */
const RECORD_COUNT = 30_000;

async function exported(): Promise<{ source: string; bytes: Buffer }> {
  const source = join(await temporaryDirectory(), 'source');
  const input = Array.from({ length: RECORD_COUNT }, (_, n) => `value ${n}\n`).join('');
  await runCli(['append', source], { input });
  return { source, bytes: (await runCli(['export', source])).stdoutBytes };
}

test('Ctrl-C ends an import with 130, names how to go on, and --resume ends the same', async () => {
  const { bytes } = await exported();
  const target = join(await temporaryDirectory(), 'target');
  const child = startProgram(cliPath, ['import', target]);
  const { stdin, stderr } = child;
  if (stdin === null || stderr === null) throw new Error('expected pipes');
  const said = text(stderr);
  const closed = once(child, 'close');
  stdin.on('error', () => {}); // The pipe breaks when the import stops.
  stdin.write(bytes.subarray(0, Math.floor(bytes.length * 0.8)));
  await untilStored(target);
  child.kill('SIGINT');
  await closed;
  expect(child.exitCode).toBe(ExitCode.interrupted);
  expect(await said).toMatch(/interrupted; go on with the same input and --resume --at 0\n$/);

  const resumed = await runCli(['import', target, '--resume', '--at', '0', '--json'], {
    input: bytes,
  });
  expect(resumed.exitCode).toBe(ExitCode.ok);
  const { recordCount, alreadyThere } = JSON.parse(resumed.stdout) as Record<string, number>;
  expect(alreadyThere).toBeGreaterThan(0);
  expect((recordCount ?? 0) + (alreadyThere ?? 0)).toBe(RECORD_COUNT);
  const again = await runCli(['export', target]);
  expect(again.stdoutBytes.equals(bytes)).toBe(true);
});

test('export into a pipe that closes early: exit 0, nothing on stderr', async () => {
  const { source } = await exported();
  const child = startProgram(cliPath, ['export', source]);
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('expected pipes');
  const said = text(stderr);
  const closed = once(child, 'close');
  stdout.once('data', () => stdout.destroy());
  await closed;
  expect(child.exitCode).toBe(ExitCode.ok);
  expect(await said).toBe('');
});

/** Waits until the import acknowledged something. */
async function untilStored(path: string): Promise<void> {
  for (;;) {
    const { exitCode, stdout } = await runProgram(cliPath, ['info', path, '--json']);
    if (exitCode === ExitCode.ok) {
      const { endOffset } = JSON.parse(stdout) as { endOffset: number };
      if (endOffset > 0) return;
    }
  }
}
