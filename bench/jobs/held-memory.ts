/** What the process holds when the garbage is gone: for workers with `--expose-gc`. */
export function heldMemoryBytes(): number {
  for (let n = 0; n < 4; n++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
