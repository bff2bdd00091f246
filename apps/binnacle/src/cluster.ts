import path from 'node:path'
import { ensureCertificates } from './certificates.ts'
import {
  DataDirectory,
  type Endpoints,
  claimDataDirectory,
  releaseDataDirectory,
  writePrivateFile,
} from './data-directory.ts'
import { isFree } from './free-port.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { PlainError, simulatedNodesDefault, type StartOptions } from './options.ts'
import { prepareRealNode } from './real-node.ts'
import { SupervisedPostgres } from './supervised-postgres.ts'
import { type ProcessSpec, type ReadyLine, SupervisedProcess } from './supervised-process.ts'

const host = '127.0.0.1'
const serviceCidr = '10.96.0.0/16'
const dnsAddress = '10.96.0.10'
const podsCidr = '10.244.0.0/16'
/** Of those, the pods of this machine's node. */
const nodeCidr = '10.244.0.0/24'
/** A node ends its containers before it ends. */
const nodeStopMsMax = 45_000
const dashboardPortDefault = 3000
/**
 * The API process holds every object, so that a collection which comes late costs as much memory as all of them: by itself V8 lets the heap double
 * and young objects take 128 MB. With 50,000 pods of 3.6 KB the process took 730 MB, so it takes 490.
 */
const tightHeap = ['--max-semi-space-size=16', '--heap-growing-percent=30']
/**
 * How large the heap may grow where every object is held, in percent of the machine's memory. By itself V8 stops at 4 GB on any machine: 150,000 pods
 * come close to that, and the collector then runs without pause before it gives up.
 */
const roomyHeap = ['--max-old-space-size-percentage=50']

/**
 * How much of the workers' heap is for young objects. A decision of the scheduler lives until its binding is committed, too long for V8's own 16 MB at
 * thousands of them a second: they were copied to the old generation and collected there, a fifth of the processor's time.
 */
const roomyNursery = ['--min-semi-space-size=16', '--max-semi-space-size=64']

/** Tells the person at the terminal how far the start is. */
export interface Progress {
  /** Runs a step under a title and says how long it took. */
  step<T>(title: string, run: () => Promise<T>): Promise<T>
  note(text: string): void
}

/** Everything that runs on this machine for one data directory, in the order in which it starts; it stops in the reverse. */
export class Cluster {
  readonly #options: StartOptions
  readonly #directory: DataDirectory
  readonly #progress: Progress
  readonly #stops: (() => Promise<void>)[] = []
  #claimed = false
  /** Where others reach this machine's own node; undefined: it is none. */
  #nodeAddress: string | undefined
  #starting: Promise<Endpoints> | undefined
  #stopping = false

  constructor(options: StartOptions, progress: Progress) {
    this.#options = options
    this.#directory = new DataDirectory(options.dataDir)
    this.#progress = progress
  }

  /**
   * Starts everything and waits until it is healthy.
   * @throws PlainError when a part cannot start; call {@link stop} then too.
   */
  async start(): Promise<Endpoints> {
    this.#starting = this.#startAll()
    return await this.#starting
  }

  async #startAll(): Promise<Endpoints> {
    const step = <T>(title: string, run: () => Promise<T>): Promise<T> => {
      if (this.#stopping) throw new PlainError('It was stopped before it was healthy.')
      return this.#progress.step(title, run)
    }
    // First: that it runs already says more than that its port is taken.
    claimDataDirectory(this.#directory)
    this.#claimed = true
    await this.#checkPorts()
    await step('Keys and certificates', () => ensureCertificates(this.#directory, this.#options.nodeName))
    this.#nodeAddress = await this.#prepareNode()
    const databaseUrl = this.#options.databaseUrl ?? (await step('Postgres', () => this.#startPostgres()))
    const api = await step('API server', () => this.#startProcess(this.#apiSpec(databaseUrl)))
    const server = `https://${host}:${api.port}`
    writeKubeconfig(this.#directory, server)
    await step('Workers', () => this.#startProcess(this.#workersSpec(databaseUrl)))
    await this.#startNodes(server, step)
    const dashboard = this.#options.dashboard ? await step('Dashboard', () => this.#startDashboard(server)) : null
    const endpoints = {
      api: server,
      graphql: `${server}/graphql`,
      graphqlWs: `wss://${host}:${api.port}/graphql`,
      dashboard,
    }
    writePrivateFile(this.#directory.endpoints, `${JSON.stringify(endpoints, null, 2)}\n`)
    return endpoints
  }

  /** Stops what was started, last first. Never throws: what could not be stopped is reported. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#stopStarted()
    // What was being started at that moment is there by now.
    await this.#starting?.catch(() => undefined)
    await this.#stopStarted()
    if (this.#claimed) releaseDataDirectory(this.#directory)
    this.#claimed = false
  }

  async #stopStarted(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) {
      await stop().catch((error: Error) => this.#progress.note(`While stopping: ${error.message}`))
    }
  }

  async #checkPorts(): Promise<void> {
    const { port, dashboard, dashboardPort } = this.#options
    if (port !== 0 && !(await isFree(port))) {
      throw new PlainError(`Port ${port} is taken or not allowed: choose another with --port N (0: any free one).`)
    }
    if (dashboard && dashboardPort !== undefined && dashboardPort !== 0 && !(await isFree(dashboardPort))) {
      throw new PlainError(`Port ${dashboardPort} is taken or not allowed: choose another with --dashboard-port N.`)
    }
  }

  /** Whether this machine is to be a node, by its address then; the reason is said where it cannot be one. */
  async #prepareNode(): Promise<string | undefined> {
    const { node, install, criSocket } = this.#options
    if (node === 'simulated') return undefined
    const prepared = await prepareRealNode({ install, criSocket, note: (text) => this.#progress.note(text) })
    if ('address' in prepared) return prepared.address
    this.#progress.note(`This machine cannot run containers: ${prepared.missing}. Nodes are simulated.`)
    return undefined
  }

  async #startNodes(server: string, step: Progress['step']): Promise<void> {
    const address = this.#nodeAddress
    if (address !== undefined) {
      try {
        await step(`Node ${this.#options.nodeName}`, () => this.#startProcess(this.#realNodeSpec(server, address)))
      } catch (error) {
        if (!(error instanceof PlainError) || this.#stopping) throw error
        await this.#stops.pop()?.()
        this.#nodeAddress = undefined
        this.#progress.note(`${error.message} Nodes are simulated.`)
      }
    }
    const simulated = this.#options.simulatedNodes ?? (this.#nodeAddress === undefined ? simulatedNodesDefault : 0)
    if (simulated > 0)
      await step(`${simulated} simulated nodes`, () => this.#startProcess(this.#nodesSpec(server, simulated)))
  }

  async #startPostgres(): Promise<string> {
    const postgres = new SupervisedPostgres(this.#directory.postgres, (text) => this.#progress.note(text))
    this.#stops.push(() => postgres.stop())
    return await postgres.start().catch((error: Error) => {
      throw new PlainError(`The embedded Postgres could not start: ${error.message}`)
    })
  }

  async #startProcess(spec: ProcessSpec): Promise<ReadyLine> {
    const supervised = new SupervisedProcess(spec)
    this.#stops.push(() => supervised.stop())
    return await supervised.start()
  }

  async #startDashboard(server: string): Promise<string> {
    const wanted =
      this.#options.dashboardPort ??
      ((await isFree(dashboardPortDefault)) && this.#options.port !== 0 ? dashboardPortDefault : 0)
    const ready = await this.#startProcess({
      ...this.#process('dashboard', 'apps/dashboard/server.ts'),
      args: (previous) => [
        ...flags({ port: previous?.port ?? wanted, 'api-url': server, ca: this.#directory.caCertificate }),
        ...(this.#options.dev ? ['--dev'] : []),
      ],
    })
    return `http://${host}:${ready.port}`
  }

  #process(name: string, entry: string): Pick<ProcessSpec, 'name' | 'entry' | 'logFile' | 'onEvent'> {
    return {
      name,
      entry,
      logFile: path.join(this.#directory.logs, `${name}.log`),
      onEvent: (text) => this.#progress.note(text),
    }
  }

  #apiSpec(databaseUrl: string): ProcessSpec {
    const pki = (name: string): string => this.#directory.pki(name)
    const { plainHttpPort, runtimeConfig } = this.#options
    return {
      ...this.#process('api', 'apps/api/src/main.ts'),
      nodeOptions: [...tightHeap, ...roomyHeap],
      args: (previous) =>
        flags({
          'database-url': databaseUrl,
          // Pods reach it by the node's address.
          ...(this.#nodeAddress === undefined ? { host } : { host: '0.0.0.0', 'advertise-address': this.#nodeAddress }),
          port: previous?.port ?? this.#options.port,
          'tls-cert': pki('apiserver.crt'),
          'tls-key': pki('apiserver.key'),
          'client-ca': this.#directory.caCertificate,
          'service-account-key': pki('service-account.key'),
          'token-file': pki('tokens.csv'),
          'service-cidr': serviceCidr,
          'kubelet-client-certificate': pki('apiserver-kubelet-client.crt'),
          'kubelet-client-key': pki('apiserver-kubelet-client.key'),
          'kubelet-certificate-authority': this.#directory.caCertificate,
          ...(plainHttpPort === undefined ? {} : { 'plain-http-port': plainHttpPort }),
          ...(runtimeConfig === undefined ? {} : { 'runtime-config': runtimeConfig }),
        }),
    }
  }

  #workersSpec(databaseUrl: string): ProcessSpec {
    const { runtimeConfig, schedulerConfig } = this.#options
    return {
      ...this.#process('workers', 'apps/workers/src/main.ts'),
      nodeOptions: [...roomyNursery, ...roomyHeap],
      args: () =>
        flags({
          'database-url': databaseUrl,
          'root-ca': this.#directory.caCertificate,
          'service-account-private-key-file': this.#directory.pki('service-account.key'),
          'cluster-signing-cert-file': this.#directory.caCertificate,
          'cluster-signing-key-file': this.#directory.pki('ca.key'),
          'service-cidr': serviceCidr,
          ...(runtimeConfig === undefined ? {} : { 'runtime-config': runtimeConfig }),
          ...(schedulerConfig === undefined ? {} : { 'scheduler-config': schedulerConfig }),
        }),
    }
  }

  #realNodeSpec(server: string, address: string): ProcessSpec {
    const pki = (name: string): string => this.#directory.pki(name)
    const { criSocket, nodeName } = this.#options
    return {
      ...this.#process('node', 'apps/node/src/main.ts'),
      nodeOptions: tightHeap,
      stopMsMax: nodeStopMsMax,
      args: () => [
        ...flags({
          server,
          ca: this.#directory.caCertificate,
          'node-name': nodeName,
          'node-address': address,
          'client-cert': pki('node.crt'),
          'client-key': pki('node.key'),
          'tls-cert-file': pki('kubelet.crt'),
          'tls-private-key-file': pki('kubelet.key'),
          'data-dir': this.#directory.file('node'),
          'pod-cidr': nodeCidr,
          'cluster-cidr': podsCidr,
          'cluster-dns': dnsAddress,
          ...(criSocket === undefined ? {} : { 'cri-socket': criSocket }),
        }),
        '--real',
        '--stop-pods',
      ],
    }
  }

  #nodesSpec(server: string, simulated: number): ProcessSpec {
    return {
      ...this.#process('nodes', 'apps/node/src/main.ts'),
      args: () =>
        flags({
          server,
          ca: this.#directory.caCertificate,
          simulated,
          devices: this.#options.simulatedDevices,
          'client-cert': this.#directory.pki('simulated-nodes.crt'),
          'client-key': this.#directory.pki('simulated-nodes.key'),
        }),
    }
  }
}

function flags(values: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)])
}
