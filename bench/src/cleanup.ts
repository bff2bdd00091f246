import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** What has to be undone, last first. */
export class Cleanup {
  readonly #steps: (() => Promise<void> | void)[] = []

  add(step: () => Promise<void> | void): void {
    this.#steps.push(step)
  }

  /** A folder that is removed at the end. */
  folder(name: string): string {
    const folder = mkdtempSync(path.join(tmpdir(), `binnacle-bench-${name}-`))
    this.add(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  }

  /** Undoes everything; never throws: gives what went wrong. */
  async run(): Promise<Error[]> {
    const errors: Error[] = []
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step()
      } catch (error) {
        errors.push(error as Error)
      }
    }
    return errors
  }
}
