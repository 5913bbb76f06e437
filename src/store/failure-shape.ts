/** What went wrong with a part of what was asked for, as `control.sock` tells it. */
import { nullable, structWith, text, type Shape } from '../core/shape.ts';

export interface ToldFailure {
  readonly code: string | null;
  readonly message: string;
}

export const toldFailure: Shape<ToldFailure> = structWith({ code: nullable(text), message: text });

/** Null = nothing went wrong. */
export function failureOf(error: unknown): ToldFailure | null {
  if (error === null) return null;
  const code = error instanceof Error && 'code' in error ? error.code : null;
  const message = error instanceof Error ? error.message : 'unknown failure';
  return { code: typeof code === 'string' ? code : null, message };
}
