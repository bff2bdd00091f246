import path from 'node:path'
import { parseArgs } from 'node:util'
import { tryParseQuantity } from '@binnacle/apimachinery'
import { hostAddress, hostNodeName } from './kubelet/node-status.ts'
import { defaultSimulation, parseSpan, type SimulationOptions, type Span } from './simulated/simulation-options.ts'

/** How the agent reaches the API server, and as whom. */
export interface ConnectionOptions {
  readonly server: string
  readonly caFile: string
  /** Either both of these, or a token. */
  readonly clientCertFile: string | undefined
  readonly clientKeyFile: string | undefined
  readonly bearerTokenFile: string | undefined
}

/** How this machine is a node. */
export interface RealNodeOptions {
  readonly name: string
  /** Where others reach it. */
  readonly address: string
  /** The addresses of its pods; undefined: the cluster gives the node a range. */
  readonly podCIDR: string | undefined
  /** The ranges of all pods of the cluster. */
  readonly clusterCIDRs: readonly string[]
  /** The address of the cluster's DNS Service, behind which the agent answers for its own pods; undefined: pods ask whom the machine asks. */
  readonly clusterDNS: string | undefined
  /** Of the agent's own server: logs, commands, statistics. 0: any free one. */
  readonly agentPort: number
  /** With what that server shows who it is, and whose certificates it takes. */
  readonly servingCertFile: string
  readonly servingKeyFile: string
  readonly clientCaFile: string
  /** The socket of a container runtime; undefined: one that is found, or a containerd of the agent's own. */
  readonly criSocket: string | undefined
  /** Absolute; everything is below it: containerd, volumes, logs. */
  readonly dataDirectory: string
  /** The containers end with the agent, when that is asked to end. */
  readonly stopPods: boolean
}

/** What the command line asks for. */
export interface AgentOptions {
  readonly connection: ConnectionOptions
  /** undefined: nodes are simulated. */
  readonly real: RealNodeOptions | undefined
  readonly simulation: SimulationOptions
  /** Makes what is drawn repeatable; undefined: it is not. */
  readonly seed: number | undefined
}

const texts = [
  'server',
  'ca',
  'client-cert',
  'client-key',
  'bearer-token-file',
  'name-prefix',
  'node-name',
  'node-address',
  'pod-cidr',
  'cluster-cidr',
  'cluster-dns',
  'tls-cert-file',
  'tls-private-key-file',
  'client-ca-file',
  'cri-socket',
  'data-dir',
  'cpu',
  'memory',
  'seed',
] as const
const wholeNumbers = ['agent-port', 'simulated', 'pods', 'devices', 'events-per-second'] as const
const spans = [
  'start-delay-ms',
  'ready-delay-ms',
  'init-run-ms',
  'stop-delay-ms',
  'job-run-ms',
  'crash-after-ms',
] as const
const rates = ['failure-rate', 'crash-rate', 'usage-share'] as const

/** As kubelets have. */
const agentPortDefault = 10_250

type Name = (typeof texts | typeof wholeNumbers | typeof spans | typeof rates)[number]
type Values = Readonly<Partial<Record<Name, string>>>

/** Reads the command line. @throws Error with one sentence on the first thing that is wrong. */
export function parseOptions(args: readonly string[]): AgentOptions {
  const names = [...texts, ...wholeNumbers, ...spans, ...rates]
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]))
  const switches = { real: { type: 'boolean' as const }, 'stop-pods': { type: 'boolean' as const } }
  const parsed = parseArgs({ args: [...args], options: { ...options, ...switches }, allowPositionals: false }).values
  const values = parsed as Values
  const seed = values.seed === undefined ? undefined : wholeNumber('seed', values.seed)
  const real = parsed['real'] === true ? realOf(values, parsed['stop-pods'] === true) : undefined
  return { connection: connectionOf(values), real, simulation: simulationOf(values), seed }
}

function connectionOf(values: Values): ConnectionOptions {
  const { server } = values
  if (server === undefined || !URL.canParse(server)) throw new Error('--server must be the URL of the API server')
  if (values.ca === undefined)
    throw new Error('--ca must name the file of the authority that the server is to be trusted by')
  const isHalf = (values['client-cert'] === undefined) !== (values['client-key'] === undefined)
  if (isHalf) throw new Error('--client-cert and --client-key belong together')
  return {
    server,
    caFile: values.ca,
    clientCertFile: values['client-cert'],
    clientKeyFile: values['client-key'],
    bearerTokenFile: values['bearer-token-file'],
  }
}

function realOf(values: Values, stopPods: boolean): RealNodeOptions {
  const dataDirectory = values['data-dir']
  if (dataDirectory === undefined) throw new Error('--data-dir must name the folder of a real node')
  const servingCertFile = values['tls-cert-file']
  const servingKeyFile = values['tls-private-key-file']
  if (servingCertFile === undefined || servingKeyFile === undefined)
    throw new Error("--tls-cert-file and --tls-private-key-file must name the certificate of a real node's own server")
  return {
    name: values['node-name'] ?? hostNodeName(),
    address: values['node-address'] ?? hostAddress(),
    podCIDR: values['pod-cidr'],
    clusterCIDRs: values['cluster-cidr']?.split(',') ?? [],
    clusterDNS: values['cluster-dns'],
    agentPort: values['agent-port'] === undefined ? agentPortDefault : wholeNumber('agent-port', values['agent-port']),
    servingCertFile,
    servingKeyFile,
    clientCaFile: values['client-ca-file'] ?? values.ca ?? '',
    criSocket: values['cri-socket'],
    dataDirectory: path.resolve(dataDirectory),
    stopPods,
  }
}

function simulationOf(values: Values): SimulationOptions {
  const defaults = defaultSimulation
  const span = (name: (typeof spans)[number], byDefault: Span): Span => {
    const text = values[name]
    return text === undefined ? byDefault : parseSpan(text)
  }
  const number = (name: (typeof wholeNumbers)[number], byDefault: number): number => {
    const text = values[name]
    return text === undefined ? byDefault : wholeNumber(name, text)
  }
  return {
    nodes: number('simulated', defaults.nodes),
    namePrefix: values['name-prefix'] ?? defaults.namePrefix,
    cpu: quantity('cpu', values.cpu) ?? defaults.cpu,
    memory: quantity('memory', values.memory) ?? defaults.memory,
    podsMax: number('pods', defaults.podsMax),
    devices: number('devices', defaults.devices),
    startDelay: span('start-delay-ms', defaults.startDelay),
    readyDelay: span('ready-delay-ms', defaults.readyDelay),
    initRun: span('init-run-ms', defaults.initRun),
    stopDelay: span('stop-delay-ms', defaults.stopDelay),
    jobRun: span('job-run-ms', defaults.jobRun),
    failureRate: rate('failure-rate', values['failure-rate']) ?? defaults.failureRate,
    crashRate: rate('crash-rate', values['crash-rate']) ?? defaults.crashRate,
    crashAfter: span('crash-after-ms', defaults.crashAfter),
    usageShare: rate('usage-share', values['usage-share']) ?? defaults.usageShare,
    eventsPerSecondMax: number('events-per-second', defaults.eventsPerSecondMax),
  }
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} must be a whole number, not ${text}`)
  return Number(text)
}

function quantity(name: string, text: string | undefined): string | undefined {
  if (text !== undefined && tryParseQuantity(text) === undefined)
    throw new Error(`--${name} must be a quantity such as 32 or 256Gi, not ${text}`)
  return text
}

function rate(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value >= 0 && value <= 1)) throw new Error(`--${name} must be a share from 0 to 1, not ${text}`)
  return value
}
