/**
 * The checksum of bytes that stand behind others, so that it is computed once for many that end alike.
 *
 * The CRC-32 of A and B is that of A times x^(8 |B|), modulo the polynomial, plus that of B; the power is
 * the same for all A (Adler, `crc32_combine_op` of zlib 1.2.12). Bits are reflected: the highest is x^0.
 */
import { CRC_MASK, crcOf } from './checksum.ts';

const POLYNOMIAL = 0xedb8_8320;
const ONE = 0x8000_0000;
const X = 0x4000_0000;
/** Of the square of the power before: x^(2^n). They repeat after 31. */
const POWERS = squaresOf(X, 31);
/** x^8 = x^(2^3). */
const BYTE_POWER = 3;

export class ChecksumTail {
  readonly #crc: number;
  /** x^(8 bytes). */
  readonly #shift: number;

  /** @param parts  one behind the other; their bytes are read here and now */
  constructor(parts: readonly Uint8Array[]) {
    this.#crc = parts.reduce((crc, bytes) => crcOf(bytes, crc), 0);
    this.#shift = shiftOf(parts.reduce((sum, { length }) => sum + length, 0));
  }

  /** @param front  the checksum, as it is stored, of what stands before @returns that of all, likewise */
  behind(front: number): number {
    return (multiply(this.#shift, (front ^ CRC_MASK) >>> 0) ^ this.#crc ^ CRC_MASK) >>> 0;
  }
}

function shiftOf(bytes: number): number {
  let shift = ONE;
  let power = BYTE_POWER;
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) shift = multiply(POWERS[power % POWERS.length] ?? 0, shift);
    power++;
  }
  return shift;
}

/** The product of two polynomials, modulo that of the CRC. */
function multiply(one: number, other: number): number {
  let product = 0;
  let factor = other;
  for (let bit = 31; bit >= 0; bit--) {
    product ^= -((one >>> bit) & 1) & factor;
    factor = (factor >>> 1) ^ (-(factor & 1) & POLYNOMIAL);
  }
  return product >>> 0;
}

function squaresOf(first: number, count: number): readonly number[] {
  const squares = [first];
  for (let last = first; squares.length < count; squares.push(last)) last = multiply(last, last);
  return squares;
}
