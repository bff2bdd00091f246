/**
 * The dashboard's process: serves the Next.js application on plain HTTP on the loopback address, and passes `/graphql` (HTTP and
 * WebSocket) on to the API server over TLS. Nothing but GraphQL goes through here.
 */
import { readFileSync } from 'node:fs'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import next from 'next'
import { ApiProxy } from './server/api-proxy.ts'
import { signInCookie, signOutCookie } from './server/session-cookie.ts'

const host = '127.0.0.1'
const tokenBytesMax = 16_384

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'api-url': { type: 'string' },
    ca: { type: 'string' },
    dev: { type: 'boolean', default: false },
  },
})
if (values['api-url'] === undefined || values.ca === undefined) fail('--api-url and --ca are needed')

const proxy = new ApiProxy({ url: new URL(values['api-url']), ca: readFileSync(values.ca, 'utf8') })
const server = createServer((request, response) => void answer(request, response))
const application = next({
  dev: values.dev,
  dir: path.dirname(fileURLToPath(import.meta.url)),
  hostname: host,
  port: Number(values.port),
  // Next.js attaches itself to every upgrade of the server that it knows, and would end our WebSockets: it gets one that never listens.
  httpServer: createServer(),
})
await application.prepare()
const handle = application.getRequestHandler()
const handleUpgrade = application.getUpgradeHandler()

server.on('upgrade', (request, socket, head) => {
  if (pathOf(request) !== '/graphql') void handleUpgrade(request, socket, head)
  else if (isSameOrigin(request)) proxy.forwardUpgrade(request, socket, head)
  else socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
})
server.on('error', (error) => fail(`port ${values.port} on ${host}: ${error.message}`))
server.listen(Number(values.port), host, () => {
  process.stdout.write(`${JSON.stringify({ ready: true, port: (server.address() as AddressInfo).port })}\n`)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    server.close()
    server.closeAllConnections()
    process.exit(0)
  })
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('x-frame-options', 'DENY')
  response.setHeader('referrer-policy', 'same-origin')
  const pathname = pathOf(request)
  if (pathname === '/graphql' || pathname === '/session') {
    if (!isSameOrigin(request)) response.writeHead(403).end()
    else if (pathname === '/graphql') proxy.forward(request, response)
    else await answerSession(request, response)
    return
  }
  await handle(request, response)
}

// PUT signs in with the token in the body, DELETE signs out.
async function answerSession(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'DELETE') {
    response.writeHead(204, { 'set-cookie': signOutCookie }).end()
    return
  }
  if (request.method !== 'PUT') {
    response.writeHead(405, { allow: 'PUT, DELETE' }).end()
    return
  }
  const token = (await bodyOf(request))?.trim()
  if (token === undefined) {
    response.writeHead(413).end()
    return
  }
  try {
    const accepted = /^[\x21-\x7e]+$/.test(token) && (await proxy.accepts(token))
    if (accepted) response.writeHead(204, { 'set-cookie': signInCookie(token) }).end()
    else response.writeHead(401).end()
  } catch {
    response.writeHead(502).end()
  }
}

// The body of a request; undefined when it is longer than any token. It is read to its end, or the answer would not get through.
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  let body = ''
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes <= tokenBytesMax) body += String(chunk)
  }
  return bytes > tokenBytesMax ? undefined : body
}

// Another site must not use the cookie: browsers say where a request comes from, other programs have no cookie to lose.
function isSameOrigin(request: IncomingMessage): boolean {
  const { origin } = request.headers
  return origin === undefined || origin === `http://${request.headers.host}`
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] as string
}

function fail(message: string): never {
  process.stderr.write(`${JSON.stringify({ level: 'error', message })}\n`)
  process.exit(1)
}
