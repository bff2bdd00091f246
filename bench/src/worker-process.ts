import { type ChildProcess, fork } from 'node:child_process'
import { endProcess } from './child.ts'
import type { Cleanup } from './cleanup.ts'

/** A Node process of the benchmark's own that takes orders and answers each with one value: load must not run in the process that measures. */
export class WorkerProcess<Order, Answer> {
  readonly #child: ChildProcess
  readonly #waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = []

  constructor(cleanup: Cleanup, file: string, setup: unknown, nodeOptions: readonly string[] = []) {
    this.#child = fork(new URL(file, import.meta.url), [JSON.stringify(setup)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [...process.execArgv, ...nodeOptions],
    })
    this.#child.on('message', ({ answer, failure }: { answer: Answer; failure?: string }) => {
      const next = this.#waiting.shift()
      if (failure === undefined) next?.resolve(answer)
      else next?.reject(new Error(failure))
    })
    this.#child.on('exit', (code) => {
      for (const waiting of this.#waiting.splice(0)) waiting.reject(new Error(`${file} ended with exit code ${code}`))
    })
    cleanup.add(() => endProcess(this.#child))
  }

  /** Ends it before the cleanup does. */
  end(): void {
    this.#child.disconnect()
  }

  /** Orders are carried out as they come; answers come in the order in which the work ends, so ask one at a time. */
  ask(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#child.send(order as object)
    })
  }
}

/** The other side: carries out orders; `start` gets the setup and gives what does it. */
export async function serveOrders<Setup, Order, Answer>(
  start: (setup: Setup) => Promise<(order: Order) => Promise<Answer>>,
): Promise<void> {
  const ready = start(JSON.parse(process.argv[2] as string) as Setup)
  process.on('message', (order: Order) => {
    ready
      .then((serve) => serve(order))
      .then(
        (answer) => process.send?.({ answer }),
        (error: Error) => process.send?.({ failure: error.stack ?? error.message }),
      )
  })
  process.on('disconnect', () => process.exit(0))
  process.on('SIGTERM', () => process.exit(0))
  await ready
}
