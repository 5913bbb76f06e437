/**
 * A log under a limit of file size (`prlimit --fsize`), run from dist: appends until it is refused,
 * says so, waits for a byte on stdin (the limit was lifted), and appends again by the same handle.
 *
 *   node file-limit-writer.js <directory>
 */
import { writeSync } from 'node:fs';
import { once } from 'node:events';
import { bytes, openLog } from '../../src/index.ts';
import { isSubmitted, submittedAt } from './power/submitted.ts';

const SEED = 1;

const [, , directory = ''] = process.argv;
const log = await openLog(directory, { codec: bytes });

/** @returns the error of the first refused append, or null after `count` of them */
async function append(count: number): Promise<unknown> {
  for (let appended = 0; appended < count; appended++) {
    try {
      await log.append(submittedAt(SEED, log.endOffset));
    } catch (error) {
      return error;
    }
  }
  return null;
}

async function areAllThere(): Promise<boolean> {
  let expected = 0;
  for await (const record of log.records()) {
    if (record.offset !== expected || !isSubmitted(SEED, record)) return false;
    expected++;
  }
  return expected === log.endOffset;
}

function say(report: Readonly<Record<string, unknown>>): void {
  writeSync(1, `${JSON.stringify(report)}\n`);
}

const refusal = (await append(Number.POSITIVE_INFINITY)) as { readonly code?: unknown };
const { endOffset } = log;
say({ code: refusal.code, endOffset, areAllThere: await areAllThere() });
await once(process.stdin, 'data');
say({
  refusal: await append(20),
  added: log.endOffset - endOffset,
  areAllThere: await areAllThere(),
});
await log.close();
process.stdin.destroy();
