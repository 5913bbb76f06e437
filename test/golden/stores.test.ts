/**
 * Stores as earlier versions left them, made by their code and committed for good: each opens, has all
 * that it had, and the defaults of what is newer. Files by path, gzip, base64; LOCK and `reserve` left out.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

import { openStore } from '../../src/index.ts';
import { KEEPING_DEFAULTS } from '../support/keeping-defaults.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

type StoredFiles = Readonly<Record<string, string>>;

async function unpacked(file: string, name: string): Promise<string> {
  const path = `${await temporaryDirectory()}/store`;
  const stored = readFileSync(join(import.meta.dirname, 'stores', file), 'utf8');
  const { [name]: files = {} } = JSON.parse(stored) as Readonly<Record<string, StoredFiles>>;
  for (const [at, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, at)), { recursive: true });
    writeFileSync(join(path, at), gunzipSync(Buffer.from(content, 'base64')));
  }
  return path;
}

test.each([
  ['entries of versions 2', 'entries'],
  ['a snapshot', 'snapshot'],
])('a store of before compaction, with %s, opens with its defaults', async (_, name) => {
  const path = await unpacked('before-compaction.json', name);
  const store = await openStore(path);
  expect(store.damage).toBeNull();
  const names = store.topics().map((topic) => topic.name);
  expect(names).toEqual(['email', 'exchange:news', 'orders', 'plain']);
  for (const topic of names)
    expect(store.describeTopic(topic).options).toMatchObject(KEEPING_DEFAULTS);
  expect(store.describeTopic('orders')).toMatchObject({
    partitionCount: 2,
    options: {
      segmentBytesMax: 65_536,
      retentionMs: 604_800_000,
      compression: 'gzip',
      compressionLevel: 6,
      dedupBy: 'content',
      dedupScope: 'key',
    },
  });
  expect(store.describeTopic('email').options.dedupWindowMs).toBe('settled');
  expect(store.describeTopic('plain').options.retentionBytes).toBe(1_000_000);
  expect(store.queues().map((queue) => queue.topic)).toEqual(['email']);
  const orders = await store.topic('orders');
  const values: string[] = [];
  for await (const record of orders.records()) {
    values.push(Buffer.from(record.value ?? []).toString());
  }
  expect(values).toEqual(['one']);

  const altered = await store.alterTopic('plain', { compaction: 'key', compactionShareMin: 0.1 });
  await store.close();
  const again = await openStore(path);
  expect(again.describeTopic('plain')).toEqual(altered);
  expect(again.describeTopic('orders').options).toMatchObject(KEEPING_DEFAULTS);
  await again.close();
});
