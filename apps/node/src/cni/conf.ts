import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { familyOf } from '../network/addresses.ts'

/** What a node's network configuration is made of. */
export interface CniConf {
  readonly nodeName: string
  /** The node's `spec.podCIDRs`. */
  readonly podCIDRs: readonly string[]
  readonly mtu: number
  /** Where host-local keeps the addresses that it gave out. */
  readonly dataDir: string
}

/** Sorts before what others bring, and is left out when there is any. */
const fileName = '10-binnacle.conflist'
const confExtensions = ['.conf', '.conflist', '.json']
const everywhere = { ip: '0.0.0.0/0', ip6: '::/0' }

/**
 * The configuration by which containerd gives pods their network: a veth pair each, routed by the node (no bridge, so that Services work whatever
 * `bridge-nf-call-iptables` says), addresses of the node's own ranges, and hostPorts. The name has the node's in it: results are cached by it for
 * the whole machine.
 */
export function cniConf({ nodeName, podCIDRs, mtu, dataDir }: CniConf): object {
  const ipam = {
    type: 'host-local',
    dataDir,
    ranges: podCIDRs.map((subnet) => [{ subnet }]),
    routes: [...new Set(podCIDRs.map(familyOf))].map((family) => ({ dst: everywhere[family] })),
  }
  return {
    cniVersion: '0.4.0',
    name: `pods-${nodeName}`,
    plugins: [
      { type: 'ptp', ipMasq: false, mtu, ipam },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  }
}

/**
 * Writes the configuration into the runtime's folder, which watches it. Where the operator has put another one there, that one counts and nothing is
 * written.
 * @returns whether ours is in force
 */
export async function writeCniConf(folder: string, conf: CniConf): Promise<boolean> {
  await mkdir(folder, { recursive: true })
  const others = (await readdir(folder)).filter(
    (name) => name !== fileName && confExtensions.includes(path.extname(name)),
  )
  if (others.length > 0) return false
  const file = path.join(folder, fileName)
  const text = `${JSON.stringify(cniConf(conf), null, 2)}\n`
  if ((await readFile(file, 'utf8').catch(() => '')) === text) return true
  // Renamed into place: the runtime never reads half of it.
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
  return true
}
