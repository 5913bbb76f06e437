/** Latencies in an HDR histogram (Node has one): fixed memory, three significant figures. */
import { createHistogram } from 'node:perf_hooks';

const NS_PER_MS = 1e6;
const HOUR_NS = 3.6e12;

/** In us; a percentile that no sample lies behind is the maximum. */
export type LatencyFigures = {
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly p9999Us: number;
  readonly maxUs: number;
};

export class LatencyHistogram {
  readonly #histogram = createHistogram({ lowest: 1, highest: HOUR_NS, figures: 3 });

  get count(): number {
    return this.#histogram.count;
  }

  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * NS_PER_MS)));
  }

  figures(): LatencyFigures {
    const us = (percentile: number) => this.#histogram.percentile(percentile) / 1e3;
    return {
      p50Us: us(50),
      p90Us: us(90),
      p99Us: us(99),
      p999Us: us(99.9),
      p9999Us: us(99.99),
      maxUs: this.#histogram.count === 0 ? 0 : this.#histogram.max / 1e3,
    };
  }
}
