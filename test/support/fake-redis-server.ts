/**
 * Stands in for `redis-server` where there is none, run from dist: takes its options, says when it is
 * ready, and answers what a job asks about version and settings. `FAKE_REDIS_REFUSES` is how often it
 * says that its port is taken, counted by lines in the file `FAKE_REDIS_STARTS`.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const string = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    bind: string,
    port: string,
    dir: string,
    appendonly: string,
    appendfsync: string,
    save: string,
    'auto-aof-rewrite-percentage': string,
  },
});
const { bind = '', port = '', dir = '', appendonly = '', appendfsync = '' } = values;

/** As Redis sends a string. */
const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
const REPLY = [
  bulk('# Server\r\nredis_version:9.8.7\r\nredis_mode:standalone\r\n'),
  `*4\r\n${bulk('appendonly')}${bulk(appendonly)}${bulk('appendfsync')}${bulk(appendfsync)}`,
  '+OK\r\n',
].join('');

const starts = process.env['FAKE_REDIS_STARTS'] ?? '';
appendFileSync(starts, `${process.pid}\n`);
const count = readFileSync(starts, 'utf8').split('\n').length - 1;
if (count <= Number(process.env['FAKE_REDIS_REFUSES'])) {
  console.error('bind: Address already in use');
} else {
  writeFileSync(join(dir, 'appendonly.aof'), '');
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (part) => {
      if (part.includes('QUIT')) socket.end(REPLY);
    });
  });
  server.listen(Number(port), bind, () => console.log('Ready to accept connections tcp'));
}
