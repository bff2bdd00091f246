import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type RuntimeConfig, runtimeConfigOf } from '@binnacle/resources'
import type { NodeCredentials } from './streaming/node-connection.ts'

/** How the API process is to run. */
export interface ApiConfig {
  readonly databaseUrl: string
  readonly host: string
  /** Where pods and nodes reach this process; the endpoint of the Service `kubernetes`. */
  readonly advertiseAddress: string
  /** 0: any free one. */
  readonly port: number
  /** A second port, without TLS and on the loopback address alone; undefined: none. 0: any free one. */
  readonly plainHttpPort: number | undefined
  /** PEM texts. */
  readonly tlsCertificate: string
  readonly tlsKey: string
  readonly clientCa: string
  readonly serviceAccountKey: string | undefined
  readonly tokenFile: string | undefined
  readonly serviceCidr: string
  /** Origins, besides the API's own, from which browsers may open WebSockets. */
  readonly allowedOrigins: readonly string[]
  readonly runtimeConfig: RuntimeConfig
  /** How node agents are reached; undefined: not at all, so that logs, exec and the like are refused. */
  readonly nodeCredentials: NodeCredentials | undefined
  readonly verbose: boolean
}

/** A mistake in the arguments, said in one sentence. */
export class ConfigError extends Error {}

/** Reads the process's arguments. @throws ConfigError */
export function readConfig(args: readonly string[]): ApiConfig {
  const values = parse(args)
  const file = (name: FileFlag): string => {
    const path = values[name]
    if (path === undefined) throw new ConfigError(`--${name} is needed`)
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      throw new ConfigError(`--${name}: ${(error as Error).message}`)
    }
  }
  if (values['database-url'] === undefined) throw new ConfigError('--database-url is needed')
  return {
    databaseUrl: values['database-url'],
    host: values.host,
    advertiseAddress: values['advertise-address'] ?? values.host,
    port: portOf('port', values.port),
    plainHttpPort:
      values['plain-http-port'] === undefined ? undefined : portOf('plain-http-port', values['plain-http-port']),
    tlsCertificate: file('tls-cert'),
    tlsKey: file('tls-key'),
    clientCa: file('client-ca'),
    serviceAccountKey: values['service-account-key'] === undefined ? undefined : file('service-account-key'),
    tokenFile: values['token-file'],
    serviceCidr: values['service-cidr'],
    allowedOrigins: values['allowed-origin'],
    runtimeConfig: runtimeConfigOf(values['runtime-config']),
    nodeCredentials:
      values['kubelet-client-certificate'] === undefined
        ? undefined
        : {
            clientCertificate: file('kubelet-client-certificate'),
            clientKey: file('kubelet-client-key'),
            ca: file('kubelet-certificate-authority'),
          },
    verbose: values.verbose,
  }
}

type FileFlag =
  | 'tls-cert'
  | 'tls-key'
  | 'client-ca'
  | 'service-account-key'
  | 'kubelet-client-certificate'
  | 'kubelet-client-key'
  | 'kubelet-certificate-authority'

function portOf(flag: string, value: string): number {
  const port = Number(value)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new ConfigError(`--${flag} takes a number from 0 to 65535, not '${value}'`)
  return port
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        'database-url': { type: 'string' },
        host: { type: 'string', default: '127.0.0.1' },
        'advertise-address': { type: 'string' },
        port: { type: 'string', default: '6443' },
        'plain-http-port': { type: 'string' },
        'tls-cert': { type: 'string' },
        'tls-key': { type: 'string' },
        'client-ca': { type: 'string' },
        'service-account-key': { type: 'string' },
        'token-file': { type: 'string' },
        'kubelet-client-certificate': { type: 'string' },
        'kubelet-client-key': { type: 'string' },
        'kubelet-certificate-authority': { type: 'string' },
        'service-cidr': { type: 'string', default: '10.96.0.0/16' },
        'allowed-origin': { type: 'string', multiple: true, default: [] },
        'runtime-config': { type: 'string', multiple: true, default: [] },
        verbose: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new ConfigError((error as Error).message)
  }
}
