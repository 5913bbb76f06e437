/** The tables of `npm run bench:profile`. */
import { formatTable, type Column } from '../../tools/table.ts';
import { digits } from '../report/figures.ts';
import type { HeapReply, ProfilePlan, ProfileReply } from './plan.ts';
import { STAGES, STAGE_TITLES } from './stages.ts';

const NUMBER = { align: 'right' } as const;

/** One plan: its stages, what `other` is made of, and what the thread pool did. */
export function formatProfile(plan: ProfilePlan, { wallMs, profile, waits }: ProfileReply): string {
  const perRecord = (ms: number) => digits((ms * 1e6) / plan.records);
  const rate = digits(plan.records / wallMs / 1e3);
  const stages = profile.stages
    .filter(({ ms }) => ms > 0)
    .map(({ stage, ms, share }) => [stage, ms.toFixed(1), percent(share), perRecord(ms)]);
  const others = profile.otherFunctions.map(({ name, share }) => `${name} ${percent(share)}`);
  return [
    `${plan.title}: ${digits(plan.records)} records in ${digits(wallMs)} ms, ${rate} M/s\n`,
    indent(formatTable([{ title: 'stage' }, ...numbers('ms', 'share', 'ns/record')], stages)),
    others.length === 0 ? '' : `  other: ${others.join('; ')}\n`,
    waits.length === 0 ? '' : indent(waitTable(waits)),
  ].join('');
}

/** What each path takes from the heap. */
export function formatHeap(
  rows: readonly { readonly plan: ProfilePlan; readonly heap: HeapReply }[],
): string {
  const columns = [{ title: 'heap' }, ...numbers('bytes/record', 'objects/record', 'numbers')];
  const table = formatTable(
    columns,
    rows.map(({ plan, heap }) => [
      plan.title,
      digits(heap.bytesPerRecord),
      digits(heap.objectsPerRecord),
      digits(heap.boxedNumbersPerRecord),
    ]),
  );
  const sites = rows.map(({ plan, heap }) => {
    const lines = heap.sites.map((site) => [digits(site.objects), digits(site.bytes), site.name]);
    const columnsOfSites = [...numbers('objects', 'bytes'), { title: `made by: ${plan.title}` }];
    return indent(formatTable(columnsOfSites, lines));
  });
  return [table, ...sites].join('\n');
}

export function profileLegend(): string {
  const shown = STAGES.filter((stage) => stage !== 'profiler');
  const width = Math.max(...shown.map((stage) => stage.length));
  const stages = shown.map((stage) => `  ${stage.padEnd(width)}  ${STAGE_TITLES[stage]}\n`);
  return `Stages of the main thread, by samples; inlined functions may count for their caller (--exact):\n${stages.join('')}Calls of node:fs: wall time from the call to its callback, waiting for a thread included.\n`;
}

function waitTable(waits: ProfileReply['waits']): string {
  return formatTable(
    [{ title: 'fs call' }, ...numbers('calls', 'total ms', 'mean us')],
    waits.map(({ call, count, totalMs }) => [
      call,
      digits(count),
      totalMs.toFixed(1),
      digits((totalMs * 1e3) / count),
    ]),
  );
}

function numbers(...titles: readonly string[]): Column[] {
  return titles.map((title) => ({ title, ...NUMBER }));
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ');
}
