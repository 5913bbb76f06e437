/** Which errors say that a call had no effect. */
import { DISK_FULL, LEASE_LOST } from './lease-facts.ts';

const REFUSALS = new Set([
  LEASE_LOST,
  DISK_FULL,
  'ERR_VARVE_TOO_LARGE',
  'ERR_VARVE_BACKPRESSURE',
  'ERR_VARVE_INVALID_ARGUMENT',
]);

export function isRefusal(code: string): boolean {
  return REFUSALS.has(code);
}
