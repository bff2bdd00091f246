import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { pauseImage, pauseImageArchive } from '../images/pause-image.ts'
import { CriClient } from './cri-client.ts'

/** A Unix socket's path may not be longer (`sockaddr_un`). */
const socketPathBytesMax = 107
/** Where sockets are whose own place has too long a path. */
const runDirectory = '/run/binnacle'
const startMsMax = 30_000
const stopMsMax = 20_000
const pollMs = 20
/** How often it is looked whether it still runs. */
const watchMs = 500

/** Where a private containerd keeps what. */
export interface ContainerdPaths {
  readonly socket: string
  readonly config: string
  readonly log: string
  readonly pid: string
  /** CNI configurations; the first by name counts, and a change is seen at once. */
  readonly cniConfDir: string
  /** Where addresses of pods are noted by the CNI plugin `host-local`. */
  readonly ipamDir: string
}

/** The paths of a containerd that is kept in the directory. All are below it, but for the socket where the directory's path is too long for one. */
export function containerdPaths(directory: string): ContainerdPaths {
  const near = path.join(directory, 'containerd.sock')
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16)
  const isShort = Buffer.byteLength(`${near}.ttrpc`) <= socketPathBytesMax
  const socket = isShort ? near : path.join(runDirectory, name, 'containerd.sock')
  const at = (name: string): string => path.join(directory, name)
  return {
    socket,
    config: at('config.toml'),
    log: at('containerd.log'),
    pid: at('containerd.pid'),
    cniConfDir: at('cni'),
    ipamDir: at('ipam'),
  }
}

/** The directory of CNI plugins: the first that exists. */
export function cniBinDir(): string {
  return ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'].find((place) => existsSync(place)) ?? '/usr/lib/cni'
}

/**
 * A containerd of the agent's own: its root, state and socket are below one directory, so that it does not touch another on the machine. It outlives the
 * agent, as containers do; the next agent takes it over.
 */
export class PrivateContainerd {
  readonly paths: ContainerdPaths
  readonly #directory: string
  #watch: NodeJS.Timeout | undefined

  constructor(directory: string) {
    this.#directory = directory
    this.paths = containerdPaths(directory)
  }

  /** Starts it, unless it runs already, and imports the image of sandboxes. @throws Error when it does not answer in time. */
  async start(): Promise<void> {
    const { cniConfDir, config, ipamDir, socket } = this.paths
    for (const place of [this.#directory, cniConfDir, ipamDir, path.dirname(socket)])
      mkdirSync(place, { recursive: true, mode: 0o755 })
    if (this.pid === undefined) {
      writeFileSync(config, containerdConfig(this.#directory, this.paths, await snapshotterFor(this.#directory)))
      this.#spawn()
    }
    const client = new CriClient(this.paths.socket)
    try {
      await this.#answers(client)
      if ((await client.imageStatus(pauseImage)) === undefined) await this.importImage(pauseImageArchive())
    } finally {
      client.close()
    }
  }

  /** Starts it again whenever it ends, until {@link leave} or {@link stop}. Containers do not notice. */
  keep(onRestart: () => void): void {
    this.#watch = setInterval(() => {
      if (this.pid !== undefined) return
      onRestart()
      this.#spawn()
    }, watchMs)
  }

  /** Looks after it no more. */
  leave(): void {
    clearInterval(this.#watch)
  }

  /** The running daemon's process; undefined when there is none. */
  get pid(): number | undefined {
    const pid = readIfThere(this.paths.pid)?.trim()
    // A number may have been given to another process since.
    const commandLine = pid === undefined ? undefined : readIfThere(`/proc/${pid}/cmdline`)
    return commandLine?.includes(this.paths.config) === true ? Number(pid) : undefined
  }

  /** Ends the daemon, not the containers. */
  async stop(): Promise<void> {
    this.leave()
    const { pid } = this
    if (pid === undefined) return
    process.kill(pid, 'SIGTERM')
    for (let waitedMs = 0; this.pid === pid && waitedMs < stopMsMax; waitedMs += pollMs) await sleep(pollMs)
    if (this.pid === pid) process.kill(pid, 'SIGKILL')
    rmSync(this.paths.pid, { force: true })
    const folder = path.dirname(this.paths.socket)
    if (folder !== this.#directory) rmSync(folder, { recursive: true, force: true })
  }

  /** Brings in the images of an archive. */
  async importImage(archive: Buffer): Promise<void> {
    await importImage(this.paths.socket, archive, this.#directory)
  }

  #spawn(): void {
    rmSync(this.paths.socket, { force: true })
    const log = openSync(this.paths.log, 'a', 0o600)
    try {
      const child = spawn('containerd', ['--config', this.paths.config], {
        detached: true,
        stdio: ['ignore', log, log],
      })
      // That it is missing is told by nobody answering.
      child.on('error', () => undefined)
      child.unref()
      if (child.pid !== undefined) writeFileSync(this.paths.pid, String(child.pid))
    } finally {
      closeSync(log)
    }
  }

  async #answers(client: CriClient): Promise<void> {
    let problem: unknown
    for (let waitedMs = 0; waitedMs < startMsMax; waitedMs += pollMs) {
      try {
        if (existsSync(this.paths.socket)) return void (await client.version())
      } catch (error) {
        problem = error
      }
      await sleep(pollMs)
    }
    throw new Error(`containerd does not answer, see ${this.paths.log}`, { cause: problem })
  }
}

/** Brings the images of an archive into the containerd of that socket. The folder is for a file meanwhile. @throws Error when `ctr` cannot. */
export async function importImage(socket: string, archive: Buffer, folder: string): Promise<void> {
  const file = path.join(folder, `import-${process.pid}-${Date.now()}.tar`)
  writeFileSync(file, archive, { mode: 0o600 })
  try {
    const args = ['-a', socket, '-n', 'k8s.io', 'images', 'import', '--no-unpack', file]
    await promisify(execFile)('ctr', args, { timeout: startMsMax })
  } finally {
    rmSync(file, { force: true })
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

const disabledPlugins = [
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.internal.v1.restart',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
]

/**
 * How containers' file systems are put together: by overlays, unless the directory's file system cannot be the upper one of an overlay (as in a container,
 * whose own is one); then by copies.
 */
async function snapshotterFor(directory: string): Promise<'overlayfs' | 'native'> {
  const trial = path.join(directory, 'overlay-trial')
  const at = (name: string): string => path.join(trial, name)
  const run = promisify(execFile)
  try {
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(at(name), { recursive: true })
    const options = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`
    await run('mount', ['-t', 'overlay', 'overlay', '-o', options, at('merged')])
    await run('umount', [at('merged')])
    return 'overlayfs'
  } catch {
    return 'native'
  } finally {
    rmSync(trial, { recursive: true, force: true })
  }
}

function containerdConfig(directory: string, { socket, cniConfDir }: ContainerdPaths, snapshotter: string): string {
  const text = JSON.stringify
  const hasAppArmor = existsSync('/sys/kernel/security/apparmor')
  return `version = 2
root = ${text(path.join(directory, 'root'))}
state = ${text(path.join(directory, 'state'))}
disabled_plugins = ${text(disabledPlugins)}
[grpc]
  address = ${text(socket)}
[ttrpc]
  address = ${text(`${socket}.ttrpc`)}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${text(pauseImage)}
  # Without the capability SYS_RESOURCE a score can only be raised.
  restrict_oom_score_adj = true
  disable_apparmor = ${!hasAppArmor}
  tolerate_missing_hugetlb_controller = true
  disable_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${text(cniBinDir())}
    conf_dir = ${text(cniConfDir)}
    max_conf_num = 1
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = ${text(snapshotter)}
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "runc"
        Root = ${text(path.join(directory, 'runc'))}
        SystemdCgroup = false
`
}
