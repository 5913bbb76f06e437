/** Options of the command line that say how a queue, or a share group, hands its records out. */
import { Option } from 'commander';
import type { ShareConfig } from '../src/index.ts';
import { RETENTIONS } from '../src/queue/share-settings.ts';
import { UsageError } from './command-error.ts';
import { parseCount } from './ranges.ts';
import { orNone } from './topic-config.ts';

/** As commander delivers them. */
export interface QueueConfigOptions {
  readonly leaseMs?: number;
  readonly failuresMax?: number | 'none';
  readonly expiriesMax?: number | 'none';
  readonly leasedMax?: number;
  readonly deadLetter?: string;
  readonly deadLetterRoutingKey?: string;
  readonly retention?: (typeof RETENTIONS)[number];
}

export const QUEUE_CONFIG_OPTIONS: readonly Option[] = [
  new Option('--lease-ms <ms>', 'how long a lease lasts').argParser(parseCount),
  new Option(
    '--failures-max <count>',
    'failed attempts after which a record is dead; none: never',
  ).argParser(orNone(parseCount)),
  new Option(
    '--expiries-max <count>',
    'leases that ran out after which a record is dead; none: never',
  ).argParser(orNone(parseCount)),
  new Option('--leased-max <count>', 'records that are leased at a time').argParser(parseCount),
  new Option(
    '--dead-letter <queue>',
    'where copies of dead records go, also exchange:<name>; none: nowhere',
  ),
  new Option(
    '--dead-letter-routing-key <key>',
    'what an exchange gets them under; none: their own, or the name of the queue',
  ),
  new Option(
    '--retention <what>',
    'settled: files go when all of their records are settled; keep: they stay',
  ).choices(RETENTIONS),
];

/** What was given, and nothing else. @throws UsageError @param name  of the queue, or of the topic */
export function queueConfigOf(options: QueueConfigOptions, name: string): ShareConfig {
  const { leaseMs, failuresMax, expiriesMax, leasedMax, retention } = options;
  const { deadLetter, deadLetterRoutingKey } = options;
  if (deadLetter === name) {
    throw new UsageError(
      `${name} cannot be its own queue of dead letters: --dead-letter names another`,
    );
  }
  return {
    leaseMs,
    failuresMax: failuresMax === 'none' ? null : failuresMax,
    expiriesMax: expiriesMax === 'none' ? null : expiriesMax,
    leasedMax,
    deadLetter: deadLetter === 'none' ? null : deadLetter,
    deadLetterRoutingKey: deadLetterRoutingKey === 'none' ? null : deadLetterRoutingKey,
    retention,
  };
}
