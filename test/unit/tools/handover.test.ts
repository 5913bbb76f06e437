/** What the command line asks of an owner that closes the store is done all the same, once. */
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';

import { openControlEndpoint } from '../../../src/io/control-endpoint.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { closingAnswer } from '../../../src/store/control-protocol.ts';
import { createTopic } from '../../../src/store/control-verbs.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { CommandContext } from '../../../tools/command.ts';
import { ExitCode } from '../../../tools/exit-codes.ts';
import { changeStore, Handover, NoOwnerError, type StoreDesk } from '../../../tools/store-desk.ts';
import { relayToStore } from '../../../tools/store-relay.ts';
import { workAtStore } from '../../../tools/work-desk.ts';
import { LockedError } from '../../../src/core/errors.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** More than somebody who hears nothing asks. */
const QUESTIONS = 8;

function newContext(): CommandContext {
  const stdin = new PassThrough();
  const streams = { stdin, stdout: new PassThrough(), stderr: new PassThrough(), env: {} };
  return new CommandContext(streams, { color: 'never' });
}

/** An owner that says so often that it closes the store, and then has. */
async function closingOwner(): Promise<{ path: string; count: () => number }> {
  const path = await temporaryDirectory();
  const store = await openStore(path);
  let count = 0;
  const answer = async (): Promise<string> => {
    count++;
    if (count === QUESTIONS) await store.close();
    return closingAnswer(store);
  };
  // It takes the place of the store's own.
  const endpoint = await openControlEndpoint(path, { answer, clock: new ManualClock() });
  onTestFinished(async () => {
    await endpoint.close();
    await store.close();
  });
  return { path, count: () => count };
}

async function topicNamesAt(path: string): Promise<string[]> {
  const store = await openStore(path, { readOnly: true });
  const names = store.topics().map(({ name }) => name);
  await store.close();
  return names;
}

function create(desk: StoreDesk): Promise<unknown> {
  return desk.ask(createTopic, { topic: 'new', partitions: 1, options: {} });
}

test.each([
  ['one change', changeStore],
  ['work in many steps', relayToStore],
  ['long work', workAtStore],
])('%s waits until the owner has closed it', async (_what, put) => {
  const { path, count } = await closingOwner();
  await put(newContext(), path, async (desk: StoreDesk) => {
    await create(desk);
  });
  expect(count()).toBe(QUESTIONS);
  expect(await topicNamesAt(path)).toEqual(['new']);
});

test('an owner that does not listen is not waited for', async () => {
  const handover = new Handover();
  const locked = new LockedError({ path: '/store', holder: null });
  await handover.wait(new NoOwnerError(), locked);
  await handover.wait(new NoOwnerError(), locked);
  const refused = handover.wait(new NoOwnerError(), locked);
  await expect(refused).rejects.toMatchObject({ exitCode: ExitCode.locked });
});

test('one that closes the store and does not listen any more is', async () => {
  const handover = new Handover();
  const locked = new LockedError({ path: '/store', holder: null });
  await handover.wait(new NoOwnerError(true), locked);
  for (let count = 0; count < QUESTIONS; count++) {
    await expect(handover.wait(new NoOwnerError(), locked)).resolves.toBeUndefined();
  }
});
