/**
 * The slow twin of `Fingerprint`: HalfSipHash of bytes with any number of rounds, after the authors'
 * description, on unbounded integers.
 */
export interface Rounds {
  /** For each word. */
  readonly compression: number;
  /** For each half of the output. */
  readonly finalization: number;
}

interface State {
  v0: bigint;
  v1: bigint;
  v2: bigint;
  v3: bigint;
}

const MASK = 0xffff_ffffn;

/** The 64 bits of output, as bytes; behind them, 32 bits of what the last state has more. */
export function wideHalfSipHash(key: Uint8Array, input: Uint8Array, rounds: Rounds): Uint8Array {
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
  const output = new DataView(new ArrayBuffer(12));
  state.v2 ^= 0xeen;
  turn(state, rounds.finalization);
  output.setUint32(0, Number(state.v1 ^ state.v3), true);
  state.v1 ^= 0xddn;
  turn(state, rounds.finalization);
  output.setUint32(4, Number(state.v1 ^ state.v3), true);
  output.setUint32(8, Number(state.v0 ^ state.v2), true);
  return new Uint8Array(output.buffer);
}

/** The 64 bits of output, as bytes. */
export function halfSipHash(key: Uint8Array, input: Uint8Array, rounds: Rounds): Uint8Array {
  return wideHalfSipHash(key, input, rounds).subarray(0, 8);
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
