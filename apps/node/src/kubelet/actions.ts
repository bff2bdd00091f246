import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { credentials, loadPackageDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import path from 'node:path'
import type { Container, ExecAction, GRPCAction, HTTPGetAction, TCPSocketAction } from '@binnacle/resources'
import { type CriClient, isCriTimeout } from '../cri/cri-client.ts'

/** What a probe or hook does: one of these. */
export interface Action {
  readonly exec?: ExecAction
  readonly httpGet?: HTTPGetAction
  readonly tcpSocket?: TCPSocketAction
  readonly grpc?: GRPCAction
}

/** Where an action is carried out. */
export interface ActionTarget {
  readonly cri: CriClient
  readonly container: Container
  readonly containerId: string
  readonly podIP: string
}

/** What came of it, and what there is to say of that. */
export interface ActionResult {
  readonly isSuccess: boolean
  readonly message: string
}

/** What is shown of a body or output (kubelet `maxRespBodyLength`, `maxReadLength`). */
const outputBytesMax = 10 << 10

/** Carries out an action. Failure is a result; nothing is thrown. */
export async function act(action: Action, target: ActionTarget, timeoutSeconds: number): Promise<ActionResult> {
  try {
    if (action.exec !== undefined) return await execute(action.exec, target, timeoutSeconds)
    if (action.httpGet !== undefined) return await get(action.httpGet, target, timeoutSeconds)
    if (action.tcpSocket !== undefined) return await connect(action.tcpSocket, target, timeoutSeconds)
    if (action.grpc !== undefined) return await askHealth(action.grpc, target, timeoutSeconds)
    return { isSuccess: false, message: 'missing probe handler' }
  } catch (error) {
    return { isSuccess: false, message: error instanceof Error ? error.message : String(error) }
  }
}

async function execute(
  { command = [] }: ExecAction,
  target: ActionTarget,
  timeoutSeconds: number,
): Promise<ActionResult> {
  try {
    const { exitCode, stdout, stderr } = await target.cri.execSync(target.containerId, command, timeoutSeconds)
    const message = Buffer.concat([stdout, stderr]).subarray(0, outputBytesMax).toString('utf8')
    return { isSuccess: exitCode === 0, message }
  } catch (error) {
    if (isCriTimeout(error))
      return {
        isSuccess: false,
        message: `command timed out: "${command.join(' ')}" timed out after ${timeoutSeconds}s`,
      }
    throw error
  }
}

/** The number of a port that is given by number or by its name among the container's. @throws Error when there is no such port. */
export function portOf(port: number | string, { ports = [] }: Container): number {
  const number = Number(port)
  const found = Number.isInteger(number) ? number : ports.find(({ name }) => name === port)?.containerPort
  if (found === undefined || found <= 0 || found > 65_535) throw new Error(`invalid port: ${port}`)
  return found
}

function get(action: HTTPGetAction, { container, podIP }: ActionTarget, timeoutSeconds: number): Promise<ActionResult> {
  const { scheme = 'HTTP', host, port, path: place = '/', httpHeaders = [] } = action
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.32', accept: '*/*' }
  for (const { name, value } of httpHeaders) headers[name.toLowerCase()] = value
  const options = {
    host: host || podIP,
    port: portOf(port as number | string, container),
    path: place.startsWith('/') ? place : `/${place}`,
    headers,
    agent: false as const,
    // As kubelet: a probe asks whether it answers, not who it is.
    rejectUnauthorized: false,
    signal: AbortSignal.timeout(timeoutSeconds * 1000),
  }
  return new Promise((resolve, reject) => {
    const request = (scheme === 'HTTPS' ? https : http).get(options, (response) => {
      const { statusCode = 0 } = response
      response.on('error', () => undefined)
      response.resume()
      response.on('close', () => request.destroy())
      const isSuccess = statusCode >= 200 && statusCode < 400
      resolve({ isSuccess, message: isSuccess ? '' : `HTTP probe failed with statuscode: ${statusCode}` })
    })
    request.on('error', (error) => {
      const url = `${scheme.toLowerCase()}://${options.host}:${options.port}${options.path}`
      const isLate = error.name === 'AbortError' || error.name === 'TimeoutError'
      reject(
        new Error(
          `Get "${url}": ${isLate ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)' : error.message}`,
        ),
      )
    })
  })
}

function connect(
  action: TCPSocketAction,
  { container, podIP }: ActionTarget,
  timeoutSeconds: number,
): Promise<ActionResult> {
  const host = action.host || podIP
  const port = portOf(action.port as number | string, container)
  return new Promise((resolve) => {
    const socket = net.connect({ host, port })
    const end = (isSuccess: boolean, message: string): void => {
      socket.destroy()
      resolve({ isSuccess, message })
    }
    socket.setTimeout(timeoutSeconds * 1000, () => end(false, `dial tcp ${host}:${port}: i/o timeout`))
    socket.on('connect', () => end(true, ''))
    socket.on('error', (error) => end(false, `dial tcp ${host}:${port}: ${error.message}`))
  })
}

function askHealth(
  { port, service }: GRPCAction,
  { podIP }: ActionTarget,
  timeoutSeconds: number,
): Promise<ActionResult> {
  const definition = loadSync(path.join(import.meta.dirname, 'health.proto'), { enums: String, defaults: true })
  const { Health } = (loadPackageDefinition(definition) as any).grpc.health.v1
  const client = new Health(`${podIP}:${port}`, credentials.createInsecure())
  return new Promise((resolve) => {
    const deadline = Date.now() + timeoutSeconds * 1000
    client.Check(
      { service: service ?? '' },
      { deadline },
      (error: Error | null, answer: { status: string } | undefined) => {
        client.close()
        if (error !== null) resolve({ isSuccess: false, message: `error: health rpc failed: ${error.message}` })
        else if (answer?.status === 'SERVING') resolve({ isSuccess: true, message: 'service healthy' })
        else resolve({ isSuccess: false, message: `service unhealthy (responded with "${answer?.status}")` })
      },
    )
  })
}
