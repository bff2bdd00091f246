import { parseArgs } from 'node:util'
import { tryParseQuantity } from '@binnacle/apimachinery'
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

/** What the command line asks for. */
export interface AgentOptions {
  readonly connection: ConnectionOptions
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
  'cpu',
  'memory',
  'seed',
] as const
const wholeNumbers = ['simulated', 'pods', 'devices', 'events-per-second'] as const
const spans = [
  'start-delay-ms',
  'ready-delay-ms',
  'init-run-ms',
  'stop-delay-ms',
  'job-run-ms',
  'crash-after-ms',
] as const
const rates = ['failure-rate', 'crash-rate'] as const

type Name = (typeof texts | typeof wholeNumbers | typeof spans | typeof rates)[number]
type Values = Readonly<Partial<Record<Name, string>>>

/** Reads the command line. @throws Error with one sentence on the first thing that is wrong. */
export function parseOptions(args: readonly string[]): AgentOptions {
  const names = [...texts, ...wholeNumbers, ...spans, ...rates]
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]))
  const values = parseArgs({ args: [...args], options, allowPositionals: false }).values as Values
  const seed = values.seed === undefined ? undefined : wholeNumber('seed', values.seed)
  return { connection: connectionOf(values), simulation: simulationOf(values), seed }
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
