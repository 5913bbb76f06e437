/** Colour, when the terminal and the user want it: `--color`, NO_COLOR, FORCE_COLOR. */
import { styleText } from 'node:util';

/** What `--color` takes. */
export type ColorChoice = 'auto' | 'always' | 'never';

type TextFormat = Parameters<typeof styleText>[0];
/** Marks text with terminal codes, or returns it as it is. */
export type Style = (format: TextFormat, text: string) => string;

export interface StyleOptions {
  readonly choice: ColorChoice;
  readonly stream: { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The option wins over the environment; NO_COLOR wins over FORCE_COLOR and the terminal. */
export function chooseStyle({ choice, stream, env }: StyleOptions): Style {
  const isColored = choice === 'always' || (choice === 'auto' && wantsColor(stream, env));
  if (!isColored) return (_format, text) => text;
  return (format, text) => styleText(format, text, { validateStream: false });
}

function wantsColor(stream: StyleOptions['stream'], env: StyleOptions['env']): boolean {
  if (isSet(env['NO_COLOR'])) return false;
  const force = env['FORCE_COLOR'];
  if (force !== undefined) return force !== '0' && force !== 'false';
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
