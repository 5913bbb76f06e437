/**
 * Folds a V8 CPU profile into stages: where the main thread was, by the sampled time of each frame.
 *
 * A sample counts for the innermost frame that the table of stages knows, so the time of a builtin
 * or of Node's own code belongs to whoever called it.
 *
 * Limits: a sampled profile has no calls shorter than its interval, only their shares. Of the
 * functions that the compiler inlined, V8 keeps some frames and loses others (their lines then stand
 * in `positionTicks` of the outer function, without the name of their file): those count for the
 * function they stand in. So read `caller` and `decode` of a scan together, or profile with
 * `--exact`. The profiler's own work is left out.
 */
import type { Profiler } from 'node:inspector';
import { sourcePathOf, STAGES, stageOf, type Stage } from './stages.ts';

export interface StageTime {
  readonly stage: Stage;
  readonly ms: number;
  /** Of all sampled time, 0..1. */
  readonly share: number;
}

export interface FunctionTime {
  /** `encodeValue (src/log/record-input.ts)` */
  readonly name: string;
  readonly ms: number;
  readonly share: number;
}

export interface FoldedProfile {
  readonly totalMs: number;
  /** In the order of `STAGES`; stages without time are there, too. */
  readonly stages: readonly StageTime[];
  /** What `other` is made of, the largest first. */
  readonly otherFunctions: readonly FunctionTime[];
}

type Node = Profiler.ProfileNode;

/** @param otherMax  functions of `other` to name */
export function foldProfile(profile: Profiler.Profile, otherMax = 5): FoldedProfile {
  const selfUs = selfTimes(profile);
  const stages = stagesOf(profile.nodes);
  const byStage = new Map<Stage, number>();
  const others = new Map<string, number>();
  let totalUs = 0;
  const timeOf = (us: number) => ({ ms: us / 1e3, share: totalUs === 0 ? 0 : us / totalUs });
  for (const node of profile.nodes) {
    const us = selfUs.get(node.id) ?? 0;
    const stage = stages.get(node.id) ?? 'other';
    if (stage === 'profiler') continue;
    totalUs += us;
    byStage.set(stage, (byStage.get(stage) ?? 0) + us);
    if (stage === 'other' && us > 0) others.set(nameOf(node), (others.get(nameOf(node)) ?? 0) + us);
  }
  return {
    totalMs: totalUs / 1e3,
    stages: STAGES.filter((stage) => stage !== 'profiler').map((stage) => ({
      stage,
      ...timeOf(byStage.get(stage) ?? 0),
    })),
    otherFunctions: [...others]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, otherMax)
      .map(([name, us]) => ({ name, ...timeOf(us) })),
  };
}

/** Microseconds at the top of the stack, by node: `timeDeltas[n]` led up to sample n. */
function selfTimes({ samples = [], timeDeltas = [] }: Profiler.Profile): Map<number, number> {
  const times = new Map<number, number>();
  samples.forEach((id, at) => {
    // The clock may step back a little between two threads' samples.
    const us = Math.max(0, timeDeltas[at] ?? 0);
    times.set(id, (times.get(id) ?? 0) + us);
  });
  return times;
}

/** Each node's own stage, or its nearest caller's. */
function stagesOf(nodes: readonly Node[]): Map<number, Stage> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const stages = new Map<number, Stage>();
  const isCalled = new Set(nodes.flatMap(({ children = [] }) => children));
  const pending: [Node, Stage][] = nodes
    .filter(({ id }) => !isCalled.has(id))
    .map((node) => [node, 'other']);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [node, inherited] = next;
    const stage = stageOf(node.callFrame) ?? inherited;
    stages.set(node.id, stage);
    for (const child of node.children ?? []) {
      const called = byId.get(child);
      if (called !== undefined) pending.push([called, stage]);
    }
  }
  return stages;
}

function nameOf({ callFrame }: Node): string {
  const { functionName, url } = callFrame;
  const name = functionName === '' ? '(anonymous)' : functionName;
  const place = sourcePathOf(url) ?? url;
  return place === '' ? name : `${name} (${place})`;
}
