/**
 * A Redis server of a job's own: started on a free port of 127.0.0.1, with its files in a directory of
 * the job's, and gone when the job is, however that ends.
 *
 * The bench ends workers by SIGKILL when it is interrupted, and Redis would outlive them. So a shell
 * stands between: it starts Redis, waits for the end of its standard input, which is a pipe that only
 * the worker holds, then ends Redis by its process id. Redis is the shell's child and not reaped
 * before, so the id cannot have become another process's.
 *
 * The program is `VARVE_REDIS_SERVER`, or `redis-server` on the PATH.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { UnavailableError, type JobFacts } from '../core/job.ts';
import { freePorts, HOST, isExecutable, readUntil } from '../core/server-process.ts';

export type AppendFsync = 'always' | 'everysec';

/** Somebody else may take a free port before Redis does. */
const STARTS_MAX = 5;
const READY = 'Ready to accept connections';

/** `"$@"` is the server with its arguments; `cat` ends when the worker's end of the pipe is closed. */
const KEEPER = '"$@" 2>&1 & server=$!; exec >/dev/null 2>&1; cat; kill -KILL $server; wait $server';

type Keeper = ChildProcessByStdio<Writable, Readable, null>;

/** @throws UnavailableError when there is none */
export function findRedisServer(): string {
  const own = process.env['VARVE_REDIS_SERVER'] ?? '';
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const places = own === '' ? folders.map((folder) => join(folder, 'redis-server')) : [own];
  const program = places.find(isExecutable);
  if (program === undefined) throw new UnavailableError('no redis-server');
  return program;
}

export class RedisServer {
  readonly host = HOST;
  readonly port: number;
  readonly #keeper: Keeper;
  readonly #directory: string;

  private constructor(keeper: Keeper, port: number, directory: string) {
    this.#keeper = keeper;
    this.port = port;
    this.#directory = directory;
  }

  /**
   * Starts the server and waits until it takes connections.
   *
   * @param directory  does not exist; removed by `close`
   * @throws UnavailableError where there is no Redis; Error with what it said when it did not start
   */
  static async start(directory: string, appendFsync: AppendFsync): Promise<RedisServer> {
    const program = findRedisServer();
    let complaint = '';
    for (let start = 0; start < STARTS_MAX; start++) {
      mkdirSync(directory);
      const [port = 0] = await freePorts(1);
      const keeper = spawnKeeper(program, {
        bind: HOST,
        port: String(port),
        dir: directory,
        appendonly: 'yes',
        appendfsync: appendFsync,
        // In its favour: nothing is rewritten, and no snapshot made, beside the measurement.
        save: '',
        'auto-aof-rewrite-percentage': '0',
      });
      const server = new RedisServer(keeper, port, directory);
      const { isReady, output } = await readUntil(READY, keeper.stdout);
      if (isReady) return server;
      await server.close();
      complaint = output;
    }
    throw new Error(`redis-server did not start: ${complaint.trim()}`);
  }

  /** Its version, and what it says about its settings. */
  async facts(): Promise<JobFacts> {
    const socket = connect(this.port, HOST);
    socket.write('INFO server\r\nCONFIG GET append*\r\nQUIT\r\n');
    const answer = await text(socket);
    const find = (pattern: RegExp) => pattern.exec(answer)?.[1] ?? 'unknown';
    return {
      redis: find(/^redis_version:(\S+)/m),
      appendonly: find(/^appendonly\r\n\$\d+\r\n(\S+)/m),
      appendfsync: find(/^appendfsync\r\n\$\d+\r\n(\S+)/m),
    };
  }

  /** Ends the server at once and removes its files. */
  async close(): Promise<void> {
    const { exitCode, signalCode } = this.#keeper;
    const hasEnded = exitCode !== null || signalCode !== null;
    const ended = new Promise((resolve) => this.#keeper.once('exit', resolve));
    this.#keeper.stdin.end();
    if (!hasEnded) await ended;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** In a session of its own: Ctrl-C at the terminal is not for it, the end of the worker is. */
function spawnKeeper(program: string, settings: Readonly<Record<string, string>>): Keeper {
  const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  return spawn('/bin/sh', ['-c', KEEPER, 'sh', program, ...options], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
}
