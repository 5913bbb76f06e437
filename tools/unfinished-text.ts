/** What retention took of groups that were not done with it, in words. */
import type { UnfinishedCount } from '../src/index.ts';
import { escapeText } from './escape-text.ts';

/** `3 skipped by age`, such as behind the name of a group. */
export function unfinishedText({ count, outcome, reason }: UnfinishedCount): string {
  const why = {
    age: 'by age',
    size: 'by size',
    asked: 'as asked',
    settled: 'settled by the queue',
  };
  return `${count} ${outcome} ${why[reason]}`;
}

/** With the group. */
export function unfinishedLine(counted: UnfinishedCount): string {
  return `${counted.groupKind} group ${escapeText(counted.group)}: ${unfinishedText(counted)}`;
}
