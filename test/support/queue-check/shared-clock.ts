/** Monotonic milliseconds of the machine: the same clock in every process on it. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
