/** Histories that come close to a broken promise and break none; and those that prove nothing. */
import { describe, expect, test } from 'vitest';
import { checkQueueHistory } from '../../support/queue-check/check-queue-history.ts';
import { FORGED, kindsIn, type Write } from '../../support/queue-check/forged-kinds.ts';
import { BrokenHistoryError } from '../../support/queue-check/history.ts';
import { HistoryForge } from '../../support/queue-check/history-forge.ts';
import { DISK_FULL } from '../../support/queue-check/lease-facts.ts';

const LEGAL: readonly [string, Write][] = [
  ['nothing at all', () => undefined],
  ['a record that is acknowledged', (forge) => forge.send('a').ack(forge.deliver('a'))],
  [
    'an indeterminate send that is delivered, and one that is not',
    (forge) => {
      forge.send('a', 'indeterminate').send('b', null).send('c', null);
      forge.ack(forge.deliver('a')).ack(forge.deliver('b'));
    },
  ],
  ['a refused send that is not there', (forge) => forge.send('a', 'failed')],
  [
    'sends of one key that overlap and lie the other way round',
    (forge) => {
      forge.send('a.1', null, { partition: 0, offset: 1 });
      forge.send('a.2', null, { partition: 0, offset: 0 });
      forge.sendEnded('a.1', 'ok').sendEnded('a.2', 'ok');
      forge.ack(forge.deliver('a.2')).ack(forge.deliver('a.1'));
    },
  ],
  [
    'a delivery before its send is answered',
    (forge) => forge.send('a', null).ack(forge.deliver('a')).sendEnded('a', 'ok'),
  ],
  [
    'a second delivery after a release',
    (forge) => {
      forge.send('a').release(forge.deliver('a'));
      forge.ack(forge.deliver('a', { attempt: 2 }));
    },
  ],
  [
    'a second delivery before the release is answered',
    (forge) => {
      forge.send('a');
      forge.release(forge.deliver('a'), {}, null);
      const { call } = forge;
      const next = forge.deliver('a', { attempt: 2 });
      forge.settleEnded(call, 'ok').ack(next);
    },
  ],
  [
    'a second delivery after a delay',
    (forge) => {
      forge.send('a').release(forge.deliver('a'), { delayMs: 500, isFailed: true });
      forge.wait(500).ack(forge.deliver('a', { attempt: 2, failures: 1 }));
    },
  ],
  [
    'a second delivery before the delay is over, for the clock was set forward',
    (forge) => {
      forge.send('a').release(forge.deliver('a'), { delayMs: 500 });
      forge
        .setClock(600)
        .setClock(-600)
        .ack(forge.deliver('a', { attempt: 2 }));
    },
  ],
  [
    'a second delivery long after its delay, which began while the clock was ahead',
    (forge) => {
      forge.setClock(1000).send('a').release(forge.deliver('a'), { delayMs: 500 });
      forge
        .kill()
        .start()
        .wait(1500)
        .ack(forge.deliver('a', { attempt: 2 }));
    },
  ],
  [
    'a second delivery after an expiry, with an acknowledgement that came too late',
    (forge) => {
      const stale = forge.send('a').deliver('a');
      forge.wait(1000).lost(stale);
      forge.ack(forge.deliver('a', { attempt: 2, expiries: 1 })).ack(stale, 'failed');
    },
  ],
  [
    'a second delivery after the time of a renewed lease',
    (forge) => {
      forge.send('a').renew(forge.deliver('a'));
      forge.wait(1000).ack(forge.deliver('a', { attempt: 2, expiries: 1 }));
    },
  ],
  [
    'an acknowledgement in a lease that a stop prolonged',
    (forge) => {
      const token = forge.send('a').deliver('a');
      forge.stop(5000).ack(token);
    },
  ],
  [
    'an acknowledgement in a lease that a handler prolonged which blocked the event loop',
    (forge) => {
      const token = forge.send('a').deliver('a');
      forge.block(5000).ack(token);
    },
  ],
  [
    'an expiry whose time a stop interrupted',
    (forge) => {
      forge.send('a').deliver('a');
      forge.wait(500).stop(5000).wait(500);
      forge.ack(forge.deliver('a', { attempt: 2, expiries: 1 }));
    },
  ],
  [
    'an acknowledgement twice',
    (forge) => {
      const token = forge.send('a').deliver('a');
      forge.ack(token).ack(token);
    },
  ],
  [
    'a release after an acknowledgement that is refused',
    (forge) => {
      const token = forge.send('a').deliver('a');
      forge.ack(token).release(token, {}, 'failed');
    },
  ],
  [
    'a release that is refused beside an acknowledgement, which finds no room',
    (forge) => {
      const token = forge.send('a').deliver('a');
      const { call } = forge.settle('ack', token, null);
      forge.release(token, {}, 'failed').settleEnded(call, 'failed', DISK_FULL).ack(token);
    },
  ],
  [
    'an acknowledgement that a kill cut off and that took effect',
    (forge) => forge.send('a').ack(forge.deliver('a'), null).kill().start(),
  ],
  [
    'an acknowledgement that a kill cut off and that took none',
    (forge) => {
      forge.send('a').ack(forge.deliver('a'), null).kill().start();
      forge.ack(forge.deliver('a', { attempt: 2, crashes: 1 }));
    },
  ],
  [
    'a failed release that a kill cut off, with and without effect',
    (forge) => {
      forge.send('a').send('b');
      forge.release(forge.deliver('a'), { isFailed: true }, null);
      forge.release(forge.deliver('b'), { isFailed: true }, null).kill().start();
      forge.ack(forge.deliver('a', { attempt: 2, failures: 1 }));
      forge.ack(forge.deliver('b', { attempt: 2, crashes: 1 }));
    },
  ],
  [
    'attempts that a kill kept from being seen',
    (forge) => {
      forge.send('a').send('b').release(forge.deliver('a')).kill().start().kill().start();
      forge.ack(forge.deliver('a', { attempt: 3, crashes: 1 }));
      forge.ack(forge.deliver('b', { attempt: 3, crashes: 2 }));
    },
  ],
  [
    'a lease that expired before the kill',
    (forge) => {
      forge.send('a').deliver('a');
      forge
        .wait(1000)
        .kill()
        .start()
        .ack(forge.deliver('a', { attempt: 2, expiries: 1 }));
    },
  ],
  [
    'a suspect whose crashes count as failures from the fourth on',
    (forge) => {
      forge.send('a').deliver('a');
      for (let crashes = 1; crashes <= 5; crashes++) {
        const failures = Math.max(0, crashes - 3);
        forge
          .kill()
          .start()
          .deliver('a', { attempt: crashes + 1, crashes, failures });
      }
      forge.kill().start().dead('a', 'crash', 6);
    },
  ],
  [
    'a suspect beside an innocent record, and one suspect after the other',
    (forge) => {
      forge.send('a').send('b').send('c').kill().start().kill().start().kill().start();
      const innocent = forge.deliver('c', { attempt: 3, crashes: 2 });
      forge.ack(forge.deliver('a', { attempt: 4, crashes: 3 }));
      forge.ack(forge.deliver('b', { attempt: 4, crashes: 3 })).ack(innocent);
    },
  ],
  [
    'a record that a clean end gave back',
    (forge) => {
      forge.send('a').deliver('a');
      forge
        .close()
        .start()
        .ack(forge.deliver('a', { attempt: 2 }));
    },
  ],
  [
    'a dead letter that was looked at twice',
    (forge) => {
      const copy = { partition: 0, offset: 0 };
      forge.send('a').reject(forge.deliver('a')).dead('a', 'rejected', 1, copy);
      forge.dead('a', 'rejected', 1, copy);
    },
  ],
  [
    'a rejection that a kill cut off and that took effect',
    (forge) => {
      forge.send('a').reject(forge.deliver('a'), null).kill().start().dead('a', 'rejected');
    },
  ],
  [
    'a record that failed for the last time',
    (forge) => {
      forge.send('a');
      for (let failures = 0; failures < 3; failures++) {
        const token = forge.deliver('a', { attempt: failures + 1, failures });
        forge.release(token, { isFailed: true });
      }
      forge.dead('a', 'failures', 3);
    },
  ],
  [
    'a record that expired for the last time',
    (forge) => {
      forge.send('a');
      for (let expiries = 0; expiries < 3; expiries++) {
        forge.deliver('a', { attempt: expiries + 1, expiries });
        forge.wait(1000);
      }
      forge.dead('a', 'lease-expired', 3);
    },
  ],
];

describe('the checker is content with', () => {
  test.each(LEGAL)('%s', (_what, write) => {
    expect(kindsIn(write)).toEqual([]);
  });
});

describe('the checker calls vacuous', () => {
  test('a history that was never drained, and says nothing of what was not seen', () => {
    const forge = new HistoryForge().start().send('a').close();
    const { violations } = checkQueueHistory(forge.events, FORGED);
    expect(violations.map(({ kind }) => kind)).toEqual(['vacuous']);
  });

  test.each([
    ['acked', 2],
    ['kills', 1],
    ['redeliveries', 1],
  ])('a history with too few %s', (name, minimum) => {
    const forge = new HistoryForge().start().send('a');
    forge.ack(forge.deliver('a')).drained().close();
    const minimums = { acked: 1, ackedDeliveries: 1, [name]: minimum };
    const { violations } = checkQueueHistory(forge.events, { ...FORGED, minimums });
    expect(violations).toEqual([
      { kind: 'vacuous', text: expect.stringContaining(`${name}: `) as string },
    ]);
  });
});

describe('the counts', () => {
  test('are those of the multisets', () => {
    const forge = new HistoryForge()
      .start()
      .send('a')
      .send('b', null)
      .send('c', 'failed')
      .send('d');
    forge.release(forge.deliver('a')).ack(forge.deliver('a', { attempt: 2 }));
    forge.ack(forge.deliver('b'), null).stop(10).kill().start();
    const late = forge.deliver('b', { attempt: 2, crashes: 1 });
    forge.wait(1000).renew(late, 'failed');
    forge.reject(forge.deliver('b', { attempt: 3, crashes: 1, expiries: 1 }));
    forge.dead('b', 'rejected', 3).drained().close();
    expect(checkQueueHistory(forge.events, FORGED).counts).toEqual({
      attempts: 4,
      acked: 2,
      indeterminate: 1,
      refusedSends: 1,
      recovered: 1,
      deliveries: 5,
      delivered: 2,
      ackedDeliveries: 1,
      lost: 1,
      unexpected: 0,
      redeliveries: 3,
      afterRelease: 1,
      afterExpiry: 1,
      afterCrash: 1,
      releases: 1,
      renewals: 0,
      staleRefused: 1,
      fullRefused: 0,
      dead: 1,
      deadByCrash: 0,
      kills: 1,
      stops: 1,
      stalls: 0,
      clockSets: 0,
    });
  });
});

describe('a history that no process can have written is refused:', () => {
  test.each<[string, Write]>([
    ['one id sent twice', (forge) => forge.send('a').send('a')],
    ['an answer to no send', (forge) => forge.sendEnded('a', 'ok')],
    ['a settlement of a token that nobody has', (forge) => forge.ack(tokenOfNobody)],
    ['an answer to no settlement', (forge) => forge.settleEnded(1, 'ok')],
  ])('%s', (_what, write) => {
    expect(() => kindsIn(write)).toThrow(BrokenHistoryError);
  });
});

const tokenOfNobody = { partition: 0, offset: 0, ownerEpoch: 1, leaseNumber: 1 };
