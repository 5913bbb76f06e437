/** What the engine and transactions appended by themselves: dead letters, moved ones, results. */
import type { Store } from '../../../../../src/store/store.ts';
import { foundRecord, difference, recordIdOf, type FoundRecord } from '../../records.ts';
import type { Oracle } from '../../oracle.ts';
import type { QueueOracles, SentTransaction } from './queue-oracles.ts';
import {
  LETTERS_ID,
  LETTER_TOPIC,
  MOVED_TOPIC,
  QUEUE_GROUP,
  QUEUE_ID,
  QUEUE_TOPIC,
  RESULT_TOPIC,
} from './queue-topics.ts';
import type { Bounds } from './share-ledger.ts';

export interface SideRecords {
  readonly letters: readonly FoundRecord[];
  readonly moved: readonly FoundRecord[];
  readonly results: readonly FoundRecord[];
}

const OWN_HEADERS = 'varve-';

/** Reads all there is of them. */
export async function readSideTopics(store: Store): Promise<SideRecords> {
  const letters = await readTopic(store, LETTER_TOPIC);
  const moved = await readTopic(store, MOVED_TOPIC);
  const results = await readTopic(store, RESULT_TOPIC);
  return { letters, moved, results };
}

async function readTopic(store: Store, name: string): Promise<readonly FoundRecord[]> {
  if (!store.topics().some((topic) => topic.name === name)) return [];
  const topic = await store.topic(name, { create: false });
  const found: FoundRecord[] = [];
  for await (const record of topic.records()) found.push(foundRecord(record));
  return found;
}

/** What a result says: the number of its transaction. */
export function resultOf(id: number): Uint8Array {
  return Buffer.from(`t${id};`);
}

export interface SideContext {
  readonly oracles: QueueOracles;
  readonly logOracle: (topic: string, partition: number) => Oracle;
  /** Where the partitions of the queue end. */
  readonly queueEnds: Bounds;
  /** Nothing is left to be done: what is dead has its copy. */
  readonly isDrained: boolean;
}

/** Each is there exactly as often as it must be, and its record is in no other place. */
export function checkSideTopics(context: SideContext, found: SideRecords): void {
  checkLetters(context, found.letters);
  checkMoved(context.oracles, found);
  checkResults(context.oracles, found.results);
}

function checkLetters(
  { oracles, logOracle, queueEnds, isDrained }: SideContext,
  letters: readonly FoundRecord[],
): void {
  const { fault, formerDead } = oracles;
  const ledger = oracles.ledgers.get(QUEUE_ID);
  const ids = new Set<number>();
  for (const letter of letters) {
    const id = recordIdOf(letter) ?? -1;
    if (ids.has(id) && !formerDead.has(id)) fault('A8', `two dead letters of #${id}`);
    ids.add(id);
    const problem = problemOf(oracles, letter);
    if (problem !== null) fault('A8', `dead letter of #${id}: ${problem}`);
    if (formerDead.has(id)) continue; // Which group it died in is not told.
    const { partition, offset } = placeOf(letter);
    const isThis = logOracle(QUEUE_TOPIC, partition).expected(offset)?.id === id;
    if (ledger !== undefined && isThis) ledger.fate(partition, offset).found('dead');
    else if (!oracles.letters.has(id) && !oracles.sent.has(id)) fault('A8', `a letter of #${id}`);
  }
  for (const id of oracles.letters) if (!ids.has(id)) fault('A1', `dead letter of #${id} is gone`);
  for (const id of ids) oracles.letters.add(id);
  ledger?.each(queueEnds, (fate, partition, offset) => {
    const id = logOracle(QUEUE_TOPIC, partition).expected(offset)?.id;
    const isDue = isDrained || !fate.isCopiedLater;
    if (id !== undefined && !ids.has(id) && isDue && fate.may('dead')) fate.notFound('dead');
  });
}

/** The copy is the record, and says where it was. */
function problemOf({ sent }: QueueOracles, letter: FoundRecord): string | null {
  const record = sent.get(recordIdOf(letter) ?? -1);
  if (record === undefined) return 'nobody sent its record';
  const headers = letter.headers.filter(([name]) => !name.startsWith(OWN_HEADERS));
  const changed = difference(record, { ...letter, headers });
  if (changed !== null) return changed;
  const reason = headerOf(letter, 'reason');
  if (!['failures', 'lease-expired', 'crash', 'rejected'].includes(reason)) {
    return `died of ${reason}`;
  }
  const place = `${headerOf(letter, 'topic')}/${headerOf(letter, 'group')}`;
  if (place !== `${QUEUE_TOPIC}/${QUEUE_GROUP}`) return `it is of ${place}`;
  return Number(headerOf(letter, 'attempts')) >= 1 ? null : 'it was never tried';
}

function placeOf(letter: FoundRecord): { readonly partition: number; readonly offset: number } {
  return {
    partition: Number(headerOf(letter, 'partition')),
    offset: Number(headerOf(letter, 'offset')),
  };
}

function headerOf({ headers }: FoundRecord, name: string): string {
  const header = headers.find(([each]) => each === `${OWN_HEADERS}death-${name}`);
  return header === undefined ? '' : Buffer.from(header[1]).toString();
}

/** A letter is in one place: with the dead ones, or moved. */
function checkMoved(oracles: QueueOracles, { letters, moved }: SideRecords): void {
  const { fault, sent, formerDead } = oracles;
  const ledger = oracles.ledgers.get(LETTERS_ID);
  const ids = new Set<number>();
  for (const record of moved) {
    const id = recordIdOf(record) ?? -1;
    if (ids.has(id) && !formerDead.has(id)) fault('A8', `#${id} was moved twice`);
    ids.add(id);
    const original = sent.get(id);
    const headers = record.headers.filter(([name]) => !name.startsWith(OWN_HEADERS));
    const problem =
      original === undefined ? 'nobody sent it' : difference(original, { ...record, headers });
    if (problem !== null) fault('A8', `moved #${id}: ${problem}`);
    if (!oracles.letters.has(id)) fault('A8', `#${id} was moved, and never dead`);
  }
  for (const letter of letters) {
    const fate = ledger?.fate(0, letter.offset);
    if (formerDead.has(recordIdOf(letter) ?? -1)) continue;
    if (ids.has(recordIdOf(letter) ?? -1)) fate?.found('moved');
    else if (fate?.may('moved') === true) fate.notFound('moved');
  }
}

/** A result is there when, and only when, its record is acknowledged. */
function checkResults(
  { fault, transactions }: QueueOracles,
  results: readonly FoundRecord[],
): void {
  const ids = new Set<number>();
  for (const { value } of results) {
    const id = Number(/^t(\d+);$/.exec(Buffer.from(value ?? []).toString())?.[1] ?? -1);
    if (ids.has(id)) fault('A4', `transaction ${id} is there twice`);
    if (!transactions.has(id)) fault('A2', `nobody sent transaction ${id}`);
    ids.add(id);
  }
  for (const [id, sent] of transactions) {
    const isThere = ids.has(id);
    if (sent.status === 'answered' && !isThere) fault('A1', `transaction ${id} is gone`);
    if (sent.status === 'refused' && isThere) fault('A4', `transaction ${id} was refused`);
    if (sent.status === 'open') resolve(id, sent, isThere);
  }

  function resolve(id: number, sent: SentTransaction, isThere: boolean): void {
    const { fate, handedCount } = sent;
    sent.status = isThere ? 'answered' : 'refused';
    if (fate.handedCount === handedCount) {
      if (isThere) fate.found('acked');
      else fate.notFound('acked');
    } else if (isThere) fault('A7', `transaction ${id} is there, and was handed out again`);
  }
}
