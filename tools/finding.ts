/** Damaged places, as `verify` and `repair` print them. */
import { basename } from 'node:path';
import type { CorruptLogDetails, LogGap } from '../src/index.ts';
import { escapeText } from './escape-text.ts';
import { formatPlural } from './units.ts';

/** A damaged place, as `--json` prints it; the keys are a documented contract. */
export interface Finding {
  readonly file: string;
  readonly position: number;
  readonly kind: string;
  readonly firstOffset: number | null;
  readonly nextOffset: number | null;
  readonly reason: string;
}

export function toFinding(details: CorruptLogDetails): Finding {
  const { file, position, kind, firstOffset, nextOffset, reason } = details;
  return { file, position, kind, firstOffset, nextOffset, reason };
}

/** `00000000000000000000.log byte 4096: batch, offsets 12 to 40: crc stored=... computed=...` */
export function findingLine(finding: Finding): string {
  const { file, position, kind, firstOffset, nextOffset, reason } = finding;
  const end = nextOffset === null ? 'unknown' : String(nextOffset - 1);
  const offsets = firstOffset === null ? 'offsets unknown' : `offsets ${firstOffset} to ${end}`;
  return `${escapeText(basename(file))} byte ${position}: ${kind}, ${offsets}: ${escapeText(reason)}`;
}

/** A range of lost offsets, as `--json` prints it; the keys are a documented contract. */
export interface LostRange {
  readonly firstOffset: number;
  /** First offset after the range. */
  readonly nextOffset: number;
  readonly offsetCount: number;
  readonly file: string;
  readonly position: number;
}

export function toLostRange({ firstOffset, nextOffset, file, position }: LogGap): LostRange {
  return { firstOffset, nextOffset, offsetCount: nextOffset - firstOffset, file, position };
}

/** Offsets in all of the ranges. */
export function countOffsets(gaps: readonly LogGap[]): number {
  return gaps.reduce((sum, { firstOffset, nextOffset }) => sum + nextOffset - firstOffset, 0);
}

/** `offsets 12 to 40 (29 offsets), at byte 4096 of 00000000000000000000.log` */
export function lostLine({
  firstOffset,
  nextOffset,
  offsetCount,
  file,
  position,
}: LostRange): string {
  const range = `offsets ${firstOffset} to ${nextOffset - 1} (${formatPlural(offsetCount, 'offset')})`;
  return `${range}, at byte ${position} of ${escapeText(basename(file))}`;
}
