/** A clock that stands still until a test moves it. */
export class FakeClock {
  #nowMs: number

  /** Starts on a whole second, because times of objects have no fractions. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs
  }

  /** Milliseconds since 1970. */
  nowMs = (): number => this.#nowMs

  /** Moves time forward, in milliseconds. */
  advance(ms: number): void {
    this.#nowMs += ms
  }
}
