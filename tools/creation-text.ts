/** What verbs say that create something in a store. */
import { escapeText } from './escape-text.ts';

export interface Creation {
  readonly path: string;
  readonly isNewStore: boolean;
  readonly isDryRun: boolean;
  /** What, and its name. */
  readonly what: string;
  /** What else there is to say of it; empty = nothing. */
  readonly how: string;
}

export function creationText({ path, isNewStore, isDryRun, what, how }: Creation): string {
  const where = `in ${isNewStore ? 'a new store at ' : ''}${escapeText(path)}`;
  const rest = `${what} ${where}${how === '' ? '' : `, ${how}`}`;
  return isDryRun
    ? `would create ${rest}; nothing was changed, --yes creates it\n`
    : `created ${rest}\n`;
}
