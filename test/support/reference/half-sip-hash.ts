/**
 * The slow twin of `Fingerprint`: HalfSipHash of bytes with any number of rounds, after the authors'
 * description, on unbounded integers.
 */
export interface Rounds {
  /** For each word. */
  readonly compression: number;
  /** For each lane of the output. */
  readonly finalization: number;
}

interface State {
  v0: bigint;
  v1: bigint;
  v2: bigint;
  v3: bigint;
}

const MASK = 0xffff_ffffn;

/** What each lane of 32 bits but the first begins with; a third one is ours. */
const NEXT_LANES = [0xddn, 0xccn];

/** The 64 bits of output, as bytes; 96 of three lanes. */
export function halfSipHash(
  key: Uint8Array,
  input: Uint8Array,
  rounds: Rounds,
  laneCount = 2,
): Uint8Array {
  const key0 = BigInt(wordAt(key, 0));
  const key1 = BigInt(wordAt(key, 4));
  const state: State = {
    v0: key0,
    v1: key1 ^ 0xeen,
    v2: key0 ^ 0x6c79_6765n,
    v3: key1 ^ 0x7465_6462n,
  };
  const padded = new Uint8Array((Math.floor(input.length / 4) + 1) * 4);
  padded.set(input);
  padded[padded.length - 1] = input.length % 256;
  for (let at = 0; at < padded.length; at += 4) {
    const word = BigInt(wordAt(padded, at));
    state.v3 ^= word;
    turn(state, rounds.compression);
    state.v0 ^= word;
  }
  const output = new DataView(new ArrayBuffer(4 * laneCount));
  state.v2 ^= 0xeen;
  for (let lane = 0; lane < laneCount; lane++) {
    if (lane > 0) state.v1 ^= NEXT_LANES[lane - 1] ?? 0n;
    turn(state, rounds.finalization);
    output.setUint32(4 * lane, Number(state.v1 ^ state.v3), true);
  }
  return new Uint8Array(output.buffer);
}

function turn(state: State, count: number): void {
  for (let round = 0; round < count; round++) {
    state.v0 = sum(state.v0, state.v1);
    state.v1 = turned(state.v1, 5) ^ state.v0;
    state.v0 = turned(state.v0, 16);
    state.v2 = sum(state.v2, state.v3);
    state.v3 = turned(state.v3, 8) ^ state.v2;
    state.v0 = sum(state.v0, state.v3);
    state.v3 = turned(state.v3, 7) ^ state.v0;
    state.v2 = sum(state.v2, state.v1);
    state.v1 = turned(state.v1, 13) ^ state.v2;
    state.v2 = turned(state.v2, 16);
  }
}

function sum(one: bigint, other: bigint): bigint {
  return (one + other) & MASK;
}

function turned(word: bigint, bits: number): bigint {
  return ((word << BigInt(bits)) | (word >> BigInt(32 - bits))) & MASK;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true);
}
