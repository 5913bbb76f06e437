/**
 * Headers by which a record says where it was before: as a dead letter, or until it was driven back.
 */
import { CAUSE_HEADER, DEATH_HEADERS, ROUTING_KEY_HEADER } from './header-names.ts';

/** A record of some topic. */
export interface SourcePlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

const PLACE = /^(?<topic>.+)\/(?<partition>\d+)\/(?<offset>\d+)$/su;

const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true }); // A mark is part of a name.

/** The value of `CAUSE_HEADER`. A name may have a `/` of its own: the numbers are found from the end. */
export function causeText({ topic, partition, offset }: SourcePlace): string {
  return `${topic}/${partition}/${offset}`;
}

/** Where a redriven record was before; null when it was not redriven, or the header is somebody else's. */
export function redrivenFrom(headers: ReadonlyMap<string, Uint8Array>): SourcePlace | null {
  const text = headers.get(CAUSE_HEADER);
  if (text === undefined) return null;
  const { topic, partition, offset } = PLACE.exec(textDecoder.decode(text))?.groups ?? {};
  if (topic === undefined) return null;
  const place = { topic, partition: Number(partition), offset: Number(offset) };
  return Number.isSafeInteger(place.partition) && Number.isSafeInteger(place.offset) ? place : null;
}

/** Where a dead letter died; null when it is none. A number that is none counts as 0. */
export function diedAt(headers: ReadonlyMap<string, Uint8Array>): SourcePlace | null {
  const topic = headers.get(DEATH_HEADERS.topic);
  if (topic === undefined) return null;
  const partition = numberOf(headers.get(DEATH_HEADERS.partition));
  const offset = numberOf(headers.get(DEATH_HEADERS.offset));
  return { topic: textDecoder.decode(topic), partition, offset };
}

/** The routing key that a record came under: its first header. Null = it came under none. */
export function routingKeyIn(headers: ReadonlyMap<string, Uint8Array>): string | null {
  for (const [name, key] of headers) {
    return name === ROUTING_KEY_HEADER ? textDecoder.decode(key) : null;
  }
  return null;
}

function numberOf(bytes: Uint8Array | undefined): number {
  const value = bytes === undefined ? Number.NaN : Number(textDecoder.decode(bytes));
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}
