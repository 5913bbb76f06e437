/**
 * The lines that are exchanged over `control.sock`: one request, one answer, each a JSON object.
 *
 * `{"v":1,"directory":"<device>:<inode>","verb":"alterTopic","args":{…}}` is answered by
 * `{"v":1,"ok":…}`, or by `{"v":1,"error":{"code":…,"message":…,"details":…}}`. A request is taken
 * for hostile: whatever it is, it gets an answer, and changes nothing that the verb does not.
 *
 * It says which directory it is about, because a copy made of hard links has the socket, too.
 */
import { argumentError } from '../core/assert.ts';
import { ClosedError, ConflictError, UnsupportedVersionError } from '../core/errors.ts';
import { fieldsOf, nullable, structWith, text } from '../core/shape.ts';
import type { ControlVerb } from './control-verb.ts';
import { CONTROL_VERBS } from './control-verbs.ts';
import { OwnerError } from './owner-error.ts';
import type { Store } from './store.ts';

const CONTROL_VERSION = 1;
/** `details.kind` of an owner's error when it has another directory open: nothing was done. */
export const OTHER_DIRECTORY = 'directory';
/** `details.kind` of an owner's error when it closes the store: nothing was done. */
export const CLOSING = 'closing';
const VERB_CHARS_MAX = 40;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Who answers. */
export interface ControlledStore {
  readonly store: Store;
  /** `FileStat.identity` of its directory. */
  readonly directory: string;
}

/** A request to the owner of `directory`, as one line without its end. */
export function encodeRequest<A, R>(
  { name }: ControlVerb<A, R>,
  args: A,
  directory: string,
): string {
  return JSON.stringify({ v: CONTROL_VERSION, directory, verb: name, args });
}

/** What was answered. @throws OwnerError */
export function decodeAnswer<A, R>({ name, answer }: ControlVerb<A, R>, line: string): R {
  try {
    const fields = fieldsOf('answer', JSON.parse(line));
    if (fields.has('ok')) return answer.check('ok', fields.get('ok'));
    const { message, code } = errorShape.check('error', fields.get('error'));
    const details = fieldsOf('error', fields.get('error')).get('details') ?? null;
    throw new OwnerError(message, { code, details });
  } catch (error) {
    if (error instanceof OwnerError) throw error;
    const what = `the answer to ${name} is not understood`;
    throw new OwnerError(`${what}: ${messageOf(error)}`, { code: null, details: null });
  }
}

/** Does what a line asks for. Never rejects: what goes wrong is the answer. */
export async function answerControl(
  { store, directory }: ControlledStore,
  line: Uint8Array,
): Promise<string> {
  try {
    const fields = fieldsOf('request', JSON.parse(utf8.decode(line)));
    checkVersion(fields.get('v'));
    checkDirectory(text.check('directory', fields.get('directory')), directory);
    const verb = verbOf(fields.get('verb'));
    const args = verb.args.check('args', fields.get('args') ?? {});
    // In the turn in which the verb begins: what it is refused later, it may have done in part.
    if (store.remoteConsumers.isClosed) return closingAnswer(store);
    const ok = await verb.run(store, args);
    return JSON.stringify({ v: CONTROL_VERSION, ok });
  } catch (error) {
    return encodeError(error);
  }
}

/** To who comes while the store is being closed: it may ask the next one that opens it, or be it. */
export function closingAnswer({ path: name }: Pick<Store, 'path'>): string {
  const { code, message, details } = new ClosedError({ resource: 'store', name });
  const error = { code, message, details: { ...details, kind: CLOSING } };
  return JSON.stringify({ v: CONTROL_VERSION, error });
}

const errorShape = structWith({ code: nullable(text), message: text });

function checkVersion(found: unknown): void {
  if (found === CONTROL_VERSION) return;
  if (typeof found !== 'number') throw argumentError(TypeError, 'v', 'a number', found);
  throw new UnsupportedVersionError({ file: 'the request', found, supported: CONTROL_VERSION });
}

function checkDirectory(requested: string, stored: string): void {
  if (requested === stored) return;
  throw new ConflictError({ kind: OTHER_DIRECTORY, name: 'of the store', stored, requested });
}

function verbOf(name: unknown): ControlVerb<unknown, unknown> {
  const found = CONTROL_VERBS.find((verb) => verb.name === name);
  if (found !== undefined) return found;
  const shown = typeof name === 'string' ? name.slice(0, VERB_CHARS_MAX) : name;
  throw argumentError(TypeError, 'verb', 'one that this version has', shown);
}

function encodeError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  const own = { code: typeof code === 'string' ? code : null, message: messageOf(error) };
  try {
    const details = error instanceof Error && 'details' in error ? error.details : null;
    return JSON.stringify({ v: CONTROL_VERSION, error: { ...own, details } });
  } catch {
    // Details may hold what the caller's own schema reported, which JSON cannot always tell.
    return JSON.stringify({ v: CONTROL_VERSION, error: { ...own, details: null } });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown failure';
}
