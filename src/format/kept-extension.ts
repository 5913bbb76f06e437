/**
 * What a batch says of its records, when only some of them are kept.
 *
 * What stands there for each record stays with those that stay. `produced` goes, and so do the fields of the
 * header that go with it: which sequences came is noted elsewhere before a record of a producer goes. Fields
 * that this version does not know stay as they are.
 */
import { encodeFingerprints, fingerprintsIn } from './fingerprints-extension.ts';
import { extensionError, fieldsIn, type ExtendedBatch } from './extension.ts';
import { ExtensionType } from './layout.ts';
import { encodeOffsets } from './offsets-extension.ts';
import { ProjectedExtension, sourcesIn } from './projected-extension.ts';

/** The records that stay, in order. */
export interface KeptNumbers {
  /** How many records of the batch stood before each. */
  readonly numbers: readonly number[];
  /** Offsets less the base offset of the batch. */
  readonly deltas: readonly number[];
}

/** Makes the extension blocks of one batch after the other. */
export class KeptExtension {
  readonly #projected = new ProjectedExtension();

  /**
   * The block of the batch when it holds no other records; may be empty.
   *
   * @throws CorruptLogError when the batch contradicts itself
   */
  encode(batch: ExtendedBatch, kept: KeptNumbers): Uint8Array {
    const fields: Uint8Array[] = [];
    for (const { type, bytes } of fieldsIn(batch)) {
      if (type === ExtensionType.projected) fields.push(this.#projectedOf(batch, bytes, kept));
      else if (type === ExtensionType.fingerprints) fields.push(...fingerprintsOf(batch, kept));
      else if (!REMADE.has(type)) fields.push(bytes);
    }
    return joined(fields);
  }

  /** @param bytes  the field */
  #projectedOf(batch: ExtendedBatch, bytes: Uint8Array, { numbers }: KeptNumbers): Uint8Array {
    const sources = sourcesIn(bytes);
    if (sources === null) throw extensionError(batch, 'it is cut short');
    this.#projected.clear();
    for (const number of numbers) {
      const offset = sources.at(number);
      if (offset === null) throw extensionError(batch, `record ${number} has no source`);
      this.#projected.add(offset);
    }
    return this.#projected.encode(sources).slice();
  }
}

/** They are made with others, or go. */
const REMADE: ReadonlySet<number> = new Set([ExtensionType.produced, ExtensionType.offsets]);

function fingerprintsOf(batch: ExtendedBatch, { numbers, deltas }: KeptNumbers): Uint8Array[] {
  const all = fingerprintsIn(batch);
  if (all === null) return [];
  const words = new Uint32Array(2 * numbers.length);
  for (const [at, number] of numbers.entries()) {
    words[2 * at] = all.high(number);
    words[2 * at + 1] = all.low(number);
  }
  const field = encodeFingerprints(words, 0, numbers.length);
  // Ascending, so no offset is missing when the last one is where it would be.
  const isDense = deltas.at(-1) === deltas.length - 1;
  return isDense ? [field] : [field, encodeOffsets(deltas)];
}

function joined(fields: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const field of fields) {
    bytes.set(field, at);
    at += field.length;
  }
  return bytes;
}
