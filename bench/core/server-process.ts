/** What it takes to start a server of one's own: free ports, and its word that it is ready. */
import { accessSync, constants } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { Readable } from 'node:stream';
import { assert } from '../../src/core/assert.ts';

export const HOST = '127.0.0.1';

/** Free ports of 127.0.0.1, held all at once: no two are the same. Somebody else may take one then. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listen));
  const ports = servers.map((server) => {
    const address = server.address();
    assert(typeof address === 'object' && address !== null, 'it listens on a port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Reads until a server says `ready` or has ended, then goes on without keeping anything. */
export function readUntil(
  ready: string,
  stdout: Readable,
): Promise<{ isReady: boolean; output: string }> {
  let output = '';
  return new Promise((resolve) => {
    const take = (part: string) => {
      output += part;
      if (!output.includes(ready)) return;
      stdout.off('data', take).resume();
      resolve({ isReady: true, output });
    };
    stdout.setEncoding('utf8').on('data', take);
    stdout.once('end', () => resolve({ isReady: false, output }));
  });
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, HOST, () => resolve(server));
  });
}
