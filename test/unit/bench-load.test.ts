/** The parts of the latency, stall and memory benches that measure: schedule, generator, watches. */
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { poissonArrivals } from '../../bench/load/arrivals.ts';
import { LatencyHistogram } from '../../bench/load/latency-histogram.ts';
import { runOpenLoop } from '../../bench/load/open-loop.ts';
import { RssWatch } from '../../bench/load/rss-watch.ts';
import { StallWatch } from '../../bench/load/stall-watch.ts';
import { SeededRandom } from '../../src/index.ts';

const MIB = 1024 * 1024;

describe('poissonArrivals', () => {
  test('ascends, has the rate asked for, and gaps that vary as exponential ones do', () => {
    const arrivals = poissonArrivals(20_000, 1000, new SeededRandom(7));
    const gaps = arrivals.map((atMs, n) => atMs - (arrivals[n - 1] ?? 0));
    const meanMs = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const variance = gaps.reduce((sum, gap) => sum + (gap - meanMs) ** 2, 0) / gaps.length;
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
    expect(meanMs).toBeCloseTo(1, 1);
    expect(Math.sqrt(variance) / meanMs).toBeCloseTo(1, 1);
  });

  test('is the same for the same seed, and finite for the extremes of chance', () => {
    const make = (seed: number) => poissonArrivals(100, 50, new SeededRandom(seed));
    expect(make(1)).toEqual(make(1));
    expect(make(1)).not.toEqual(make(2));
    const highest = poissonArrivals(3, 1, { next: () => 1 - 2 ** -53 });
    expect(highest.every((atMs) => Number.isFinite(atMs))).toBe(true);
    expect([...poissonArrivals(3, 1, { next: () => 0 })]).toEqual([0, 0, 0]);
  });
});

describe('runOpenLoop', () => {
  test('issues every call in order, none before its time', async () => {
    const arrivals = Float64Array.of(0, 1, 1, 5, 12);
    const issued: { n: number; atMs: number }[] = [];
    let startMs = 0;
    const call = async (n: number) => {
      issued.push({ n, atMs: performance.now() - startMs });
    };
    const result = await runOpenLoop({ arrivals, call }, (atMs) => (startMs = atMs));
    expect(issued.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4]);
    for (const { n, atMs } of issued) expect(atMs).toBeGreaterThanOrEqual(arrivals[n] as number);
    expect(result.elapsedMs).toBeGreaterThanOrEqual(12);
  });

  test('does not wait for answers: calls that take long overlap', async () => {
    let inFlight = 0;
    let inFlightMax = 0;
    const call = async () => {
      inFlightMax = Math.max(inFlightMax, ++inFlight);
      await pause(30);
      inFlight--;
    };
    await runOpenLoop({ arrivals: Float64Array.of(0, 1, 2, 3, 4), call });
    expect(inFlightMax).toBe(5);
    expect(inFlight).toBe(0);
  });

  test('a blocked loop makes calls late, and says so; their time still counts from the schedule', async () => {
    const arrivals = Float64Array.of(0, 10, 11);
    const latencies: number[] = [];
    let startMs = 0;
    const call = async (n: number) => {
      if (n === 0) block(40);
      latencies.push(performance.now() - startMs - (arrivals[n] as number));
    };
    const result = await runOpenLoop({ arrivals, call }, (atMs) => (startMs = atMs));
    expect(result.lateCount).toBeGreaterThanOrEqual(2);
    expect(result.lateMaxMs).toBeGreaterThanOrEqual(29);
    expect(latencies[1]).toBeGreaterThanOrEqual(29);
    expect(latencies[2]).toBeGreaterThanOrEqual(28);
  });

  test('ends with the first failure, and with nothing to do', async () => {
    const call = (n: number) => (n === 1 ? Promise.reject(new Error('full')) : Promise.resolve());
    const failing = runOpenLoop({ arrivals: Float64Array.of(0, 1, 2, 3e6), call });
    await expect(failing).rejects.toThrow('full');
    const nothing = await runOpenLoop({ arrivals: new Float64Array(0), call });
    expect(nothing).toMatchObject({ lateCount: 0, lateMaxMs: 0 });
  });
});

describe('LatencyHistogram', () => {
  test('finds percentiles to three figures, in us', () => {
    const histogram = new LatencyHistogram();
    for (let n = 1; n <= 10_000; n++) histogram.record(n / 1000); // 1 us to 10 ms
    const figures = histogram.figures();
    expect(histogram.count).toBe(10_000);
    expect(figures.p50Us / 5000).toBeCloseTo(1, 2);
    expect(figures.p90Us / 9000).toBeCloseTo(1, 2);
    expect(figures.p99Us / 9900).toBeCloseTo(1, 2);
    expect(figures.p999Us / 9990).toBeCloseTo(1, 2);
    expect(figures.p9999Us / 9999).toBeCloseTo(1, 2);
    expect(figures.maxUs / 10_000).toBeCloseTo(1, 2);
  });

  test('one slow call in a thousand is in p99.9 and the maximum, not in p99', () => {
    const histogram = new LatencyHistogram();
    for (let n = 0; n < 998; n++) histogram.record(0.1);
    histogram.record(500);
    histogram.record(500);
    const { p99Us, p999Us, maxUs } = histogram.figures();
    expect(p99Us).toBeLessThan(101);
    expect(p999Us).toBeGreaterThan(499_000);
    expect(maxUs).toBeGreaterThan(499_000);
  });

  test('takes zero, the clock went nowhere, and hours', () => {
    const histogram = new LatencyHistogram();
    expect(histogram.figures().maxUs).toBe(0);
    histogram.record(0);
    histogram.record(30 * 60 * 1000);
    expect(histogram.figures().maxUs).toBeGreaterThan(1.79e9);
  });
});

test('StallWatch sees a loop that was blocked, by both clocks, and after the last turn', async () => {
  const quiet = new StallWatch();
  block(25);
  expect(quiet.stop().maxStallMs).toBeGreaterThanOrEqual(25);
  const watch = new StallWatch();
  await pause(10);
  block(40);
  await pause(10);
  const figures = watch.stop();
  expect(figures.maxStallMs).toBeGreaterThanOrEqual(40);
  expect(figures.timerMaxStallMs).toBeGreaterThanOrEqual(35);
  expect(figures.turns).toBeGreaterThan(10);
});

test('RssWatch sees memory that was touched, also when it is gone', () => {
  const watch = new RssWatch();
  let touched: Buffer | null = Buffer.alloc(256 * MIB, 1);
  watch.sample();
  expect(touched.length).toBe(256 * MIB);
  touched = null;
  const { bareRssBytes, peakRssBytes, growthBytes } = watch.figures();
  watch.stop();
  // Earlier tests of the process may have left free memory to this one.
  expect(peakRssBytes).toBeGreaterThan(256 * MIB);
  expect(growthBytes).toBe(peakRssBytes - bareRssBytes);
});

function block(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}
