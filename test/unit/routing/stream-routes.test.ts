import { describe, expect, it } from 'vitest';
import { MemoryFileSystem, openLog } from '../../../src/index.ts';
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { recordsOf } from '../../../src/format/batch-records.ts';
import { routedHeaders } from '../../../src/format/routing-header.ts';
import { CommonRoutes } from '../../../src/routing/stream-routes.ts';
import {
  TopologyHistory,
  VersionedTopology,
  type TopologyChange,
} from '../../../src/routing/topology-history.ts';

const EXCHANGE = 7;

function bound(version: number, topicId: number, routingKey: string): TopologyChange[] {
  const target = { kind: 'topic', id: topicId } as const;
  const binding = { exchangeId: EXCHANGE, bindingId: topicId, target, routingKey, headers: null };
  return [
    { version, kind: 'destination-sized', topicId, partitionCount: version },
    { version, kind: 'binding-added', binding },
  ];
}

/** Version 2 binds topic 20, version 3 topic 30. */
function historyOf(): TopologyHistory {
  const exchange = {
    exchangeId: EXCHANGE,
    type: 'direct',
    alternateId: null,
    isInternal: false,
  } as const;
  return new TopologyHistory([
    { version: 1, kind: 'exchange-added', exchange },
    ...bound(2, 20, 'k'),
    ...bound(3, 30, 'k'),
  ]);
}

async function cursorAtRecord(): Promise<BatchCursor> {
  const log = await openLog('/log', { fileSystem: new MemoryFileSystem() });
  await log.append({ value: null, headers: routedHeaders('k', null) });
  const source = log.source({}, 'own');
  expect(await source.next()).toBe(true);
  const cursor = new BatchCursor();
  cursor.reset(recordsOf(source.kept));
  expect(cursor.next()).toBe(true);
  source.close();
  await log.close();
  return cursor;
}

describe('the routes of a stream', () => {
  it('stay those of the version when the store moves on, also within a batch', async () => {
    const cursor = await cursorAtRecord();
    const history = historyOf();
    const now = new VersionedTopology(history);
    now.advanceTo(2);
    const routes = new CommonRoutes(history, EXCHANGE, now);
    routes.advanceTo(2);
    expect(routes.topicsOf(cursor)).toEqual([20]);
    now.advanceTo(3);
    expect(routes.topicsOf(cursor)).toEqual([20]);
    expect(routes.partitionCountOf(20)).toBe(2);
    routes.advanceTo(3);
    expect(routes.topicsOf(cursor)).toEqual([20, 30]);
    routes.release();
    expect(routes.topicsOf(cursor)).toEqual([20, 30]);
    expect(routes.partitionCountOf(30)).toBe(3);
  });

  it('are those of the past where the store is far ahead', async () => {
    const cursor = await cursorAtRecord();
    const history = historyOf();
    const now = new VersionedTopology(history);
    now.advanceTo(3);
    const routes = new CommonRoutes(history, EXCHANGE, now);
    routes.advanceTo(1);
    expect(routes.topicsOf(cursor)).toEqual([]);
    routes.release(); // Of no effect: the store does not stand there.
    routes.advanceTo(2);
    expect(routes.topicsOf(cursor)).toEqual([20]);
    routes.advanceTo(3);
    routes.release();
    expect(routes.topicsOf(cursor)).toEqual([20, 30]);
  });

  it('lead nowhere when the exchange is not there', async () => {
    const cursor = await cursorAtRecord();
    const history = new TopologyHistory(historyOf().changes.slice(0, 3));
    history.add([{ version: 4, kind: 'exchange-removed', exchangeId: EXCHANGE }]);
    const routes = new CommonRoutes(history, EXCHANGE);
    routes.advanceTo(2);
    expect(routes.topicsOf(cursor)).toEqual([20]);
    routes.advanceTo(4);
    expect(routes.topicsOf(cursor)).toEqual([]);
  });
});
