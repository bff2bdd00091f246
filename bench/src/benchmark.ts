import type { Cleanup } from './cleanup.ts'
import type { Figure } from './figure.ts'

/** What a benchmark gets to work with. */
export interface BenchmarkContext {
  /** Short rounds, for trying the benchmark itself: the figures mean little. */
  readonly quick: boolean
  /** What is given to it is undone when the benchmark ends, however it ends. */
  readonly cleanup: Cleanup
  /** Says on standard error what is going on. */
  log(text: string): void
  /** Waits, for a bounded time, until the machine has nothing else to do, and records how idle it was. */
  quiet(): Promise<void>
}

/** A benchmark: bounded in time and count. */
export interface Benchmark {
  readonly name: string
  readonly title: string
  run(context: BenchmarkContext): Promise<readonly Figure[]>
}
