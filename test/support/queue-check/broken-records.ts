/** Smallest histories in which a record, its counters or its dead letter breaks a promise. */
import type { Forged } from './forged-kinds.ts';

const AGAIN = { attempt: 2 };

export const BROKEN_RECORDS: readonly Forged[] = [
  ['an acknowledged send that never came', ['lost'], (forge) => forge.send('a')],
  [
    'a delivery that nobody settled and that never came back',
    ['lost'],
    (forge) => forge.send('a').deliver('a'),
  ],
  [
    'a release that never came back',
    ['lost'],
    (forge) => forge.send('a').release(forge.deliver('a')),
  ],
  [
    'an indeterminate send that came once and was lost then',
    ['lost'],
    (forge) => forge.send('a', null).deliver('a'),
  ],
  [
    'an acknowledgement that was cut off before a last delivery',
    ['lost'],
    (forge) => {
      forge.send('a').ack(forge.deliver('a'), null).kill().start();
      forge.deliver('a', { attempt: 2, crashes: 1 });
    },
  ],
  [
    'a rejected record that is not in the dead-letter queue',
    ['lost'],
    (forge) => forge.send('a').reject(forge.deliver('a')),
  ],
  [
    'a last failure that is not in the dead-letter queue',
    ['lost'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'), { isFailed: true });
      forge.release(forge.deliver('a', { attempt: 2, failures: 1 }), { isFailed: true });
      forge.release(forge.deliver('a', { attempt: 3, failures: 2 }), { isFailed: true });
    },
  ],
  ['a delivery of what nobody sent', ['unexpected'], (forge) => forge.ack(forge.deliver('a'))],
  [
    'a dead letter of what nobody sent',
    ['dead-without-cause', 'unexpected'],
    (forge) => forge.dead('a', 'rejected'),
  ],
  [
    'another payload',
    ['changed'],
    (forge) => forge.send('a').ack(forge.deliver('a', { payload: 'payload of b' })),
  ],
  ['another key', ['changed'], (forge) => forge.send('a').ack(forge.deliver('a', { key: 'b' }))],
  [
    'a record that is not where its sender was told',
    ['changed', 'lost'],
    (forge) => forge.send('a').ack(forge.deliver('a', { place: { partition: 1, offset: 0 } })),
  ],
  [
    'two senders that were told one place',
    ['changed'],
    (forge) => {
      const place = { partition: 0, offset: 0 };
      forge.send('a', 'ok', place).send('b', 'ok', place).ack(forge.deliver('a'));
    },
  ],
  [
    'a refused send that was delivered',
    ['refused'],
    (forge) => forge.send('a', 'failed').ack(forge.deliver('a')),
  ],
  [
    'one send that made two records',
    ['copied'],
    (forge) => {
      forge.send('a', null).ack(forge.deliver('a'));
      forge.ack(forge.deliver('a', { place: { partition: 0, offset: 1 } }));
    },
  ],
  [
    'a later send of a key that lies before an earlier one',
    ['disordered'],
    (forge) => {
      forge.send('a.1', 'ok', { partition: 0, offset: 1 });
      forge.send('a.2', 'ok', { partition: 0, offset: 0 });
      forge.ack(forge.deliver('a.2')).ack(forge.deliver('a.1'));
    },
  ],
  [
    'a key in two partitions',
    ['disordered'],
    (forge) => {
      forge.send('a.1').send('a.2', 'ok', { partition: 1, offset: 5 });
      forge.ack(forge.deliver('a.1')).ack(forge.deliver('a.2'));
    },
  ],
  [
    'a first delivery that is not the first attempt',
    ['counters'],
    (forge) => forge.send('a').ack(forge.deliver('a', AGAIN)),
  ],
  [
    'an attempt that was not counted',
    ['counters'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'));
      forge.ack(forge.deliver('a'));
    },
  ],
  [
    'failures that go back',
    ['counters'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'), { isFailed: true });
      forge.release(forge.deliver('a', { attempt: 2, failures: 1 }));
      forge.ack(forge.deliver('a', { attempt: 3 }));
    },
  ],
  [
    'a release that counts as a failure and is none',
    ['counters'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'));
      forge.ack(forge.deliver('a', { attempt: 2, failures: 1 }));
    },
  ],
  [
    'a failure that does not count',
    ['counters'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'), { isFailed: true });
      forge.ack(forge.deliver('a', AGAIN));
    },
  ],
  [
    'an expiry that counts as a failure',
    ['counters'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.wait(1000).ack(forge.deliver('a', { attempt: 2, expiries: 1, failures: 1 }));
    },
  ],
  [
    'a crash that is not counted',
    ['counters'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.kill().start().ack(forge.deliver('a', AGAIN));
    },
  ],
  [
    'a crash without a kill',
    ['counters'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.wait(1000).ack(forge.deliver('a', { attempt: 3, expiries: 1, crashes: 1 }));
    },
  ],
  [
    'a neighbour that a first crash condemns',
    ['counters'],
    (forge) => {
      forge.send('a').deliver('a');
      forge
        .kill()
        .start()
        .ack(forge.deliver('a', { attempt: 2, crashes: 1, failures: 1 }));
    },
  ],
  [
    'an attempt of a crash that is forgotten',
    ['counters'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.kill().start();
      forge.ack(forge.deliver('a', { attempt: 1, crashes: 1 }));
    },
  ],
  [
    'a record that lives with too many failures',
    ['counters'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'), { isFailed: true });
      forge.release(forge.deliver('a', { attempt: 2, failures: 1 }), { isFailed: true });
      const token = forge.deliver('a', { attempt: 3, failures: 2 });
      forge.release(token, { isFailed: true });
      forge.release(forge.deliver('a', { attempt: 4, failures: 3 }), { isFailed: true });
      forge.dead('a', 'failures', 4);
    },
  ],
  [
    'a dead letter that forgets attempts',
    ['counters'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'));
      forge.reject(forge.deliver('a', AGAIN)).dead('a', 'rejected', 1);
    },
  ],
  [
    'two dead letters of one record',
    ['dead-twice'],
    (forge) => {
      forge.send('a').reject(forge.deliver('a')).dead('a', 'rejected').dead('a', 'rejected');
    },
  ],
  [
    'a record that is acknowledged and dead',
    ['dead-and-acked'],
    (forge) => {
      const token = forge.send('a').deliver('a');
      forge.reject(token, null).kill().start();
      forge.ack(forge.deliver('a', { attempt: 2, crashes: 1 })).dead('a', 'rejected', 2);
    },
  ],
  [
    'a dead letter by rejection that nobody asked for',
    ['dead-without-cause'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'));
      forge.dead('a', 'rejected');
    },
  ],
  [
    'a dead letter by failures after the first',
    ['dead-without-cause'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'), { isFailed: true }).dead('a', 'failures');
    },
  ],
  [
    'a dead letter by expiry after the first',
    ['dead-without-cause'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.wait(1000).dead('a', 'lease-expired');
    },
  ],
  [
    'a dead letter by crash without a kill',
    ['dead-without-cause'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.dead('a', 'crash');
    },
  ],
];
