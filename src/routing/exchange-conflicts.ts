/** What of an exchange contradicts what is stored. */
import { ConflictError } from '../core/errors.ts';
import type { ExchangeDescription } from './exchange-catalog.ts';
import type { DestinationName, ExchangeConfig } from './exchange-options.ts';

/** An exchange is bound by its name, not by that of its source. */
export function boundSource(name: string): ConflictError {
  const stored = 'the source of an exchange';
  return new ConflictError({ kind: 'topic', name, stored, requested: 'a destination' });
}

/** The past goes with a new binding alone. */
export function boundWithoutPast(name: string, destination: DestinationName): ConflictError {
  const stored = `a binding to ${destination.name} that was made without the past`;
  const requested = 'one with it; unbind it and bind it again';
  return new ConflictError({ kind: 'exchange', name, stored, requested });
}

/** What was asked for and is not what is stored; null = nothing. */
export function conflictOf(
  stored: Omit<ExchangeDescription, 'exchangeId' | 'bindingCount'>,
  wanted: ExchangeConfig,
): ConflictError | null {
  const { type, alternate, internal, autoDelete } = stored;
  for (const [option, value] of Object.entries({ type, alternate, internal, autoDelete })) {
    const asked = Object.entries(wanted).find(([name]) => name === option)?.[1];
    if (asked === undefined || asked === value) continue;
    const kind = 'exchange';
    const told = { stored: `${option} ${value}`, requested: `${option} ${asked}` };
    return new ConflictError({ kind, name: stored.name, ...told });
  }
  return null;
}
