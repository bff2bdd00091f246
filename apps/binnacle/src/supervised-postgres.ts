import { type RunningPostgres, startPostgres } from '@binnacle/store/postgres'

/**
 * The embedded Postgres, started again on its port and its data when it dies. The other processes reconnect by themselves; until then they wait or
 * refuse.
 *
 *     starting ──answers──▶ running ──exit──▶ waiting ──back-off──▶ starting
 *                              └────────── stop() ──▶ stopped
 */

const restartMsMin = 100
const restartMsMax = 5000

/** See the file's head. */
export class SupervisedPostgres {
  readonly #dataDir: string
  readonly #onEvent: (text: string) => void
  #running: RunningPostgres | undefined
  #restarting: Promise<void> | undefined
  #stopping = false

  constructor(dataDir: string, onEvent: (text: string) => void) {
    this.#dataDir = dataDir
    this.#onEvent = onEvent
  }

  /** Starts it and gives its URL, which stays the same. @throws Error with one sentence */
  async start(): Promise<string> {
    const first = startPostgres({ dataDir: this.#dataDir }).then((postgres) => this.#watch(postgres))
    // A stop that comes meanwhile waits for it, and ends it.
    this.#restarting = first.then(
      () => undefined,
      () => undefined,
    )
    return (await first).url
  }

  /** Ends it in the fast way. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#restarting
    await this.#running?.stop()
  }

  #watch(postgres: RunningPostgres): RunningPostgres {
    this.#running = postgres
    void postgres.ended.then((how) => {
      if (this.#stopping) return
      this.#onEvent(`Postgres ended with ${how}; starting it again`)
      this.#restarting = this.#restart(Number(new URL(postgres.url).port))
    })
    return postgres
  }

  async #restart(port: number): Promise<void> {
    for (let delayMs = restartMsMin; !this.#stopping; delayMs = Math.min(delayMs * 2, restartMsMax)) {
      // Sessions of a postmaster that was killed hold its memory until they have noticed: the first tries may be too early.
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      try {
        this.#watch(await startPostgres({ dataDir: this.#dataDir, port }))
        this.#onEvent('Postgres is back')
        return
      } catch (error) {
        this.#onEvent(`Postgres could not start: ${(error as Error).message}`)
      }
    }
  }
}
