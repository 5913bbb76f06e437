/** Tells what happens to a share group that no caller hears of, and what is wrong with it. */
import type { ProblemCode } from '../core/health-board.ts';
import type { StoreSignals } from '../topic/log-reporter.ts';
import type { DiedRecord } from './share-entries.ts';

/** What may go wrong in the background. */
export type ShareTrouble = Extract<
  ProblemCode,
  'burials-failed' | 'leases-failed' | 'worker-stopped'
>;

/** Hears what no caller is told. Must not throw. */
export interface LeaseEvents {
  readonly expired: (partition: number, offset: number) => void;
  readonly failed: (error: unknown) => void;
  readonly died: (partition: number, died: DiedRecord) => void;
  /** Something came to nothing. */
  readonly troubled: (trouble: ShareTrouble, error: unknown) => void;
  /** It is well again. */
  readonly recovered: (trouble: ShareTrouble) => void;
}

interface GroupPlace {
  readonly topic: string;
  readonly group: string;
}

export function leaseEvents(
  { events, health }: StoreSignals,
  place: GroupPlace,
  isQueue: boolean,
): LeaseEvents {
  const { topic, group } = place;
  const whose = isQueue ? `queue ${topic}` : `share group ${group} of ${topic}`;
  return {
    // Of very many at a time: each is one object, without another one spread into it.
    expired: (partition, offset) =>
      events.emit('lease-expired', { topic, group, partition, offset }),
    died: (partition, { offset, reason }) =>
      events.emit('record-died', { topic, group, partition, offset, reason }),
    failed: (error) => events.emit('lease-failed', { ...place, error }),
    troubled: (code, error) => {
      const why = error instanceof Error ? error.message : String(error);
      health.raise({ code, topic, group, message: `${MESSAGES[code](whose)}: ${why}` });
    },
    recovered: (code) => health.clear({ code, topic, group }),
  };
}

const MESSAGES: Readonly<Record<ShareTrouble, (whose: string) => string>> = {
  'burials-failed': (whose) => `records of ${whose} that are given up cannot be buried`,
  'leases-failed': (whose) => `leases of ${whose} that are over cannot be ended`,
  'worker-stopped': (whose) => `a worker of ${whose} stopped`,
};
