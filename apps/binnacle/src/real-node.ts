import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import path from 'node:path'

/** What making this machine a node may do. */
export interface NodePreparation {
  /** Missing packages may be installed. */
  readonly install: boolean
  /** The runtime's socket, where one was named: then no containerd is needed. */
  readonly criSocket: string | undefined
  note(text: string): void
}

/** The machine's address as a node, or why it cannot be one. */
export type PreparedNode = { readonly address: string } | { readonly missing: string }

/** Programs that a node runs, with Debian's packages of them. */
const programs: Readonly<Record<string, string>> = {
  nft: 'nftables',
  ip: 'iproute2',
  conntrack: 'conntrack',
  iptables: 'iptables',
  mount: 'mount',
}
const runtimePrograms: Readonly<Record<string, string>> = {
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
}
const pluginsPackage = 'containernetworking-plugins'
const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni']
const plugins = ['ptp', 'host-local', 'portmap', 'loopback']
const installMsMax = 600_000

/** Sees whether this machine can run containers, and installs what is missing where that is allowed and possible. */
export async function prepareRealNode({ install, criSocket, note }: NodePreparation): Promise<PreparedNode> {
  if (process.platform !== 'linux') return { missing: `that takes Linux, and this is ${process.platform}` }
  if (process.getuid?.() !== 0) return { missing: 'that takes root' }
  if (!['x64', 'arm64'].includes(process.arch)) return { missing: `there is no pause program for ${process.arch}` }
  const wanted = missingPackages(criSocket)
  if (wanted.length > 0) {
    const text = wanted.join(', ')
    if (!install) return { missing: `packages are missing (${text}), and --no-install was given` }
    if (!hasProgram('apt-get'))
      return { missing: `packages are missing (${text}), and there is no apt-get to install them` }
    note(`Installing Debian packages that a node needs: ${text} (--no-install leaves that)`)
    const problem = installPackages(wanted)
    if (problem !== undefined) return { missing: `packages could not be installed (${text}): ${problem}` }
    const still = missingPackages(criSocket)
    if (still.length > 0) return { missing: `packages are missing (${still.join(', ')}) although they were installed` }
  }
  const refusal = kernelRefusal()
  if (refusal !== undefined) return { missing: refusal }
  const address = hostAddress()
  return address === undefined ? { missing: 'it has no address besides the loopback one' } : { address }
}

function missingPackages(criSocket: string | undefined): string[] {
  const needed = Object.entries(criSocket === undefined ? { ...programs, ...runtimePrograms } : programs)
  const missing = needed.filter(([program]) => !hasProgram(program)).map(([, name]) => name)
  const hasPlugins = pluginFolders.some((folder) => plugins.every((name) => existsSync(path.join(folder, name))))
  return [...new Set([...missing, ...(hasPlugins ? [] : [pluginsPackage])])]
}

const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin']

function hasProgram(name: string): boolean {
  return folders.some((folder) => folder !== '' && existsSync(path.join(folder, name)))
}

function installPackages(names: readonly string[]): string | undefined {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const run = (...args: string[]): string | undefined => {
    const { status, stderr, error } = spawnSync('apt-get', args, { env, encoding: 'utf8', timeout: installMsMax })
    if (status === 0) return undefined
    return error?.message ?? stderr.trim().split('\n').at(-1) ?? `exit code ${status}`
  }
  const install = (): string | undefined => run('install', '-y', '--no-install-recommends', ...names)
  // The list of packages may be old or empty.
  if (install() === undefined) return undefined
  run('update')
  return install()
}

/** What a container of this very machine may keep from its root user. */
function kernelRefusal(): string | undefined {
  const checks: readonly [what: string, command: string, args: readonly string[]][] = [
    ['nftables may not be used here', 'nft', ['list', 'tables']],
    ['nothing may be mounted here', 'unshare', ['--mount', 'true']],
    ['no network may be made here', 'unshare', ['--net', 'true']],
  ]
  const refused = checks.find(([, command, args]) => spawnSync(command, args).status !== 0)
  return refused?.[0]
}

/** Of the device of the default route, else the first that is none of the loopback's. */
function hostAddress(): string | undefined {
  const devices = networkInterfaces()
  const addressOf = (device: string): string | undefined =>
    devices[device]?.find(({ family, internal }) => family === 'IPv4' && !internal)?.address
  return [...defaultDevices(), ...Object.keys(devices)].map(addressOf).find((address) => address !== undefined)
}

// The kernel lists routes by device, destination, …, and in the eighth column the mask.
function defaultDevices(): string[] {
  const rows = readFileSync('/proc/net/route', 'utf8')
    .split('\n')
    .map((line) => line.split('\t'))
  return rows
    .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
    .map(([device = '']) => device)
}
