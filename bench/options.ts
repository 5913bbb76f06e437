/** The options that `npm run bench` and `varve bench` have in common. */
import { InvalidArgumentError, Option } from 'commander';
import { ROUNDS } from './core/contest.ts';
import type { Suite } from './suites/index.ts';

/** What the options give, as commander names it. */
export interface BenchOptions {
  readonly suite?: readonly string[];
  readonly only?: string;
  readonly quick?: true;
  readonly rounds?: number;
  readonly list?: true;
}

const ROUNDS_MAX = 1000;

/** Fresh options: commander keeps state in them. */
export function benchOptions(suites: readonly Suite[]): Option[] {
  const names = suites.map(({ name }) => name).join(', ');
  return [
    new Option('--suite <names>', `which suites, with commas: ${names}`).argParser(splitNames),
    new Option('--only <part>', 'only contests with this part in their name'),
    new Option('--quick', 'under ten minutes: leave out what no goal needs'),
    new Option(
      '--rounds <n>',
      `how often every contest is run and counted; goals need ${ROUNDS}`,
    ).argParser(parseRounds),
    new Option('--list', 'list the contests and run none'),
  ];
}

function splitNames(text: string): readonly string[] {
  return text.split(',').filter((name) => name !== '');
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= ROUNDS_MAX) return rounds;
  throw new InvalidArgumentError(`Expected a whole number from 1 to ${ROUNDS_MAX}.`);
}
