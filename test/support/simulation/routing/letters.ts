/** Which record is which. The copy of a dead record is another one: it is published by its death. */
import { diedAt } from '../../../../src/format/cause-headers.ts';
import { DEATH_HEADERS, ROUTING_KEY_HEADER } from '../../../../src/format/header-names.ts';
import type { LogRecord } from '../../../../src/log/record.ts';
import { idOf } from './log-ledger.ts';
import type { Published } from './routing-oracle.ts';
import type { Fault } from './topology-timeline.ts';

/** Numbers of letters begin here: nobody else's come so far. */
const LETTERS_FROM = 1_000_000;

export class Letters {
  readonly #published: Map<number, Published>;
  readonly #fault: Fault;
  /** By the number of the record, and where and when it died. */
  readonly #ids = new Map<string, number>();

  constructor(published: Map<number, Published>, fault: Fault) {
    this.#published = published;
    this.#fault = fault;
  }

  /** The number of a record, of which there is no other in a source. */
  readonly identify = (record: LogRecord<Uint8Array>): number => {
    const number = idOf(record.value);
    const place = diedAt(record.headers);
    if (place === null) return number;
    const timeMs = textOf(record.headers.get(DEATH_HEADERS.timeMs));
    const death = JSON.stringify([number, place, timeMs]);
    const known = this.#ids.get(death);
    if (known !== undefined) return known;
    const id = LETTERS_FROM + this.#ids.size;
    this.#ids.set(death, id);
    this.#add(id, record, number);
    return id;
  };

  get count(): number {
    return this.#ids.size;
  }

  isLetter(id: number): boolean {
    return id >= LETTERS_FROM;
  }

  #add(id: number, { key, headers }: LogRecord<Uint8Array>, number: number): void {
    const routingKey = textOf(headers.get(ROUTING_KEY_HEADER)) ?? '';
    const others = [...headers].filter(([name]) => name !== ROUTING_KEY_HEADER);
    const own = Object.fromEntries(others.map(([name, bytes]) => [name, textOf(bytes) ?? '']));
    const keyText = key === null ? null : Buffer.from(key).toString();
    this.#published.set(id, { id, routingKey, key: keyText, headers: own });
    const first = this.#published.get(number);
    if (first === undefined || first.routingKey === routingKey) return;
    this.#fault('letter', `#${number} came under ${first.routingKey}, and died as ${routingKey}`);
  }
}

function textOf(bytes: Uint8Array | undefined): string | null {
  return bytes === undefined ? null : Buffer.from(bytes).toString();
}
