import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type NodeAddressing, readSchedulerConfiguration, type SchedulerConfiguration } from '@binnacle/core'
import { type RuntimeConfig, runtimeConfigOf } from '@binnacle/resources'
import { parse } from 'yaml'

/** How the workers reach the cluster: directly over the database, or through an API server. */
export type WorkersConnection =
  | { readonly kind: 'database'; readonly url: string; readonly serviceCidr: string }
  | {
      readonly kind: 'server'
      readonly server: string
      readonly ca: string
      readonly bearerTokenFile: string | undefined
      readonly clientCert: string | undefined
      readonly clientKey: string | undefined
    }

/** How the workers are to run. */
export interface WorkersConfig {
  readonly connection: WorkersConnection
  /** PEM text. */
  readonly rootCa: string | undefined
  /** PEM text of the key that signs ServiceAccount tokens. */
  readonly serviceAccountKey: string | undefined
  /** PEM texts of the authority that signs certificates. */
  readonly signingAuthority: { readonly certificate: string; readonly key: string } | undefined
  /** How nodes get addresses for their pods; undefined: they bring their own. */
  readonly nodeAddressing: NodeAddressing | undefined
  /** Which versions are served, as the API server was told. */
  readonly runtimeConfig: RuntimeConfig
  /** Undefined: kube-scheduler's defaults. */
  readonly scheduler: SchedulerConfiguration | undefined
  /** Names of controllers that run: `*` for all, `-name` to leave one out. */
  readonly controllers: readonly string[]
  /** Undefined: no metrics are served. */
  readonly metricsPort: number | undefined
  readonly leaseMs: number
  readonly verbose: boolean
}

/** Reads the process's arguments. @throws Error with one sentence */
export function readConfig(args: readonly string[]): WorkersConfig {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'database-url': { type: 'string' },
      server: { type: 'string' },
      ca: { type: 'string' },
      'bearer-token-file': { type: 'string' },
      'client-cert': { type: 'string' },
      'client-key': { type: 'string' },
      'root-ca': { type: 'string' },
      'service-account-private-key-file': { type: 'string' },
      'cluster-signing-cert-file': { type: 'string' },
      'cluster-signing-key-file': { type: 'string' },
      'service-cidr': { type: 'string', default: '10.96.0.0/16' },
      'allocate-node-cidrs': { type: 'boolean', default: false },
      'cluster-cidr': { type: 'string' },
      'node-cidr-mask-size': { type: 'string' },
      'node-cidr-mask-size-ipv4': { type: 'string' },
      'node-cidr-mask-size-ipv6': { type: 'string' },
      'runtime-config': { type: 'string', multiple: true, default: [] },
      'scheduler-config': { type: 'string' },
      controllers: { type: 'string', default: '*' },
      'metrics-port': { type: 'string' },
      'lease-seconds': { type: 'string', default: '15' },
      verbose: { type: 'boolean', default: false },
    },
  })
  const leaseSeconds = Number(values['lease-seconds'])
  if (!(leaseSeconds >= 1))
    throw new Error(`--lease-seconds takes a number of at least 1, not '${values['lease-seconds']}'`)
  const certificate = textOf(values['cluster-signing-cert-file'])
  const key = textOf(values['cluster-signing-key-file'])
  return {
    connection: connectionOf(values),
    rootCa: textOf(values['root-ca']),
    serviceAccountKey: textOf(values['service-account-private-key-file']),
    signingAuthority: certificate === undefined || key === undefined ? undefined : { certificate, key },
    nodeAddressing: nodeAddressingOf(values),
    runtimeConfig: runtimeConfigOf(values['runtime-config']),
    scheduler: schedulerOf(values['scheduler-config']),
    controllers: values.controllers.split(','),
    metricsPort: values['metrics-port'] === undefined ? undefined : Number(values['metrics-port']),
    leaseMs: leaseSeconds * 1000,
    verbose: values.verbose,
  }
}

const textOf = (file: string | undefined): string | undefined =>
  file === undefined ? undefined : readFileSync(file, 'utf8')

interface AddressingValues {
  'allocate-node-cidrs': boolean
  'cluster-cidr'?: string
  'node-cidr-mask-size'?: string
  'node-cidr-mask-size-ipv4'?: string
  'node-cidr-mask-size-ipv6'?: string
  'service-cidr': string
}

function nodeAddressingOf(values: AddressingValues): NodeAddressing | undefined {
  if (!values['allocate-node-cidrs']) return undefined
  const clusterCidrs = values['cluster-cidr']?.split(',') ?? []
  if (clusterCidrs.length === 0) throw new Error('--allocate-node-cidrs needs a --cluster-cidr')
  const own = values['node-cidr-mask-size']
  if (own !== undefined && clusterCidrs.length > 1)
    throw new Error('--node-cidr-mask-size is for one --cluster-cidr: with two there are -ipv4 and -ipv6 of it')
  return {
    clusterCidrs,
    serviceCidrs: values['service-cidr'].split(','),
    nodeMaskSizeIPv4: Number(values['node-cidr-mask-size-ipv4'] ?? own ?? 24),
    nodeMaskSizeIPv6: Number(values['node-cidr-mask-size-ipv6'] ?? own ?? 64),
  }
}

/** Reads a KubeSchedulerConfiguration in YAML or JSON. */
function schedulerOf(file: string | undefined): SchedulerConfiguration | undefined {
  if (file === undefined) return undefined
  try {
    return readSchedulerConfiguration(parse(readFileSync(file, 'utf8')))
  } catch (error) {
    throw new Error(`--scheduler-config ${file}: ${(error as Error).message}`, { cause: error })
  }
}

interface ConnectionValues {
  'database-url'?: string
  server?: string
  ca?: string
  'bearer-token-file'?: string
  'client-cert'?: string
  'client-key'?: string
  'service-cidr': string
}

function connectionOf(values: ConnectionValues): WorkersConnection {
  if (values['database-url'] !== undefined)
    return { kind: 'database', url: values['database-url'], serviceCidr: values['service-cidr'] }
  if (values.server === undefined || values.ca === undefined)
    throw new Error('either --database-url or --server and --ca are needed')
  return {
    kind: 'server',
    server: values.server,
    ca: values.ca,
    bearerTokenFile: values['bearer-token-file'],
    clientCert: values['client-cert'],
    clientKey: values['client-key'],
  }
}

/** True when a controller of that name is to run. */
export function isEnabled(controllers: readonly string[], name: string): boolean {
  if (controllers.includes(`-${name}`)) return false
  return controllers.includes('*') || controllers.includes(name)
}
