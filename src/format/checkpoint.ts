/**
 * A checkpoint slot: what the writer knew to be durable, and where the log starts.
 *
 * The checkpoint file holds two slots, 4096 bytes apart, written in turn; the valid one with the
 * higher sequence counts. It may only shorten a scan or raise an alarm: it is never evidence that
 * a record exists.
 */
import { assert } from '../core/assert.ts';
import { EPOCH_MAX, EPOCHS_KEPT } from '../core/limits.ts';
import { hex } from './batch-header.ts';
import { checksum } from './checksum.ts';
import {
  CHECKPOINT_CRC_AT,
  CHECKPOINT_EPOCHS_AT,
  CHECKPOINT_EPOCH_BYTES,
  CHECKPOINT_EPOCH_COUNT_AT,
  CHECKPOINT_FILE_BYTES,
  CHECKPOINT_HINT_POSITION_AT,
  CHECKPOINT_HINT_SEGMENT_AT,
  CHECKPOINT_LOG_ID_AT,
  CHECKPOINT_MAGIC,
  CHECKPOINT_MAGIC_AT,
  CHECKPOINT_SEQUENCE_AT,
  CHECKPOINT_SLOT_BYTES,
  CHECKPOINT_SLOT_DISTANCE,
  CHECKPOINT_START_OFFSET_AT,
  CHECKPOINT_SYNCED_OFFSET_AT,
  CHECKPOINT_VERSION_AT,
  CHECKPOINT_VISIBLE_OFFSET_AT,
  FORMAT_VERSION,
} from './layout.ts';
import { getU64, setU64, viewOf } from './u64.ts';

/** A log epoch and the offset at which it began: the end of the epoch before. */
export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

export interface Checkpoint {
  /** Grows with each write; the higher of two valid slots counts. */
  readonly sequence: number;
  readonly logId: number;
  /** Lowest readable offset. */
  readonly startOffset: number;
  /** Everything below was fdatasynced in its own file before this was written. */
  readonly syncedOffset: number;
  /** What readers could see. */
  readonly visibleOffset: number;
  /** Where `syncedOffset` stands: base offset of the segment, and position in it. */
  readonly hintSegment: number;
  readonly hintPosition: number;
  /** Oldest first, 1 to 16; the last is the current epoch. */
  readonly epochs: readonly EpochStart[];
}

/** Encodes one slot; into `bytes`, when there are some to be used again. */
export function encodeCheckpoint(
  checkpoint: Checkpoint,
  bytes: Uint8Array = new Uint8Array(CHECKPOINT_SLOT_BYTES),
): Uint8Array {
  const { epochs } = checkpoint;
  assert(epochs.length >= 1 && epochs.length <= EPOCHS_KEPT, 'a checkpoint has 1 to 16 epochs');
  const view = viewOf(bytes.fill(0));
  view.setUint32(CHECKPOINT_MAGIC_AT, CHECKPOINT_MAGIC, true);
  view.setUint16(CHECKPOINT_VERSION_AT, FORMAT_VERSION, true);
  view.setUint16(CHECKPOINT_EPOCH_COUNT_AT, epochs.length, true);
  view.setUint32(CHECKPOINT_HINT_POSITION_AT, checkpoint.hintPosition, true);
  setU64(view, CHECKPOINT_SEQUENCE_AT, checkpoint.sequence);
  setU64(view, CHECKPOINT_LOG_ID_AT, checkpoint.logId);
  setU64(view, CHECKPOINT_START_OFFSET_AT, checkpoint.startOffset);
  setU64(view, CHECKPOINT_SYNCED_OFFSET_AT, checkpoint.syncedOffset);
  setU64(view, CHECKPOINT_VISIBLE_OFFSET_AT, checkpoint.visibleOffset);
  setU64(view, CHECKPOINT_HINT_SEGMENT_AT, checkpoint.hintSegment);
  epochs.forEach(({ epoch, startOffset }, slot) => {
    const at = CHECKPOINT_EPOCHS_AT + slot * CHECKPOINT_EPOCH_BYTES;
    setU64(view, at, startOffset);
    view.setUint32(at + 8, epoch, true);
  });
  const crc = checksum(bytes, CHECKPOINT_MAGIC_AT, CHECKPOINT_SLOT_BYTES);
  view.setUint32(CHECKPOINT_CRC_AT, crc, true);
  return bytes;
}

export type ParsedSlot =
  | { readonly checkpoint: Checkpoint; readonly problem: null }
  | { readonly checkpoint: null; readonly problem: string; readonly version: number | null };

/** Decodes and checks the slot at `bytes[at]`. */
export function parseCheckpointSlot(bytes: Uint8Array, at: number): ParsedSlot {
  if (bytes.length < at + CHECKPOINT_SLOT_BYTES) return bad('the file ends before the slot does');
  const slot = bytes.subarray(at, at + CHECKPOINT_SLOT_BYTES);
  const view = viewOf(slot);
  const magic = view.getUint32(CHECKPOINT_MAGIC_AT, true);
  if (magic !== CHECKPOINT_MAGIC) {
    return bad(`magic is ${hex(magic)}, expected ${hex(CHECKPOINT_MAGIC)}`);
  }
  const stored = view.getUint32(CHECKPOINT_CRC_AT, true);
  const computed = checksum(slot, CHECKPOINT_MAGIC_AT, CHECKPOINT_SLOT_BYTES);
  if (stored !== computed) return bad(`crc stored=${hex(stored)} computed=${hex(computed)}`);
  const version = view.getUint16(CHECKPOINT_VERSION_AT, true);
  if (version !== FORMAT_VERSION) {
    return { checkpoint: null, problem: `format version is ${version}`, version };
  }
  const epochCount = view.getUint16(CHECKPOINT_EPOCH_COUNT_AT, true);
  if (epochCount < 1 || epochCount > EPOCHS_KEPT) return bad(`${epochCount} epochs`);
  const checkpoint = readSlot(view, epochCount);
  const problem = rangeProblem(checkpoint);
  return problem === null ? { checkpoint, problem } : bad(problem);
}

/** Why no writer makes such a slot; null when one does. `getU64` gives -1 beyond 2^53 - 1. */
function rangeProblem(checkpoint: Checkpoint): string | null {
  const { epochs, ...numbers } = checkpoint;
  for (const [name, value] of Object.entries(numbers)) {
    if (value < 0) return `${name} is beyond 2^53 - 1`;
  }
  if (checkpoint.logId === 0) return 'log id is 0';
  let last: EpochStart = { epoch: 0, startOffset: -1 };
  for (const pair of epochs) {
    const follows = pair.epoch > last.epoch && pair.startOffset > last.startOffset;
    if (!follows || pair.epoch > EPOCH_MAX) {
      return `epoch ${pair.epoch} at offset ${pair.startOffset} does not follow`;
    }
    last = pair;
  }
  return null;
}

function readSlot(view: DataView, epochCount: number): Checkpoint {
  const epochs = Array.from({ length: epochCount }, (_, slot) => {
    const at = CHECKPOINT_EPOCHS_AT + slot * CHECKPOINT_EPOCH_BYTES;
    return { startOffset: getU64(view, at), epoch: view.getUint32(at + 8, true) };
  });
  return {
    sequence: getU64(view, CHECKPOINT_SEQUENCE_AT),
    logId: getU64(view, CHECKPOINT_LOG_ID_AT),
    startOffset: getU64(view, CHECKPOINT_START_OFFSET_AT),
    syncedOffset: getU64(view, CHECKPOINT_SYNCED_OFFSET_AT),
    visibleOffset: getU64(view, CHECKPOINT_VISIBLE_OFFSET_AT),
    hintSegment: getU64(view, CHECKPOINT_HINT_SEGMENT_AT),
    hintPosition: view.getUint32(CHECKPOINT_HINT_POSITION_AT, true),
    epochs,
  };
}

function bad(problem: string): ParsedSlot {
  return { checkpoint: null, problem, version: null };
}

/** Where slot 0 or 1 stands in the checkpoint file. */
export function checkpointSlotPosition(slot: number): number {
  return slot * CHECKPOINT_SLOT_DISTANCE;
}

export interface ParsedCheckpointFile {
  /** The valid slot with the higher sequence; null when neither is valid. */
  readonly checkpoint: Checkpoint | null;
  /** Slot of `checkpoint`; the next write goes to the other. */
  readonly slot: number;
  /** What is wrong with the slots that are not valid; an all-zero slot was never written. */
  readonly problems: readonly string[];
  /** A version above ours in a slot with a right checksum; null when there is none. */
  readonly newerVersion: number | null;
}

/** Decodes a checkpoint file, of any length. */
export function parseCheckpointFile(bytes: Uint8Array): ParsedCheckpointFile {
  let newest: Checkpoint | null = null;
  let newestSlot = 1;
  let newerVersion: number | null = null;
  const problems: string[] = [];
  for (const slot of [0, 1]) {
    const at = checkpointSlotPosition(slot);
    const parsed = parseCheckpointSlot(bytes, at);
    if (parsed.checkpoint === null) {
      if (parsed.version !== null) newerVersion = parsed.version;
      const isUnwritten = bytes
        .subarray(at, at + CHECKPOINT_SLOT_BYTES)
        .every((byte) => byte === 0);
      if (!isUnwritten) problems.push(`checkpoint slot ${slot}: ${parsed.problem}`);
    } else if (newest === null || parsed.checkpoint.sequence > newest.sequence) {
      newest = parsed.checkpoint;
      newestSlot = slot;
    }
  }
  return { checkpoint: newest, slot: newestSlot, problems, newerVersion };
}

/** Bytes of a checkpoint file: two slots, the rest zero. */
export const CHECKPOINT_BYTES: number = CHECKPOINT_FILE_BYTES;
