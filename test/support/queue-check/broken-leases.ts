/** Smallest histories of leases and tokens that break a promise, with the kinds that must be found. */
import type { Forged } from './forged-kinds.ts';
import { DISK_FULL } from './lease-facts.ts';

const AGAIN = { attempt: 2 };

export const BROKEN_LEASES: readonly Forged[] = [
  [
    'two deliveries while the lease runs',
    ['counters', 'duplicated', 'overlap'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.ack(forge.deliver('a', AGAIN));
    },
  ],
  [
    'a second delivery after the time of the lease that no expiry explains',
    ['counters', 'duplicated'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.wait(2000).ack(forge.deliver('a', AGAIN));
    },
  ],
  [
    'a delivery after a refused release',
    ['counters', 'duplicated', 'live-refused', 'overlap'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'), {}, 'failed');
      forge.ack(forge.deliver('a', AGAIN));
    },
  ],
  [
    'two suspects at a time',
    ['suspects-together'],
    (forge) => {
      forge.send('a').send('b').kill().start().kill().start().kill().start();
      const one = forge.deliver('a', { attempt: 4, crashes: 3 });
      forge.ack(forge.deliver('b', { attempt: 4, crashes: 3 })).ack(one);
    },
  ],
  [
    'an expiry long before its time',
    ['overlap'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.wait(500).ack(forge.deliver('a', { attempt: 2, expiries: 1 }));
    },
  ],
  [
    'an expiry before the time of a renewed lease',
    ['overlap'],
    (forge) => {
      forge.send('a').renew(forge.wait(800).deliver('a'));
      const token = forge.deliver('a', { attempt: 2, expiries: 1 });
      forge.ack(token);
    },
  ],
  [
    'a lease that runs while the process is stopped',
    ['overlap'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.stop(5000).ack(forge.deliver('a', { attempt: 2, expiries: 1 }));
    },
  ],
  [
    'a lease that runs while a handler blocks the event loop',
    ['overlap'],
    (forge) => {
      forge.send('a').deliver('a');
      forge.block(5000).ack(forge.deliver('a', { attempt: 2, expiries: 1 }));
    },
  ],
  [
    'a consumer that was told too early that its lease expired',
    ['early'],
    (forge) => {
      forge.send('a').lost(forge.deliver('a'));
      forge.wait(2000).ack(forge.deliver('a', { attempt: 2, expiries: 1 }));
    },
  ],
  [
    'a delayed record before its time',
    ['early'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'), { delayMs: 500 });
      forge.ack(forge.deliver('a', AGAIN));
    },
  ],
  [
    'a delayed record before its time, by a clock that was set back',
    ['early'],
    (forge) => {
      forge.send('a').release(forge.deliver('a'), { delayMs: 500 });
      forge.setClock(-1000).wait(600).ack(forge.deliver('a', AGAIN));
    },
  ],
  [
    'a delayed record before its time, which was counted from a clock that is right again',
    ['early'],
    (forge) => {
      forge.setClock(1000).send('a').release(forge.deliver('a'), { delayMs: 500 });
      forge.kill().start().wait(600).ack(forge.deliver('a', AGAIN));
    },
  ],
  [
    'a delivery after an acknowledgement',
    ['counters', 'resurrected'],
    (forge) => {
      forge.send('a').ack(forge.deliver('a'));
      forge.ack(forge.deliver('a', AGAIN));
    },
  ],
  [
    'a delivery after an acknowledgement and a kill',
    ['resurrected'],
    (forge) => {
      forge.send('a').ack(forge.deliver('a')).kill().start();
      forge.ack(forge.deliver('a', { attempt: 2, crashes: 1 }));
    },
  ],
  [
    'a delivery after a rejection',
    ['counters', 'resurrected'],
    (forge) => {
      forge.send('a').reject(forge.deliver('a'));
      forge.deliver('a', AGAIN);
      forge.dead('a', 'rejected', 2);
    },
  ],
  [
    'a delivery after a kill of what is in the dead-letter queue',
    ['resurrected'],
    (forge) => {
      forge.send('a').reject(forge.deliver('a'), null).kill().start().dead('a', 'rejected', 2);
      forge.deliver('a', { attempt: 2, crashes: 1 });
    },
  ],
  [
    'one token twice',
    ['token-reused'],
    (forge) => {
      forge.send('a').release(forge.deliver('a', { leaseNumber: 1 }));
      forge.ack(forge.deliver('a', { ...AGAIN, leaseNumber: 1 }));
    },
  ],
  [
    'lease numbers that go back',
    ['token-reused'],
    (forge) => {
      forge.send('a').release(forge.deliver('a', { leaseNumber: 2 }));
      forge.ack(forge.deliver('a', { ...AGAIN, leaseNumber: 1 }));
    },
  ],
  [
    'the owner epoch of the life before',
    ['token-reused'],
    (forge) => {
      forge.send('a').send('b').ack(forge.deliver('a')).kill().start();
      forge.ack(forge.deliver('b', { ownerEpoch: 1 }));
    },
  ],
  [
    'two owner epochs in one life',
    ['token-reused'],
    (forge) => {
      forge
        .send('a')
        .send('b')
        .ack(forge.deliver('a'))
        .ack(forge.deliver('b', { ownerEpoch: 2 }));
    },
  ],
  [
    'an acknowledgement that is accepted after the next delivery',
    ['stale-accepted'],
    (forge) => {
      const stale = forge.send('a').deliver('a');
      const token = forge.wait(1000).deliver('a', { attempt: 2, expiries: 1 });
      forge.ack(token).ack(stale);
    },
  ],
  [
    'an acknowledgement that is answered after the next delivery',
    ['stale-accepted'],
    (forge) => {
      forge.send('a');
      const token = forge.deliver('a');
      forge.wait(1000).ack(token, null);
      const { call } = forge;
      forge.deliver('a', { attempt: 2, expiries: 1 });
      forge.settleEnded(call, 'ok');
    },
  ],
  [
    'a renewal that is accepted after the next delivery',
    ['stale-accepted'],
    (forge) => {
      const stale = forge.send('a').deliver('a');
      const token = forge.wait(1000).deliver('a', { attempt: 2, expiries: 1 });
      forge.renew(stale).ack(token);
    },
  ],
  [
    'an acknowledgement that is accepted after its consumer heard that it had expired',
    ['stale-accepted'],
    (forge) => {
      const token = forge.send('a').deliver('a');
      forge.wait(1000).lost(token).ack(token);
    },
  ],
  [
    'a release that is accepted after the acknowledgement',
    ['stale-accepted'],
    (forge) => {
      const token = forge.send('a').deliver('a');
      forge.ack(token).release(token);
    },
  ],
  [
    'an acknowledgement that is refused while the lease runs',
    ['live-refused'],
    (forge) => {
      const token = forge.send('a').deliver('a');
      forge.ack(token, 'failed').ack(token);
    },
  ],
  [
    'a release that is refused after an acknowledgement that found no room',
    ['live-refused'],
    (forge) => {
      const token = forge.send('a').deliver('a');
      forge.settle('ack', token, null).settleEnded(forge.call, 'failed', DISK_FULL);
      forge.release(token, {}, 'failed').ack(token);
    },
  ],
  [
    'a renewal that is refused while the lease runs',
    ['live-refused'],
    (forge) => {
      const token = forge.send('a').deliver('a');
      forge.renew(token, 'failed').ack(token);
    },
  ],
];
