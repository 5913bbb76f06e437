/**
 * `npm run bench:profile`: where the time and the heap of the append and read paths go.
 *
 * A child process per path: one CPU profile each, written as `.cpuprofile` for Chrome's developer
 * tools or speedscope, and folded into stages; then what each takes from the heap.
 */
import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { HEAP_FLAGS } from './heap.ts';
import { formatHeap, formatProfile, profileLegend } from './format-profile.ts';
import { profilePlans, type HeapReply, type ProfilePlan, type ProfileReply } from './plan.ts';

const CHILD = new URL('./child.js', import.meta.url);

const USAGE = `usage: npm run bench:profile -- [options]
  --directory DIR  where profiles, and the logs while they are measured, go (segments/local/profile)
  --records N      records per path, a multiple of 1000 (2000000)
  --exact          without inlining: every function has its own time, and all are slower
  --only NAME      one path: ${profilePlans(1000)
    .map(({ name }) => name)
    .join(', ')}
`;

const { values } = parseArgs({
  options: {
    directory: { type: 'string', default: join('segments', 'local', 'profile') },
    records: { type: 'string', default: '2000000' },
    only: { type: 'string' },
    exact: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
/** The first keeps the frames of some inlined functions; without inlining there are none to keep. */
const CPU_FLAGS = ['--detailed-line-info', ...(values.exact ? ['--no-turbo-inlining'] : [])];
const records = Number(values.records);
const plans = profilePlans(records).filter(({ name }) => (values.only ?? name) === name);
const isUsable = plans.length > 0 && records > 0 && Number.isInteger(records / 1000);
if (values.help || !isUsable) {
  process[values.help ? 'stdout' : 'stderr'].write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  await profileAll(values.directory);
}

async function profileAll(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  for (const plan of plans) {
    const reply = await runChild<ProfileReply>('cpu', directory, plan);
    console.log(formatProfile(plan, reply));
  }
  const heaps: { plan: ProfilePlan; heap: HeapReply }[] = [];
  for (const plan of plans) {
    heaps.push({ plan, heap: await runChild<HeapReply>('heap', directory, plan) });
  }
  console.log(formatHeap(heaps));
  console.log(`${profileLegend()}Profiles: ${directory}`);
}

/** Runs a child in a directory of its own; keeps its profile, deletes its logs. */
async function runChild<R>(kind: 'cpu' | 'heap', directory: string, plan: ProfilePlan): Promise<R> {
  const own = mkdtempSync(join(directory, 'run-'));
  const execArgv = kind === 'cpu' ? CPU_FLAGS : [...HEAP_FLAGS];
  try {
    const reply = await new Promise<R>((resolve, reject) => {
      const child = fork(CHILD, [kind, own, JSON.stringify(plan)], { execArgv });
      child.on('message', (message) => resolve(message as R));
      child.on('error', reject);
      child.on('exit', (code, signal) => {
        reject(new Error(`${plan.name}: the process ended: ${signal ?? `exit code ${code}`}`));
      });
    });
    const file = `${plan.name}.cpuprofile`;
    if (kind === 'cpu') renameSync(join(own, file), join(directory, file));
    return reply;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}
