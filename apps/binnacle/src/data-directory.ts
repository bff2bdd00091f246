import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { PlainError } from './options.ts'

/** Addresses of a running Binnacle, as `endpoints.json` holds them for people and scripts. */
export interface Endpoints {
  readonly api: string
  readonly graphql: string
  readonly graphqlWs: string
  readonly dashboard: string | null
}

/** Paths of everything in a data directory. */
export class DataDirectory {
  readonly path: string
  constructor(directory: string) {
    this.path = directory
  }
  file(...names: string[]): string {
    return path.join(this.path, ...names)
  }
  get postgres(): string {
    return this.file('postgres')
  }
  get logs(): string {
    return this.file('logs')
  }
  get kubeconfig(): string {
    return this.file('admin.kubeconfig')
  }
  get adminToken(): string {
    return this.file('admin.token')
  }
  get caCertificate(): string {
    return this.file('ca.crt')
  }
  get endpoints(): string {
    return this.file('endpoints.json')
  }
  get pidFile(): string {
    return this.file('binnacle.pid')
  }
  pki(name: string): string {
    return this.file('pki', name)
  }
}

/**
 * Makes the folders and claims the directory for this process.
 * @throws PlainError when it cannot be written to, or another Binnacle runs on it.
 */
export function claimDataDirectory(directory: DataDirectory): void {
  try {
    makeFolder(directory.path)
    // Others may pass through (an unprivileged Postgres does) but not look around.
    chmodSync(directory.path, 0o711)
    for (const folder of ['pki', 'logs']) makeFolder(directory.file(folder), 0o700)
  } catch (error) {
    throw new PlainError(`The data directory ${directory.path} cannot be used: ${(error as Error).message}.`)
  }
  const running = runningProcess(directory)
  if (running !== undefined && running !== process.pid) {
    throw new PlainError(
      `Binnacle already runs on ${directory.path} (process ${running}): stop it with 'npm stop', or use another --data-dir.`,
    )
  }
  writePrivateFile(directory.pidFile, `${process.pid}\n`)
}

/**
 * Makes a folder, and those above it, unless it is there. Node's own way to make several never ends where the system says of a folder that exists
 * that it does not (below /proc).
 */
export function makeFolder(folder: string, mode = 0o755): void {
  if (existsSync(folder)) return
  makeFolder(path.dirname(folder))
  mkdirSync(folder, { mode })
}

/** Gives up the claim. */
export function releaseDataDirectory(directory: DataDirectory): void {
  rmSync(directory.endpoints, { force: true })
  rmSync(directory.pidFile, { force: true })
}

/** The process that runs on this directory, if one does. */
export function runningProcess(directory: DataDirectory): number | undefined {
  if (!existsSync(directory.pidFile)) return undefined
  const pid = Number(readFileSync(directory.pidFile, 'utf8').trim())
  return Number.isInteger(pid) && pid > 0 && isBinnacle(pid) ? pid : undefined
}

// A pid may have been given to another program since the file was written, so where the system tells, the command line decides.
function isBinnacle(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('binnacle')
  } catch {
    return !existsSync('/proc/self/cmdline')
  }
}

/** Writes a file whole or not at all, readable by its owner only. */
export function writePrivateFile(file: string, content: string): void {
  writeFileSync(`${file}.new`, content, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
