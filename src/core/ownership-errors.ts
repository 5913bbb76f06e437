/** Somebody used a right that is not his any more: a partition of a group, a name, a lease. */
import { StoreError } from './errors.ts';

/** A right to a partition of a consumer group, or to produce under a name. */
export type FencedDetails =
  | {
      readonly kind: 'member';
      readonly group: string;
      readonly member: string;
      readonly partition: number;
    }
  | {
      readonly kind: 'producer';
      readonly producer: string;
      readonly epoch: number;
      /** Null = the producer was deleted. */
      readonly currentEpoch: number | null;
    };

/**
 * The member of a consumer group lost the partition, or somebody else produces under the name: nothing
 * changed.
 */
export class FencedError extends StoreError {
  readonly code = 'ERR_VARVE_FENCED';
  readonly details: FencedDetails;

  constructor(details: FencedDetails) {
    super(fencedMessage(details));
    this.details = details;
  }
}

function fencedMessage(details: FencedDetails): string {
  if (details.kind === 'member') {
    const { group, member, partition } = details;
    return `${member} of group ${group} does not own partition ${partition} any more`;
  }
  const { producer, epoch, currentEpoch } = details;
  const now = currentEpoch === null ? 'it was deleted' : `the epoch is ${currentEpoch} now`;
  return `epoch ${epoch} of producer ${producer} is over: ${now}`;
}

/** How a lease ended for its holder. */
export type LeaseEnd =
  /** It was not renewed in time, or had lasted as long as a lease may. */
  | 'expired'
  /** The holder settled the record already, in another way. */
  | 'settled'
  /** Whoever held it was closed, or the store was. */
  | 'closed'
  /** It is of an earlier process, or of no lease that there was. */
  | 'unknown';

/** The lease is over: the record may be with somebody else. Nothing changed. */
export class LeaseLostError extends StoreError {
  readonly code = 'ERR_VARVE_LEASE_LOST';
  readonly details: {
    readonly topic: string;
    readonly group: string;
    readonly partition: number;
    readonly offset: number;
    readonly reason: LeaseEnd;
  };

  constructor(details: LeaseLostError['details']) {
    const { topic, group, partition, offset, reason } = details;
    super(
      `the lease of offset ${offset} in partition ${partition} of ${topic}, group ${group}, is over: ${reason}`,
    );
    this.details = details;
  }
}
