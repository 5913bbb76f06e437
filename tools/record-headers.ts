/** `-H name=value`, as verbs take it that send records. */
import { InvalidArgumentError } from 'commander';

export type HeaderOption = Readonly<Record<string, string>>;

/** `name=value`; the value may hold further equals signs. */
export function parseHeader(given: string, before: HeaderOption = {}): HeaderOption {
  const at = given.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Expected name=value.');
  return { ...before, [given.slice(0, at)]: given.slice(at + 1) };
}
