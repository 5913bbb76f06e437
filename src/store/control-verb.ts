/** What a verb of `control.sock` consists of. */
import { ConflictError } from '../core/errors.ts';
import type { Shape } from '../core/shape.ts';
import type { Store } from './store.ts';

/** Something to ask of a store. */
export interface ControlVerb<Args, Answer> {
  readonly name: string;
  readonly args: Shape<Args>;
  readonly answer: Shape<Answer>;
  run(store: Store, args: Args): Promise<Answer>;
}

/** Gives a verb the types that its shapes have. */
export function controlVerb<Args, Answer>(
  verb: ControlVerb<Args, Answer>,
): ControlVerb<Args, Answer> {
  return verb;
}

/** Before something is created. @throws ConflictError when its name is taken */
export function checkNew(
  wanted: Pick<ConflictError['details'], 'kind' | 'name'>,
  others: readonly { readonly name: string }[],
  stored = 'one of this name',
): void {
  if (!others.some(({ name }) => name === wanted.name)) return;
  throw new ConflictError({ ...wanted, stored, requested: 'a new one' });
}
