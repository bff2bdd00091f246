import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseTime } from '@binnacle/apimachinery'
import type { HttpClient } from '@binnacle/client'
import { serviceAccounts, type TokenRequest } from '@binnacle/resources'
import { CriClient } from './cri/cri-client.ts'
import { PrivateContainerd } from './cri/private-containerd.ts'
import { Kubelet } from './kubelet/kubelet.ts'
import type { IssuedToken, TokenWish } from './kubelet/service-account-tokens.ts'
import type { Log } from './log.ts'
import type { RealNodeOptions } from './options.ts'

/** A node that runs containers. */
export interface RealNode {
  /** Ends the agent. With `stopPods` its containers end, too, and the containerd; otherwise both go on and the next agent takes them over. */
  stop(): Promise<void>
}

const agentPort = 10250
const podsMax = 110

/**
 * Makes this machine a node of the cluster: a containerd of its own below the data directory, and a kubelet. Resolves once the node is registered and the
 * pods bound to it are being seen to.
 * @throws Error when containerd does not start, or the server's refusal.
 */
export async function startRealNode(client: HttpClient, options: RealNodeOptions, log: Log): Promise<RealNode> {
  const { name, address, clusterDNS, dataDirectory, podCIDR, stopPods } = options
  mkdirSync(dataDirectory, { recursive: true, mode: 0o755 })
  const containerd = new PrivateContainerd(path.join(dataDirectory, 'containerd'))
  await containerd.start()
  const { cniConfDir, ipamDir, socket } = containerd.paths
  writeFileSync(path.join(cniConfDir, '10-binnacle.conflist'), networkConfiguration(name, podCIDR, ipamDir))
  const cri = new CriClient(socket)
  const kubelet = new Kubelet({
    client,
    cri,
    eventsSocket: socket,
    node: { name, address, podsMax, agentPort, dataDirectory },
    network: { nodeName: name, hostIP: address, clusterDNS, clusterDomain: 'cluster.local' },
    log,
    requestToken: (wish) => requestToken(client, wish),
  })
  await kubelet.start()
  return {
    async stop() {
      await kubelet.stop()
      if (stopPods) await kubelet.removeAllPods()
      cri.close()
      if (stopPods) await containerd.stop()
    },
  }
}

async function requestToken(client: HttpClient, wish: TokenWish): Promise<IssuedToken> {
  const { namespace, serviceAccount, audiences, expirationSeconds, pod } = wish
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', ...pod }
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences, expirationSeconds, boundObjectRef },
  }
  const key = { namespace, name: serviceAccount }
  const { status } = (await client.post(serviceAccounts, key, 'token', body)) as TokenRequest
  return { token: status?.token ?? '', expiresAtMs: parseTime(status?.expirationTimestamp) }
}

/** Each pod by a cable of its own to the machine, which routes: that way Services work whatever the machine's bridges filter. */
function networkConfiguration(nodeName: string, podCIDR: string, ipamDir: string): string {
  const ipam = {
    type: 'host-local',
    dataDir: ipamDir,
    ranges: [[{ subnet: podCIDR }]],
    routes: [{ dst: '0.0.0.0/0' }],
  }
  return JSON.stringify({
    cniVersion: '0.4.0',
    // The plugins' own notes are by this name, for the whole machine.
    name: `binnacle-${nodeName}`,
    plugins: [
      { type: 'ptp', ipMasq: true, ipam },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  })
}
