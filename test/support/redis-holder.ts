/** A process that has a Redis server in its first argument, run from dist: tells the port, and stays. */
import { RedisServer } from '../../bench/jobs/redis-server.ts';

const server = await RedisServer.start(process.argv[2] ?? '', 'always');
process.stdout.write(`${server.port}\n`);
