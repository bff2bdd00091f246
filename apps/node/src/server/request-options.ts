import { AgentError } from './container-lookup.ts'
import type { LogOptions } from './log-format.ts'
import type { ProcessStreams } from './runtime.ts'

/** What a log request asks for, from its query. @throws AgentError */
export function logOptions(query: URLSearchParams, nowMs: number): LogOptions & { readonly previous: boolean } {
  const sinceSeconds = wholeNumber(query, 'sinceSeconds')
  return {
    follow: isTrue(query, 'follow'),
    previous: isTrue(query, 'previous'),
    timestamps: isTrue(query, 'timestamps'),
    tailLines: wholeNumber(query, 'tailLines'),
    limitBytes: wholeNumber(query, 'limitBytes'),
    since: query.get('sinceTime') ?? (sinceSeconds === undefined ? undefined : secondsAgo(sinceSeconds, nowMs)),
  }
}

const secondsAgo = (seconds: number, nowMs: number): string => new Date(nowMs - seconds * 1000).toISOString()

/** The streams that an exec or attach request asks for, from its query. With a terminal there is no stderr. @throws AgentError when there are none */
export function processStreams(query: URLSearchParams): ProcessStreams {
  const tty = isTrue(query, 'tty')
  const streams = {
    stdin: isTrue(query, 'input'),
    stdout: isTrue(query, 'output'),
    stderr: isTrue(query, 'error') && !tty,
    tty,
  }
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    throw new AgentError(400, 'you must specify at least 1 of stdin, stdout, stderr')
  return streams
}

/** The ports that a port-forward over WebSockets names; with SPDY, each of its streams names its own. @throws AgentError */
export function forwardedPorts(query: URLSearchParams): number[] {
  const ports = query.getAll('port').flatMap((text) => text.split(','))
  return ports.map((text) => {
    const port = Number(text)
    if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw new AgentError(400, `invalid port value "${text}"`)
    return port
  })
}

function isTrue(query: URLSearchParams, name: string): boolean {
  return ['1', 'true'].includes(query.get(name) ?? '')
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  if (!/^\d{1,15}$/.test(text)) throw new AgentError(400, `invalid ${name}: "${text}"`)
  return Number(text)
}
