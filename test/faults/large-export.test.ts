/** The largest record, in the form in which it is longest: five seconds, so not among the quick tests. */
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { openLog } from '../../src/index.ts';
import { RECORD_BYTES_LIMIT } from '../../src/core/limits.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('export and import: a record of 15 MiB whose every byte is an escape passes through', async () => {
  const directory = await temporaryDirectory();
  const [source, target] = [join(directory, 'source'), join(directory, 'target')];
  const log = await openLog(source, { recordBytesMax: RECORD_BYTES_LIMIT });
  await log.append({ value: Buffer.alloc(RECORD_BYTES_LIMIT - 100, 1) });
  await log.close();
  const { stdoutBytes } = await runCli(['export', source]);
  expect(await runCli(['import', target], { input: stdoutBytes })).toMatchObject({ exitCode: 0 });
  const again = await runCli(['export', target]);
  expect(again.stdoutBytes.equals(stdoutBytes)).toBe(true);
});
