/**
 * What RabbitMQ does where its documentation does not say so: each row of README.md's table, asked of
 * a real one. `npm run test:rabbitmq` alone runs it.
 */
import type { Channel, ChannelModel } from 'amqplib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Broker, whyNoBroker } from './broker.ts';

const NOTHING = Buffer.alloc(0);
const skipReason = whyNoBroker();
/** A value of a type that JavaScript has no own for. */
const typed = (type: string, value: unknown) => ({ '!': type, value });

type KeyAndArguments = readonly [key: string, given: object];

describe.skipIf(skipReason !== null)(`RabbitMQ's own ways (skipped: ${skipReason ?? 'no'})`, () => {
  let broker: Broker | null = null;
  let connection: ChannelModel;
  let channel: Channel;
  let named = 0;

  beforeAll(async () => {
    broker = await Broker.start();
    connection = await broker.connect();
  });

  afterAll(() => broker?.close());

  beforeEach(async () => {
    channel = await connection.createChannel();
    channel.on('error', () => {}); // Whoever is refused hears of it by its call.
  });

  async function exchange(type: string, options: object = {}): Promise<string> {
    const name = `exchange-${named++}`;
    await channel.assertExchange(name, type, { durable: false, ...options });
    return name;
  }

  async function queue(): Promise<string> {
    return (await channel.assertQueue('', { exclusive: true, durable: false })).queue;
  }

  /** A queue bound to an exchange. */
  async function bound(source: string, key = '', given: object = {}): Promise<string> {
    const name = await queue();
    await channel.bindQueue(name, source, key, given);
    return name;
  }

  /** How many copies each queue got: `get` comes to a queue after what this channel published. */
  async function copies(queues: readonly string[]): Promise<number[]> {
    const counts: number[] = [];
    for (const name of queues) {
      let count = 0;
      while ((await channel.get(name, { noAck: true })) !== false) count++;
      counts.push(count);
    }
    return counts;
  }

  /** Whether a record came back as one that no queue got. */
  async function isReturned(source: string, key: string): Promise<boolean> {
    const confirmed = await connection.createConfirmChannel();
    let count = 0;
    confirmed.on('return', () => count++);
    confirmed.publish(source, key, NOTHING, { mandatory: true });
    await confirmed.waitForConfirms(); // A return comes before the confirm.
    await confirmed.close();
    return count === 1;
  }

  /** The code that a channel is closed with. */
  async function refusal(run: (used: Channel) => unknown): Promise<number> {
    const used = await connection.createChannel();
    const refused = new Promise<number>((resolve) => {
      used.once('error', (error: Error & { code?: number }) => resolve(error.code ?? 0));
    });
    await Promise.resolve(run(used)).catch(() => {}); // The channel says it as well.
    return refused;
  }

  describe('keys', () => {
    test.each([
      ['', '', true],
      ['', '#', true],
      ['', '#.#', true],
      ['', '*', false],
      ['.', '*.*', true],
      ['.', '*', false],
      ['a.', 'a', false],
      ['a.', 'a.*', true],
      ['.a', '*.a', true],
      ['a..b', 'a.*.b', true],
      ['a..b', 'a.b', false],
      ['a', '.a', false],
      ['a.b', 'a.b.#', true],
      ['a.b', 'a*', false],
      ['a.b', 'a.b#', false],
      ['a*', 'a*', true],
      ['A', 'a', false],
      [`a.${'b'.repeat(253)}`, 'a.*', true],
      [`${'ü'.repeat(127)}.`, '*.*', true],
    ])('%j and the pattern %j: %s', async (key, pattern, isMatch) => {
      const source = await exchange('topic');
      const name = await bound(source, pattern);
      channel.publish(source, key, NOTHING);
      expect(await copies([name])).toEqual([isMatch ? 1 : 0]);
    });
  });

  describe('header values', () => {
    test.each([
      ['text and the same bytes', '1', Buffer.from('1'), true],
      ['text and a number', '1', 1, false],
      ['text and a boolean', 'true', true, false],
      ['integers of two sizes', typed('short', 1), typed('long', 1), true],
      ['an integer and the equal double', typed('int', 1), typed('double', 1), true],
      ['a boolean and one', true, 1, false],
      ['void in both', null, null, true],
      ['void in the binding, anything in the record', null, 'a', true],
      ['void in the record, empty text in the binding', '', null, false],
      ['equal arrays', [1, 'a'], [1, 'a'], true],
      ['arrays with integers of two sizes', [typed('short', 1)], [typed('long', 1)], false],
      ['tables in the same order', { a: 1, b: 2 }, { a: 1, b: 2 }, true],
      ['tables in another order', { a: 1, b: 2 }, { b: 2, a: 1 }, false],
    ])('%s: %j in the binding, %j in the record: %s', async (_name, wanted, found, isMatch) => {
      const source = await exchange('headers');
      const name = await bound(source, '', { h: wanted });
      channel.publish(source, '', NOTHING, { headers: { h: found } });
      expect(await copies([name])).toEqual([isMatch ? 1 : 0]);
    });

    test.each(['some', 'ALL', '', 1, true, null])('x-match %j is refused', async (match) => {
      const source = await exchange('headers');
      const name = await queue();
      const bind = (used: Channel) => used.bindQueue(name, source, '', { 'x-match': match });
      expect(await refusal(bind)).toBe(406);
    });

    test('an unknown x-match is no matter elsewhere', async () => {
      const source = await exchange('topic');
      const name = await bound(source, '#', { 'x-match': 'some' });
      channel.publish(source, 'a', NOTHING);
      expect(await copies([name])).toEqual([1]);
    });
  });

  describe('alternates', () => {
    test('one that is missing drops, and the record is returned', async () => {
      const source = await exchange('direct', { alternateExchange: 'missing' });
      expect(await isReturned(source, 'a')).toBe(true);
    });

    test('one that is declared later is used from then on', async () => {
      const later = `exchange-${named++}`;
      const source = await exchange('direct', { alternateExchange: later });
      await channel.assertExchange(later, 'fanout', { durable: false });
      const name = await bound(later);
      channel.publish(source, 'a', NOTHING);
      expect(await copies([name])).toEqual([1]);
    });

    test('the default exchange as one puts nothing into the queue of that name', async () => {
      const source = await exchange('direct', { alternateExchange: '' });
      const name = await queue();
      channel.publish(source, name, NOTHING);
      expect(await copies([name])).toEqual([0]);
    });

    test('not used when a binding to an exchange matched that leads nowhere', async () => {
      const alternate = await exchange('fanout');
      const source = await exchange('fanout', { alternateExchange: alternate });
      await channel.bindExchange(await exchange('fanout'), source, '');
      const name = await bound(alternate);
      channel.publish(source, '', NOTHING);
      expect(await copies([name])).toEqual([0]);
      expect(await isReturned(source, '')).toBe(true);
    });

    test('not used when the binding that matched leads back to the exchange itself', async () => {
      const alternate = await exchange('fanout');
      const source = await exchange('fanout', { alternateExchange: alternate });
      await channel.bindExchange(source, source, '');
      const name = await bound(alternate);
      channel.publish(source, '', NOTHING);
      expect(await copies([name])).toEqual([0]);
    });

    test("an exchange that is reached by a binding has its own used, beside others' queues", async () => {
      const alternate = await exchange('fanout');
      const inner = await exchange('direct', { alternateExchange: alternate });
      const source = await exchange('fanout');
      await channel.bindExchange(inner, source, '');
      const queues = [await bound(source), await bound(inner, 'b'), await bound(alternate)];
      channel.publish(source, 'a', NOTHING);
      expect(await copies(queues)).toEqual([1, 0, 1]);
    });

    test('a chain of them that leads to a queue is no reason to return a record', async () => {
      const last = await exchange('fanout');
      const middle = await exchange('topic', { alternateExchange: last });
      const source = await exchange('headers', { alternateExchange: middle });
      const name = await bound(last);
      expect(await isReturned(source, 'a')).toBe(false);
      expect(await copies([name])).toEqual([1]);
    });

    test('they may lead in a circle', async () => {
      const first = `exchange-${named++}`;
      const second = await exchange('direct', { alternateExchange: first });
      await channel.assertExchange(first, 'direct', { alternateExchange: second });
      expect(await isReturned(first, 'a')).toBe(true);
    });
  });

  describe('bindings', () => {
    test('bound twice is bound once, and one unbind ends it', async () => {
      const source = await exchange('direct');
      const name = await bound(source, 'a');
      await channel.bindQueue(name, source, 'a');
      channel.publish(source, 'a', NOTHING);
      expect(await copies([name])).toEqual([1]);
      await channel.unbindQueue(name, source, 'a');
      channel.publish(source, 'a', NOTHING);
      expect(await copies([name])).toEqual([0]);
    });

    test('unbinding what is not bound is no mistake', async () => {
      const source = await exchange('direct');
      await expect(channel.unbindQueue(await queue(), source, 'a')).resolves.toEqual({});
    });

    test.each<readonly [string, KeyAndArguments, KeyAndArguments]>([
      ['fanout', ['a', {}], ['b', {}]],
      ['headers', ['a', { h: '1' }], ['b', { h: '1' }]],
      ['topic', ['#', {}], ['#', { h: '1' }]],
      ['headers', ['', {}], ['', { 'x-match': 'all' }]],
      ['headers', ['', { h: '1' }], ['', { h: Buffer.from('1') }]],
    ])('%s: %j and %j are two bindings', async (type, one, other) => {
      const source = await exchange(type);
      const name = await bound(source, ...one);
      await channel.bindQueue(name, source, ...other);
      await channel.unbindQueue(name, source, ...one);
      channel.publish(source, 'a', NOTHING, { headers: { h: '1' } });
      expect(await copies([name])).toEqual([1]);
    });

    test('an exchange may be bound to itself, and to one that is bound to it', async () => {
      const source = await exchange('fanout');
      const other = await exchange('fanout');
      await channel.bindExchange(source, source, '');
      await channel.bindExchange(other, source, '');
      await channel.bindExchange(source, other, '');
      const name = await bound(source);
      channel.publish(other, '', NOTHING);
      expect(await copies([name])).toEqual([1]);
    });

    test('with auto-delete an exchange goes with the last binding of which it is the source', async () => {
      const source = await exchange('fanout', { autoDelete: true });
      await channel.bindExchange(source, await exchange('fanout'), '');
      await channel.checkExchange(source);
      await channel.deleteQueue(await bound(source));
      expect(await refusal((used) => used.checkExchange(source))).toBe(404);
    });
  });

  describe('refused', () => {
    test('bindings of the default exchange, on either side', async () => {
      const source = await exchange('fanout');
      const name = await queue();
      expect(await refusal((used) => used.bindQueue(name, '', 'a'))).toBe(403);
      expect(await refusal((used) => used.unbindQueue(name, '', name))).toBe(403);
      expect(await refusal((used) => used.bindExchange('', source, ''))).toBe(403);
      expect(await refusal((used) => used.bindExchange(source, '', ''))).toBe(403);
    });

    test('publishing to an internal or missing exchange; not as one reached', async () => {
      const internal = await exchange('fanout', { internal: true });
      const source = await exchange('fanout', { alternateExchange: internal });
      const name = await bound(internal);
      expect(await refusal((used) => used.publish(internal, '', NOTHING))).toBe(403);
      expect(await refusal((used) => used.publish('missing', '', NOTHING))).toBe(404);
      channel.publish(source, '', NOTHING);
      expect(await copies([name])).toEqual([1]);
    });

    test('binding what is missing', async () => {
      const source = await exchange('fanout');
      const name = await queue();
      expect(await refusal((used) => used.bindQueue('missing', source, ''))).toBe(404);
      expect(await refusal((used) => used.bindQueue(name, 'missing', ''))).toBe(404);
      expect(await refusal((used) => used.bindExchange('missing', source, ''))).toBe(404);
    });

    test('declaring an exchange again otherwise', async () => {
      const source = await exchange('fanout', { alternateExchange: 'a' });
      const again = { durable: false, alternateExchange: 'b' };
      expect(await refusal((used) => used.assertExchange(source, 'fanout', again))).toBe(406);
      expect(await refusal((used) => used.assertExchange(source, 'direct', again))).toBe(406);
    });

    test('a CC header that is no array', async () => {
      const headers = { CC: 'a' };
      const source = await exchange('direct');
      expect(await refusal((used) => used.publish(source, '', NOTHING, { headers }))).toBe(406);
    });
  });

  test('an alternate gets what none of the keys matched, CC and BCC among them', async () => {
    const alternate = await exchange('fanout');
    const source = await exchange('direct', { alternateExchange: alternate });
    const queues = [await bound(source, 'a'), await bound(alternate)];
    channel.publish(source, 'x', NOTHING, { headers: { CC: ['y', 'a'] } });
    expect(await copies(queues)).toEqual([1, 0]);
    channel.publish(source, 'x', NOTHING, { headers: { CC: ['y'], BCC: ['a'] } });
    expect(await copies(queues)).toEqual([1, 0]);
    channel.publish(source, 'x', NOTHING, { headers: { CC: ['y'], BCC: ['z'] } });
    expect(await copies(queues)).toEqual([0, 1]);
  });

  test('a key that comes twice brings one copy; CC has no limit, and what is no text is none', async () => {
    const source = await exchange('topic');
    const queues = [await bound(source, 'a'), await bound(source, '#'), await bound(source, 'b')];
    channel.publish(source, 'a', NOTHING, { headers: { CC: ['a', 'a.b', 'a'], BCC: ['a'] } });
    expect(await copies(queues)).toEqual([1, 1, 0]);
    const many = Array.from({ length: 5000 }, (_, at) => `n${at}`);
    const odd = [7, null, Buffer.from('b').toJSON(), 'x'.repeat(300)];
    channel.publish(source, 'x', NOTHING, { headers: { CC: [...odd, ...many] } });
    expect(await copies(queues)).toEqual([0, 1, 0]);
    channel.publish(source, 'x', NOTHING, { headers: { CC: [...odd, ...many, 'a'] } });
    expect(await copies(queues)).toEqual([1, 1, 0]);
  });

  test('CC and BCC are keys for each exchange on the way; BCC alone is taken out', async () => {
    const inner = await exchange('direct');
    const source = await exchange('topic');
    await channel.bindExchange(inner, source, 'b.*');
    const queues = [await bound(source, 'a'), await bound(inner, 'c'), await bound(inner, 'a')];
    const headers = { CC: ['b.x'], BCC: ['c'] };
    channel.publish(source, 'a', NOTHING, { headers });
    const got = await channel.get(queues[1] ?? '', { noAck: true });
    expect(got !== false && got.properties.headers).toEqual({ CC: ['b.x'] });
    expect(got !== false && got.fields.routingKey).toBe('a');
    expect(await copies(queues)).toEqual([1, 0, 1]);
  });
});
