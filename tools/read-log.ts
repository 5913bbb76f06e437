/** Opens a log for verbs that read: never writes, and says what is damaged. */
import { Option } from 'commander';
import { CorruptLogError, openLog } from '../src/index.ts';
import type { CorruptLogDetails, Log, LogGap, ReadOptions } from '../src/index.ts';
import type { CommandContext } from './command.ts';

export interface ReadableLog {
  readonly log: Log<Uint8Array>;
  /** Damage that was found in the tail; null when there is none. */
  readonly damage: CorruptLogDetails | null;
}

/** What a verb does at damaged data. */
export interface DamageOptions {
  readonly onCorruption: 'fail' | 'skip';
}

export const ON_CORRUPTION_OPTION = new Option(
  '--on-corruption <action>',
  'at damaged data: fail (when the tail is damaged, before anything is printed), or skip it, say so,\n' +
    'and go on',
)
  .choices(['fail', 'skip'])
  .default('fail');

/** Opens what can be read in spite of damage to acknowledged data. */
export async function openInSpiteOfDamage(path: string): Promise<ReadableLog> {
  const log = await openLog(path, { readOnly: true, onCorruption: 'readonly' });
  return { log, damage: log.recovery.damage };
}

/** Opens a log to read it. @throws CorruptLogError for a damaged tail, unless damage is skipped */
export async function openToRead(
  path: string,
  { onCorruption }: DamageOptions,
): Promise<Log<Uint8Array>> {
  const { log, damage } = await openInSpiteOfDamage(path);
  if (damage === null || onCorruption === 'skip') return log;
  await log.close();
  throw new CorruptLogError(damage);
}

/** Says on stderr what a read skips, also with `--quiet`, and remembers that it did. */
export class GapReporter {
  /** Whether nothing was skipped. */
  isWhole = true;
  readonly #context: CommandContext;
  readonly #options: DamageOptions;

  constructor(context: CommandContext, options: DamageOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** What makes a read skip as the options say, and report here. */
  get readOptions(): Required<Pick<ReadOptions, 'onCorruption' | 'onGap'>> {
    const onGap = (gap: LogGap): void => {
      this.isWhole = false;
      this.#context.warn(`skipped ${gapLine(gap)}`);
    };
    return { onCorruption: this.#options.onCorruption, onGap };
  }
}

function gapLine({ firstOffset, nextOffset, file, position }: LogGap): string {
  return `offsets ${firstOffset} to ${nextOffset - 1}: damaged at byte ${position} of ${file}`;
}

/** One line about damage, as its error would say it. */
export function damageLine(details: CorruptLogDetails): string {
  return new CorruptLogError(details).message;
}
