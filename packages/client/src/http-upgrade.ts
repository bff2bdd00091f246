import { type IncomingMessage, type RequestOptions, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions as HttpsRequestOptions } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** How an upgrade request was answered: with another protocol, or with a refusal. */
export type UpgradeAnswer =
  | { readonly upgraded: true; readonly response: IncomingMessage; readonly socket: Socket; readonly head: Buffer }
  | { readonly upgraded: false; readonly code: number; readonly contentType: string; readonly text: string }

/** How long a server may take to accept a connection and to answer an upgrade, in milliseconds. */
const upgradeMsMax = 30_000
/** What is read of a refusal, in bytes. */
const refusalBytesMax = 64 * 1024

/**
 * Asks a server to change the protocol of a connection (RFC 9110 §7.8): `headers` name it. `agent` may be that of either scheme, and says which.
 * @throws Error as the socket gives it when the server cannot be reached
 */
export async function openUpgrade(
  options: (RequestOptions | HttpsRequestOptions) & { readonly method: string },
): Promise<UpgradeAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<UpgradeAnswer>()
  const request = options.agent instanceof HttpsAgent ? httpsRequest : httpRequest
  const outgoing = request({ ...options, timeout: upgradeMsMax })
  outgoing.on('upgrade', (response, socket: Socket, head) => {
    socket.setTimeout(0).setNoDelay(true)
    resolve({ upgraded: true, response, socket, head })
  })
  outgoing.on('response', (response) => resolve(refusalOf(response)))
  outgoing.on('timeout', () => outgoing.destroy(new Error('i/o timeout')))
  outgoing.on('error', reject)
  outgoing.end()
  return await promise
}

async function refusalOf(response: IncomingMessage): Promise<UpgradeAnswer> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk
    if (text.length > refusalBytesMax) break
  }
  const contentType = response.headers['content-type'] ?? 'text/plain'
  return { upgraded: false, code: response.statusCode ?? 502, contentType, text: text.trimEnd() }
}

/** The head of a response with its headers as they came, to be passed on. */
export function responseHead({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  let text = `HTTP/1.1 ${statusCode} ${statusMessage}\r\n`
  for (let i = 0; i < rawHeaders.length; i += 2) text += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`
  return `${text}\r\n`
}

/**
 * Makes one connection out of two: bytes go both ways, as fast as the slower side takes them. An end of one side is passed on; when a side is gone,
 * so is the other, once it has what was on the way to it. Resolves when both are closed.
 */
export async function joinSockets(left: Duplex, right: Duplex): Promise<void> {
  left.pipe(right)
  right.pipe(left)
  await Promise.all([closed(left, right), closed(right, left)])
}

function closed(side: Duplex, other: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const leave = (): void => {
    if (other.writableEnded && !other.writableFinished) other.once('finish', () => other.destroy())
    else other.destroy()
    resolve()
  }
  side.on('error', () => side.destroy())
  if (side.closed) leave()
  else side.once('close', leave)
  return promise
}
