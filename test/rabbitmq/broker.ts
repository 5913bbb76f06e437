/**
 * A RabbitMQ of a test's own: on free ports of 127.0.0.1, with its files, its home and so its cookie in
 * a directory of its own, and gone when the test is, however that ends.
 *
 * Neither Debian's service nor its user is used: the program is started directly, as whoever runs the
 * test. A shell stands between, as a killed test would leave both processes behind: it starts epmd
 * (which Erlang would else start as a daemon on the usual port) and the broker, waits for the end of
 * its standard input, a pipe that only the test holds, then ends both by their process ids
 * and removes the directory.
 *
 * The program is `VARVE_RABBITMQ_SERVER`, or where Debian puts it.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { connect, type ChannelModel } from 'amqplib';
import { freePorts, HOST, isExecutable, readUntil } from '../../bench/core/server-process.ts';

const READY = 'Server startup complete';
/** Somebody else may take a free port before the broker does. */
const STARTS_MAX = 3;
const SAID_MAX = 4000;
// Not its wrapper in /usr/sbin, which changes to Debian's user.
const SERVER = process.env['VARVE_RABBITMQ_SERVER'] ?? '/usr/lib/rabbitmq/bin/rabbitmq-server';
const PATH = [process.env['PATH'] ?? '', '/usr/sbin', '/usr/bin', '/bin'].join(delimiter);

/** `"$@"` is the broker; `cat` ends when the test's end of the pipe is closed. */
const KEEPER = `
directory=$1; shift
epmd -address ${HOST} -port "$ERL_EPMD_PORT" >/dev/null 2>&1 </dev/null & epmd=$!
"$@" 2>&1 </dev/null & server=$!
exec >/dev/null 2>&1
cat
kill -KILL $server; wait $server
kill -KILL $epmd; wait $epmd
rm -rf -- "$directory"`;

type Keeper = ChildProcessByStdio<Writable, Readable, null>;

/** Why no broker can be started here; null when one can. */
export function whyNoBroker(): string | null {
  if (!isExecutable(SERVER)) return `no ${SERVER}; Debian's package is rabbitmq-server`;
  const hasEpmd = PATH.split(delimiter).some((folder) => isExecutable(join(folder, 'epmd')));
  return hasEpmd ? null : 'no epmd on the PATH';
}

export class Broker {
  readonly #keeper: Keeper;
  readonly #port: number;
  readonly #connections: ChannelModel[] = [];

  private constructor(keeper: Keeper, port: number) {
    this.#keeper = keeper;
    this.#port = port;
  }

  /** Starts a broker and waits until it takes connections: about six seconds. */
  static async start(): Promise<Broker> {
    let complaint = '';
    for (let start = 0; start < STARTS_MAX; start++) {
      const [amqpPort = 0, nodePort = 0, epmdPort = 0] = await freePorts(3);
      const directory = mkdtempSync(join(tmpdir(), 'varve-rabbitmq-'));
      writeFileSync(join(directory, 'enabled_plugins'), '[].\n');
      const ports = { amqpPort, nodePort, epmdPort };
      const keeper = spawn('/bin/sh', ['-c', KEEPER, 'sh', directory, SERVER], {
        env: environmentOf(directory, ports),
        stdio: ['pipe', 'pipe', 'inherit'],
        detached: true, // Ctrl-C at the terminal is not for it: the end of the test is.
      });
      const broker = new Broker(keeper, amqpPort);
      const { isReady, output } = await readUntil(READY, keeper.stdout);
      if (isReady) return broker;
      await broker.close();
      complaint = output.slice(-SAID_MAX);
    }
    throw new Error(`rabbitmq-server did not start: ${complaint.trim()}`);
  }

  /** `close` closes it too. */
  async connect(): Promise<ChannelModel> {
    const connection = await connect({ hostname: HOST, port: this.#port });
    this.#connections.push(connection);
    return connection;
  }

  /** Ends both processes at once; their files go with them. */
  async close(): Promise<void> {
    // One that is closed or broken already says so, which is all the same now.
    await Promise.allSettled(this.#connections.map((connection) => connection.close()));
    const { exitCode, signalCode } = this.#keeper;
    const hasEnded = exitCode !== null || signalCode !== null;
    const ended = new Promise((resolve) => this.#keeper.once('exit', resolve));
    this.#keeper.stdin.end();
    if (!hasEnded) await ended;
  }
}

interface Ports {
  readonly amqpPort: number;
  readonly nodePort: number;
  readonly epmdPort: number;
}

/** All there is: no setting of this machine's own broker, and nothing of the shell's, gets in. */
function environmentOf(directory: string, ports: Ports): Record<string, string> {
  return {
    PATH,
    HOME: directory,
    LANG: 'C.UTF-8',
    ERL_EPMD_ADDRESS: HOST,
    ERL_EPMD_PORT: String(ports.epmdPort),
    RABBITMQ_NODENAME: 'varve@localhost',
    RABBITMQ_NODE_IP_ADDRESS: HOST,
    RABBITMQ_NODE_PORT: String(ports.amqpPort),
    RABBITMQ_DIST_PORT: String(ports.nodePort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
    RABBITMQ_CONF_ENV_FILE: join(directory, 'none.env'),
    RABBITMQ_CONFIG_FILE: join(directory, 'none'),
    RABBITMQ_CONFIG_FILES: join(directory, 'none.d'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(directory, 'none.advanced'),
    RABBITMQ_ALLOW_INPUT: '1', // So that its script becomes Erlang instead of waiting for it.
    RABBITMQ_SERVER_START_ARGS: '-noinput',
  };
}
