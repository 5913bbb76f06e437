/**
 * What a piece of code takes from the JavaScript heap: bytes, objects, and what it does not give
 * back. Buffers (`ArrayBuffer`) are not on it; only their small handles are.
 */
import { Session } from 'node:inspector/promises';
import { setImmediate } from 'node:timers/promises';
import v8 from 'node:v8';
import { present } from '../../src/core/assert.ts';
import { sourcePathOf } from './stages.ts';

/** A process that measures needs these flags. */
export const HEAP_FLAGS = [
  '--expose-gc',
  // Few collections in between: each one adds a few KiB of its own to the sum.
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
  // Or several objects that are made together count as one.
  '--no-turbo-allocation-folding',
  // Compiled beside us, code would be there sooner or later, and make other objects until then.
  '--no-concurrent-recompilation',
] as const;

/** Heap in use when nothing is garbage. @throws Error without `--expose-gc` */
export async function settledHeapBytes(): Promise<number> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error(`the process needs the flags ${HEAP_FLAGS.join(' ')}`);
  // Twice, a turn apart: what finalizers and ended promises let go of goes in the second.
  for (let turn = 0; turn < 2; turn++) {
    gc();
    await setImmediate();
  }
  gc();
  return heapBytes();
}

/**
 * Bytes that `run` takes from the heap, garbage included.
 *
 * The growth between collections, added up: V8 tells what is in use before and after each one.
 */
export async function allocatedBytes(
  run: () => Promise<unknown>,
): Promise<{ readonly bytes: number; readonly ms: number }> {
  let from = await settledHeapBytes();
  const profiler = new v8.GCProfiler();
  profiler.start();
  const startMs = performance.now();
  await run();
  const ms = performance.now() - startMs;
  const endBytes = heapBytes();
  const { statistics } = present(profiler.stop(), 'started above');
  let bytes = 0;
  for (const { beforeGC, afterGC } of statistics) {
    bytes += beforeGC.heapStatistics.usedHeapSize - from;
    from = afterGC.heapStatistics.usedHeapSize;
  }
  return { bytes: bytes + endBytes - from, ms };
}

/** Map and value. Nothing else is so small: the least object has map, properties and elements. */
const BOXED_NUMBER_BYTES = 16;

/** A place in the code that makes objects. */
export interface AllocationSite {
  /** `next (src/log/record.ts)` */
  readonly name: string;
  readonly objects: number;
  readonly bytes: number;
}

export interface CountedObjects {
  readonly objects: number;
  /** Those of `objects` that are numbers: V8 puts what is no small integer into a box of its own. */
  readonly boxedNumbers: number;
  readonly bytes: number;
  /** The most objects first. */
  readonly sites: readonly AllocationSite[];
}

export interface ComparedRuns {
  readonly long: () => Promise<unknown>;
  readonly short: () => Promise<unknown>;
}

/**
 * Counts the objects that `long` makes beyond those of `short`, which does less of the same, garbage
 * included, by the function that makes them.
 *
 * V8's sampling heap profiler, told to sample every byte, so it samples every object. It costs
 * microseconds per object: keep both short, and do not time it. What the optimizing compiler
 * proves to be unneeded is never made and not counted; a long loop, however warm, is interpreted
 * for its first thousands of turns, and makes there what the compiled loop does not. So two runs
 * are counted; and one before them is not, since V8 compiles anew after the profiler has started.
 */
export async function countObjects({ long, short }: ComparedRuns): Promise<CountedObjects> {
  const session = new Session();
  session.connect();
  try {
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: 1,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    } as { samplingInterval: number });
    const lastOrdinal = async (): Promise<number> => {
      const { profile } = await session.post('HeapProfiler.getSamplingProfile');
      return lastOrdinalOf(profile as unknown as SampledHeap);
    };
    await long();
    const start = await lastOrdinal();
    await short();
    const middle = await lastOrdinal();
    await long();
    const { profile } = await session.post('HeapProfiler.stopSampling');
    return toCount(profile as unknown as SampledHeap, { start, middle });
  } finally {
    session.disconnect();
  }
}

/** What V8 sends; the types of Node lack the half of it. */
interface SampledHeap {
  readonly head: HeapNode;
  readonly samples: readonly HeapSample[];
}

interface HeapSample {
  readonly nodeId: number;
  readonly size: number;
  /** Grows from one object to the next. */
  readonly ordinal: number;
}

interface HeapNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children: readonly HeapNode[];
}

function lastOrdinalOf({ samples }: SampledHeap): number {
  return samples.reduce((last, { ordinal }) => Math.max(last, ordinal), 0);
}

/** What was made after `middle`, less what was made between `start` and `middle`. */
function toCount(
  { head, samples }: SampledHeap,
  { start, middle }: { readonly start: number; readonly middle: number },
): CountedObjects {
  const names = new Map<number, string>();
  nameNodes(head, names);
  const sites = new Map<string, { objects: number; bytes: number }>();
  let objects = 0;
  let bytes = 0;
  let boxedNumbers = 0;
  for (const { nodeId, size, ordinal } of samples) {
    const name = names.get(nodeId) ?? '(unknown)';
    // Of the profiler itself; of the warm-up.
    if (name.includes('(node:inspector') || ordinal <= start) continue;
    const sign = ordinal > middle ? 1 : -1;
    objects += sign;
    const site = sites.get(name) ?? { objects: 0, bytes: 0 };
    site.objects += sign;
    site.bytes += sign * size;
    bytes += sign * size;
    if (size === BOXED_NUMBER_BYTES) boxedNumbers += sign;
    sites.set(name, site);
  }
  return {
    objects,
    boxedNumbers,
    bytes,
    sites: [...sites]
      .map(([name, site]) => ({ name, ...site }))
      .toSorted((a, b) => b.objects - a.objects),
  };
}

function nameNodes(root: HeapNode, names: Map<number, string>): void {
  const pending = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    const { functionName, url } = node.callFrame;
    const path = sourcePathOf(url) ?? url;
    const place = path === '' ? '' : ` (${path})`;
    names.set(node.id, `${functionName === '' ? '(anonymous)' : functionName}${place}`);
    pending.push(...node.children);
  }
}

function heapBytes(): number {
  return v8.getHeapStatistics().used_heap_size;
}
