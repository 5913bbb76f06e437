/** A process that has nothing to do but to wait for records: does it go on? Does it end after? */
import { describe, expect, test } from 'vitest';

import { distPath, runProgram } from '../support/run-cli.ts';

const program = distPath('test', 'support', 'waiting-program.js');
/** Node's own exit code for a top-level await that nothing can settle any more. */
const UNSETTLED = 13;

const WAITS = ['member', 'topic', 'partition', 'log', 'changes', 'reached'];

describe.each(WAITS)('a read of a %s that waits', (what) => {
  test('keeps its process alive, until it is over', async () => {
    const { stdout, exitCode, stderr } = await runProgram(program, [what]);
    expect({ stdout, exitCode, stderr }).toEqual({ stdout: '1\n', exitCode: 0, stderr: '' });
  });

  test('lets it end with keepsAlive false', async () => {
    const { stdout, exitCode } = await runProgram(program, [what, 'false']);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: UNSETTLED });
  });
});
