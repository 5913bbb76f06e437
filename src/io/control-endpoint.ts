/**
 * Where other processes of the same user can ask the writer of a store, and how they ask: a Unix
 * socket, one line each way. What the lines say is not known here.
 */
import { createServer } from 'node:net';
import type { Server } from 'node:net';

import { nextTurn } from '../core/clock.ts';
import { ControlConnection, RequestRoom } from './control-connection.ts';
import { prepareControlPlace, type ControlPlace } from './control-place.ts';
import type { ControlEndpoint, ControlOptions } from './file-system.ts';
import { toIoError } from './io-error.ts';

/** Clients at a time; further ones are turned away. */
export const CONNECTION_COUNT_MAX = 16;
const ACCEPTING_TURNS = 2;

/**
 * Listens in `directory`, whose lock the caller holds. It keeps no process alive.
 *
 * @throws IoError where no socket can be made, or what stands in its place is not ours
 */
export async function openControlEndpoint(
  directory: string,
  options: ControlOptions,
): Promise<ControlEndpoint> {
  try {
    const place = await prepareControlPlace(directory);
    return await listen(place, options);
  } catch (cause) {
    throw toIoError(cause, { operation: 'listen', path: directory });
  }
}

async function listen(place: ControlPlace, options: ControlOptions): Promise<ControlEndpoint> {
  const connections = new Set<ControlConnection>();
  const room = new RequestRoom();
  // Half open: a client may end its side behind the request, as a pipe to a command does.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = new ControlConnection(socket, options, room);
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  });
  server.maxConnections = CONNECTION_COUNT_MAX;
  const close = async (): Promise<void> => {
    await place.remove().catch(() => undefined); // What stays is stale: the next owner removes it.
    // Who found it before is taken, so that it hears what becomes of it: in the turn that is on, if
    // that looked for clients already, not yet.
    for (let turn = 0; turn < ACCEPTING_TURNS; turn++) await nextTurn();
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve()); // Also when it never listened.
    });
    await Promise.all([...connections].map((connection) => connection.close()));
    await closed;
  };
  try {
    await bind(server, place.path);
    await place.publish();
  } catch (error) {
    await close();
    throw error;
  }
  let closing: Promise<void> | null = null;
  return { close: () => (closing ??= close()) };
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Also later ones, of accepting: they settle nothing any more, and must not end the process.
    server.on('error', reject);
    // Exclusive: in a cluster worker the primary would listen, for all of them.
    server.listen({ path, exclusive: true }, resolve);
    server.unref();
  });
}
