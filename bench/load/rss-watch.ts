/**
 * The resident memory of this process against what it had before: sampled by a timer and whenever
 * asked, and by the kernel's own high-water mark, which misses nothing.
 *
 * The mark is `VmHWM` where there is a /proc: `process.resourceUsage().maxRSS` also counts what the
 * parent had when it forked, and stands in for it elsewhere.
 */
import { readFileSync } from 'node:fs';

const SAMPLE_MS = 20;
const KIB = 1024;

export class RssWatch {
  /** When the watch began. */
  readonly bareBytes = process.memoryUsage.rss();
  #sampledPeakBytes = this.bareBytes;
  #samples = 0;
  readonly #timer = setInterval(() => this.sample(), SAMPLE_MS);

  /** Work that never returns to the event loop's timers calls this by itself. */
  sample(): void {
    this.#samples++;
    this.#sampledPeakBytes = Math.max(this.#sampledPeakBytes, process.memoryUsage.rss());
  }

  /** Since the watch began; the kernel's mark is the process's whole life. */
  figures() {
    this.sample();
    const peakRssBytes = Math.max(this.#sampledPeakBytes, highWaterBytes());
    return {
      bareRssBytes: this.bareBytes,
      peakRssBytes,
      sampledPeakRssBytes: this.#sampledPeakBytes,
      growthBytes: peakRssBytes - this.bareBytes,
      rssSamples: this.#samples,
    };
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function highWaterBytes(): number {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kib !== undefined) return Number(kib) * KIB;
  } catch {
    // No /proc here.
  }
  return process.resourceUsage().maxRSS * KIB;
}
