/** Names of exchanges: as those of topics, and of one that has none. */
import { ConflictError } from '../core/errors.ts';
import { checkName, NAME_BYTES_MAX, SOURCE_PREFIX } from '../topic/topic-names.ts';

/** It is there in every store, and is as it is. */
export const DEFAULT_EXCHANGE = '';

/** As RabbitMQ describes it. */
export const DEFAULT_DESCRIPTION = {
  name: DEFAULT_EXCHANGE,
  type: 'direct',
  alternate: null,
  internal: false,
  autoDelete: false,
} as const;

export function defaultConflict(): ConflictError {
  return new ConflictError({
    kind: 'exchange',
    name: DEFAULT_EXCHANGE,
    stored: 'the default exchange, which leads to every queue and topic by its name',
    requested: 'one with a log and bindings of its own',
  });
}

/** Throws unless an exchange may be called so: the topic that is its source must have a name, too. */
export function checkNewName(parameter: string, name: unknown): string {
  return checkName(parameter, name, NAME_BYTES_MAX - SOURCE_PREFIX.length);
}

/** @throws ConflictError for the default exchange; as `checkNewName` */
export function checkExchangeName(parameter: string, name: unknown): string {
  if (name === DEFAULT_EXCHANGE) throw defaultConflict();
  return checkNewName(parameter, name);
}
