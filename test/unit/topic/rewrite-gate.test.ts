/** When segments of a partition may be rewritten. */
import { expect, test } from 'vitest';

import { onAbort } from '../../../src/core/abort.ts';
import { ConflictError } from '../../../src/core/errors.ts';
import { RewriteGate } from '../../../src/topic/rewrite-gate.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';
import { watched } from '../../support/watched.ts';

/** Goes on until it is ended, and then for as long as it takes to put things in order. */
function longWork() {
  let tidy: () => void = () => undefined;
  const ending = new AbortController();
  const work = () =>
    new Promise<void>((_resolve, reject) => {
      onAbort(ending.signal, () => {
        tidy = () => reject(new Error('ended'));
      });
    });
  return { ending, work, tidy: () => tidy() };
}

test('who shuts it ends what goes on, and waits for that', async () => {
  const gate = new RewriteGate('t/0');
  const { ending, work, tidy } = longWork();
  const running = rejectionOf(gate.run(ending, work));
  const shut = watched(gate.shut());
  await turns(5);
  expect(ending.signal.reason).toBeInstanceOf(ConflictError);
  expect(shut.value).toBeNull();
  tidy();
  expect(await running).toMatchObject({ message: 'ended' });
  await turns(5);
  expect(shut.value).toBeInstanceOf(Function);
});

test('nobody gets in while it is shut, by whomever', async () => {
  const gate = new RewriteGate('t/0');
  const [one, other] = [await gate.shut(), await gate.shut()];
  for (const open of [one, other]) {
    const refused = await rejectionOf(gate.run(new AbortController(), async () => 'in'));
    expect(refused).toBeInstanceOf(ConflictError);
    expect(refused).toMatchObject({ message: expect.stringContaining('partition t/0') });
    expect(gate.isShut).toBe(true);
    open();
  }
  expect(gate.isShut).toBe(false);
  expect(await gate.run(new AbortController(), async () => 'in')).toBe('in');
});
