import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import path from 'node:path'

/** What `npm start -- …` may be told. */
export interface StartOptions {
  /** Absolute path of the folder that keeps everything: database, keys, kubeconfig, logs. */
  readonly dataDir: string
  /** The API server's port; 0: any free one. */
  readonly port: number
  /** The dashboard's port; undefined: the usual one, or any free one when that is taken. */
  readonly dashboardPort: number | undefined
  /** A second port of the API server, without TLS and on the loopback address alone; undefined: none. */
  readonly plainHttpPort: number | undefined
  /** An external Postgres instead of the embedded one. */
  readonly databaseUrl: string | undefined
  /** Which versions are served besides the usual ones, as kube-apiserver's flag says it. */
  readonly runtimeConfig: string | undefined
  /** Absolute path of a KubeSchedulerConfiguration; undefined: kube-scheduler's defaults. */
  readonly schedulerConfig: string | undefined
  /** Whether this machine is a node that runs containers: as asked for; `auto`: where it can. */
  readonly node: NodeChoice
  /** This machine's name as a node. */
  readonly nodeName: string
  /** Packages that a real node needs may be installed. */
  readonly install: boolean
  /** The socket of the container runtime that a real node uses; undefined: one that it finds, or one of its own. */
  readonly criSocket: string | undefined
  /** undefined: none beside a real node, the usual number without one. */
  readonly simulatedNodes: number | undefined
  /** Devices of each simulated node. */
  readonly simulatedDevices: number
  readonly dashboard: boolean
  /** Return once healthy, leaving everything running. */
  readonly detach: boolean
  /** Run the dashboard from its sources, rebuilt as they change. */
  readonly dev: boolean
  /** Set by a detaching start for the process that stays. */
  readonly background: boolean
}

/** What `--node` takes. */
export type NodeChoice = 'auto' | 'real' | 'simulated'

/** How many nodes are simulated where nothing else was asked for. */
export const simulatedNodesDefault = 10

/** A mistake of the person at the terminal, or of the machine, that one sentence explains. Printed without a stack. */
export class PlainError extends Error {}

/** What `--help` prints. */
export const usage = `Usage: npm start [-- options]     starts Binnacle on this machine
       npm stop [-- --data-dir DIR]     ends a detached one

  --data-dir DIR          where everything is kept (default .binnacle)
  --port N                the API server's TLS port (default 6443; 0: any free one)
  --plain-http-port N     a second API port without TLS, on 127.0.0.1 alone, for a proxy that ends TLS
  --dashboard-port N      the dashboard's port (default 3000, or any free one when that is taken)
  --database-url URL      an external Postgres 15 or later instead of the embedded one
  --runtime-config LIST   versions to serve or not, such as api/beta=true or group/version=false
  --scheduler-config FILE a KubeSchedulerConfiguration in YAML: profiles, plugins and their arguments
  --node KIND             real: this machine is a node that runs containers; simulated (default): it is not;
                          auto: real as root on Linux
  --node-name NAME        what the node is called (default: the machine's name)
  --no-install            do not install packages that a real node needs
  --cri-socket FILE       the container runtime of a real node (default: a free one of this machine, or an own containerd)
  --simulated-nodes N     how many simulated nodes to run (default 10; none beside a real node)
  --simulated-devices N   how many devices each of them offers to resource claims (default 0)
  --no-dashboard          without the dashboard
  --detach                return once healthy; \`npm stop\` ends it
`

function wholeNumber(flag: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > max)
    throw new PlainError(`--${flag} takes a whole number from 0 to ${max}, not '${text}'.`)
  return value
}

/**
 * Reads the arguments after the command word.
 * @throws PlainError for unknown options and malformed values.
 */
export function parseOptions(args: readonly string[], workingDirectory: string): StartOptions {
  const values = parseFlags(args)
  const databaseUrl = values['database-url']
  const schedulerConfig = values['scheduler-config']
  if (databaseUrl !== undefined && !/^postgres(ql)?:\/\//.test(databaseUrl)) {
    throw new PlainError(`--database-url takes a URL that begins with postgres://, not '${databaseUrl}'.`)
  }
  return {
    dataDir: path.resolve(workingDirectory, values['data-dir'] ?? '.binnacle'),
    port: wholeNumber('port', values.port, 65_535) ?? 6443,
    plainHttpPort: wholeNumber('plain-http-port', values['plain-http-port'], 65_535),
    dashboardPort: wholeNumber('dashboard-port', values['dashboard-port'], 65_535),
    databaseUrl,
    runtimeConfig: values['runtime-config'],
    schedulerConfig: schedulerConfig === undefined ? undefined : path.resolve(workingDirectory, schedulerConfig),
    node: nodeChoice(values.node),
    nodeName: nodeName(values['node-name']),
    install: values['no-install'] !== true,
    criSocket: values['cri-socket'],
    simulatedNodes: wholeNumber('simulated-nodes', values['simulated-nodes'], 10_000),
    simulatedDevices: wholeNumber('simulated-devices', values['simulated-devices'], 1000) ?? 0,
    dashboard: values['no-dashboard'] !== true,
    detach: values.detach === true,
    dev: values.dev === true,
    background: values.background === true,
  }
}

function nodeChoice(text = 'simulated'): NodeChoice {
  if (text !== 'auto' && text !== 'real' && text !== 'simulated')
    throw new PlainError(`--node takes real, simulated or auto, not '${text}'.`)
  return text
}

function nodeName(text = hostname().toLowerCase()): string {
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text) || text.length > 63)
    throw new PlainError(`--node-name takes lower case letters, digits, '-' and '.', not '${text}'.`)
  return text
}

function parseFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        'data-dir': { type: 'string' },
        port: { type: 'string' },
        'plain-http-port': { type: 'string' },
        'dashboard-port': { type: 'string' },
        'database-url': { type: 'string' },
        'runtime-config': { type: 'string' },
        'scheduler-config': { type: 'string' },
        node: { type: 'string' },
        'node-name': { type: 'string' },
        'no-install': { type: 'boolean' },
        'cri-socket': { type: 'string' },
        'simulated-nodes': { type: 'string' },
        'simulated-devices': { type: 'string' },
        'no-dashboard': { type: 'boolean' },
        detach: { type: 'boolean' },
        dev: { type: 'boolean' },
        background: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    throw new PlainError(`${(error as Error).message.split('. ')[0]}. See 'npm start -- --help'.`)
  }
}
