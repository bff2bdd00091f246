import { mkdirSync, readFileSync } from 'node:fs'
import { parseTime } from '@binnacle/apimachinery'
import type { HttpClient } from '@binnacle/client'
import { serviceAccounts, type TokenRequest } from '@binnacle/resources'
import { type ContainerRuntime, openContainerRuntime } from './cri/container-runtime.ts'
import { Kubelet } from './kubelet/kubelet.ts'
import type { IssuedToken, TokenWish } from './kubelet/service-account-tokens.ts'
import type { Log } from './log.ts'
import { claimMachine } from './machine-claim.ts'
import { commandsIn } from './network/commands.ts'
import { NodeNetwork } from './network/node-network.ts'
import type { RealNodeOptions } from './options.ts'
import { AgentServer } from './server/agent-server.ts'
import { CriNodeRuntime } from './server/cri-node-runtime.ts'
import { statsDocuments } from './stats/documents.ts'
import { UsageMeter } from './stats/usage-meter.ts'
import { startUsageReport } from './stats/usage-report.ts'
import { untilAnswered } from './until-answered.ts'

/** How a real node is run. */
export interface RealNodeRun {
  readonly client: HttpClient
  readonly options: RealNodeOptions
  readonly log: Log
  /** Gives up waiting for the server. */
  readonly signal: AbortSignal
}

/** A node that runs containers. */
export interface RealNode {
  /** Ends the agent. With `stopPods` its containers end, too, and what was made for them; otherwise they go on and the next agent takes them over. */
  stop(): Promise<void>
}

const podsMax = 110
const clusterDomain = 'cluster.local'

/**
 * Makes this machine a node of the cluster: a container runtime, the pods' network, the agent's own server and a kubelet. Resolves once the node is
 * registered and the pods bound to it are being seen to.
 * @throws Error when this machine is a node already, or a part does not start; the server's refusal; the signal's reason.
 */
export async function startRealNode({ client, options, log, signal }: RealNodeRun): Promise<RealNode> {
  const release = await claimMachine()
  const parts = new NodeParts(options.stopPods, release)
  try {
    await parts.start(client, options, log, signal)
    return parts
  } catch (error) {
    await parts.giveUp().catch(() => undefined)
    throw error
  }
}

/** What a real node is made of; stopped in the reverse of the order in which it was started, as far as it was. */
class NodeParts implements RealNode {
  readonly #stopPods: boolean
  readonly #release: () => void
  #runtime: ContainerRuntime | undefined
  #server: AgentServer | undefined
  #kubelet: Kubelet | undefined
  #network: NodeNetwork | undefined
  #stopReport: (() => void) | undefined

  constructor(stopPods: boolean, release: () => void) {
    this.#stopPods = stopPods
    this.#release = release
  }

  async start(client: HttpClient, options: RealNodeOptions, log: Log, signal: AbortSignal): Promise<void> {
    const { address, clusterDNS, criSocket, dataDirectory, name, podCIDR } = options
    mkdirSync(dataDirectory, { recursive: true, mode: 0o755 })
    const runtime = await openContainerRuntime({ criSocket, nodeName: name, directory: dataDirectory, log })
    this.#runtime = runtime
    const { cri, socket, hasEvents, cniConfDir, ipamDir, sandboxImage } = runtime
    const meter = new UsageMeter(cri)
    this.#server = this.#makeServer(options, runtime, meter, log)
    const agentPort = await this.#server.listen()
    const kubelet = new Kubelet({
      client,
      cri,
      eventsSocket: hasEvents ? socket : undefined,
      node: { name, address, podsMax, podCIDR, agentPort, dataDirectory },
      network: {
        nodeName: name,
        hostIP: address,
        clusterDNS: clusterDNS === undefined ? [] : [clusterDNS],
        clusterDomain,
      },
      sandboxImage,
      log,
      requestToken: (wish) => requestToken(client, wish),
    })
    this.#kubelet = kubelet
    const node = await untilAnswered(() => kubelet.registration.register(), log, signal)
    kubelet.registration.start()
    this.#network = new NodeNetwork({
      ...{ client, address, clusterDNS, cniConfDir, ipamDir, log },
      nodeName: name,
      clusterCIDRs: options.clusterCIDRs,
      zone: clusterDomain,
      run: commandsIn(),
    })
    await unlessAborted(this.#network.ready(node), signal)
    await kubelet.start()
    this.#stopReport = startUsageReport({ client, meter, node, log })
  }

  #makeServer(options: RealNodeOptions, { cri }: ContainerRuntime, meter: UsageMeter, log: Log): AgentServer {
    return new AgentServer({
      host: options.address,
      port: options.agentPort,
      certificate: readFileSync(options.servingCertFile, 'utf8'),
      key: readFileSync(options.servingKeyFile, 'utf8'),
      clientCa: readFileSync(options.clientCaFile, 'utf8'),
      runtime: new CriNodeRuntime(cri, {
        pods: () => this.#kubelet?.pods() ?? [],
        sandboxOf: (uid) => this.#kubelet?.sandboxOf(uid),
      }),
      documents: statsDocuments({
        nodeName: options.name,
        dataDirectory: options.dataDirectory,
        meter,
        pods: () => this.#kubelet?.pods() ?? [],
      }),
      log,
    })
  }

  async stop(): Promise<void> {
    await this.#end(this.#stopPods)
  }

  /** After a start that failed: pods of an agent before this one go on, for the next one. */
  async giveUp(): Promise<void> {
    const sandboxes = await this.#runtime?.cri.listPodSandboxes()
    await this.#end(this.#stopPods && sandboxes?.length === 0)
  }

  async #end(isCleared: boolean): Promise<void> {
    this.#stopReport?.()
    await this.#server?.close()
    await this.#kubelet?.stop()
    if (isCleared) await this.#kubelet?.stopAllPods()
    await this.#network?.stop()
    if (isCleared) await this.#network?.remove()
    await this.#runtime?.close(isCleared)
    this.#release()
  }
}

/** Waits, unless the wait is given up. @throws the signal's reason */
async function unlessAborted<T>(wait: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(new DOMException('stopped', 'AbortError'))
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  return await Promise.race([wait, promise]).finally(() => signal.removeEventListener('abort', abort))
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
