import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { Agent, request } from 'node:https'
import { type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openUpgrade } from '@binnacle/client'
import type { Pod } from '@binnacle/resources'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AgentServer } from './agent-server.ts'
import type { NodeRuntime } from './runtime.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-agent-'))
const file = (name: string): string => path.join(folder, name)
const read = (name: string): string => readFileSync(file(name), 'utf8')
const openssl = (...args: string[]): void =>
  void execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })

function sign(name: string, subject: string): void {
  writeFileSync(file('san'), 'subjectAltName=IP:127.0.0.1')
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`]
  openssl('req', ...key, '-subj', subject, '-out', `${name}.csr`)
  const ca = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial']
  openssl('x509', '-req', '-in', `${name}.csr`, ...ca, '-days', '1', '-extfile', 'san', '-out', `${name}.crt`)
}

const web: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', uid: 'u1' },
  status: {
    containerStatuses: [
      {
        ...{ name: 'app', image: '', imageID: '', ready: true, restartCount: 0 },
        ...{ containerID: 'containerd://c1', state: { running: {} } },
      },
    ],
  },
}

let runtime: Server
let runtimeUrl: string
const asked: string[] = []
const sockets = new Set<Socket>()
const fake: NodeRuntime = {
  pods: () => [web],
  sandboxOf: () => 's1',
  container: async () => ({ logPath: file('0.log'), isRunning: false }),
  exec: async (id, command, streams) => {
    asked.push(`exec ${id} ${command.join(' ')} ${JSON.stringify(streams)}`)
    return `${runtimeUrl}/exec/token`
  },
  attach: async () => `${runtimeUrl}/refuse`,
  portForward: async (id, ports) => {
    asked.push(`portForward ${id} ${ports}`)
    return `${runtimeUrl}/exec/token`
  },
}

let agent: AgentServer
let port: number

beforeAll(async () => {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key']
  openssl('req', '-x509', ...key, '-subj', '/CN=ca', '-days', '1', '-out', 'ca.crt')
  sign('server', '/CN=node')
  sign('api', '/O=kubeadm:cluster-admins/CN=kube-apiserver-kubelet-client')
  sign('admin', '/O=system:masters/CN=kubernetes-admin')
  writeFileSync(file('0.log'), '2026-01-01T00:00:00Z stdout F hello\n')
  runtime = createServer((_request, response) => response.writeHead(400).end('not this way'))
  runtime.on('connection', (socket) => sockets.add(socket))
  // Gives back what it gets, after the head of the request as it has come.
  runtime.on('upgrade', (upgrade, socket) => {
    if (upgrade.url !== '/exec/token') return socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nnot v5')
    const { 'x-stream-protocol-version': protocol, authorization } = upgrade.headers
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n`)
    socket.write(`${upgrade.method} ${protocol} ${authorization};`)
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => runtime.listen(0, '127.0.0.1', resolve))
  runtimeUrl = `http://127.0.0.1:${(runtime.address() as AddressInfo).port}`
  agent = new AgentServer({
    ...{
      host: '127.0.0.1',
      port: 0,
      certificate: read('server.crt'),
      key: read('server.key'),
      clientCa: read('ca.crt'),
    },
    ...{ runtime: fake, log: () => undefined },
    documents: { '/stats/summary': async () => ({ contentType: 'application/json', body: '{"node":{}}' }) },
  })
  port = await agent.listen()
})
afterAll(async () => {
  await agent?.close()
  for (const socket of sockets) socket.destroy()
  runtime?.close()
  rmSync(folder, { recursive: true })
})

/** Who shows no certificate. */
const stranger = ''
const as = (name: string): Agent =>
  new Agent({
    ca: read('ca.crt'),
    ...(name === stranger ? {} : { cert: read(`${name}.crt`), key: read(`${name}.key`) }),
  })

function get(
  target: string,
  name: string | undefined = 'api',
  method = 'GET',
): Promise<{ code: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path: target, method, agent: as(name) }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ code: response.statusCode ?? 0, text }))
    })
    outgoing.on('error', reject).end()
  })
}

const upgrade = (target: string, name = 'api') =>
  openUpgrade({
    ...{ host: '127.0.0.1', port, path: target, method: 'POST', agent: as(name) },
    headers: {
      ...{ connection: 'Upgrade', upgrade: 'SPDY/3.1', authorization: 'Bearer secret' },
      'x-stream-protocol-version': 'v4.channel.k8s.io',
    },
  })

describe("the agent's server", () => {
  it('answers the API server', async () => {
    expect(await get('/healthz')).toEqual({ code: 200, text: 'ok' })
    expect(JSON.parse((await get('/pods')).text)).toMatchObject({ kind: 'PodList', items: [web] })
    expect(await get('/stats/summary')).toEqual({ code: 200, text: '{"node":{}}' })
    expect(await get('/containerLogs/default/web/app?timestamps=true')).toEqual({
      code: 200,
      text: '2026-01-01T00:00:00.000000000Z hello\n',
    })
  })

  it('answers nobody else, not even the administrator', async () => {
    for (const target of ['/healthz', '/containerLogs/default/web/app']) {
      expect(await get(target, stranger)).toMatchObject({ code: 401 })
      expect(await get(target, 'admin')).toMatchObject({
        code: 403,
        text: expect.stringContaining('Forbidden (user=kubernetes-admin, verb=get'),
      })
    }
    expect(await upgrade('/exec/default/web/app?output=1', 'admin')).toMatchObject({ upgraded: false, code: 403 })
  })

  it('says what is not there', async () => {
    expect(await get('/nothing')).toEqual({ code: 404, text: '404 page not found' })
    expect(await get('/pods', 'api', 'POST')).toMatchObject({ code: 405 })
    expect(await get('/containerLogs/default/none/app')).toEqual({
      code: 404,
      text: 'pod "none" not found in namespace "default"',
    })
    expect(await get('/containerLogs/default/web/app?previous=true')).toMatchObject({ code: 400 })
  })

  it('hands a command to the runtime, without who asks', async () => {
    asked.length = 0
    const answer = await upgrade('/exec/default/web/app?command=ls&command=-l&input=1&output=1&error=1&tty=1')
    if (!answer.upgraded) throw new Error(answer.text)
    const { socket } = answer
    if (answer.head.length > 0) socket.unshift(answer.head)
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += String(chunk)))
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.end('echoed')
    await closed
    expect(text).toBe('POST v4.channel.k8s.io undefined;echoed')
    expect(asked).toEqual(['exec c1 ls -l {"stdin":true,"stdout":true,"stderr":false,"tty":true}'])
  })

  it('forwards the ports that are named', async () => {
    asked.length = 0
    const answer = await upgrade('/portForward/default/web?port=80,81')
    expect(answer.upgraded && answer.socket.destroy()).toBeTruthy()
    expect(asked).toEqual(['portForward s1 80,81'])
    expect(await upgrade('/portForward/default/web?port=0')).toMatchObject({
      code: 400,
      text: 'invalid port value "0"',
    })
  })

  it.each([
    ['/exec/default/web/app?command=ls', 400, 'you must specify at least 1 of stdin, stdout, stderr'],
    ['/exec/default/web/other?output=1', 500, 'container not found ("other")'],
    ['/exec/default/none/app?output=1', 404, 'pod does not exist'],
    ['/attach/default/web/app?output=1', 403, 'not v5'],
    ['/run/default/web/app', 404, '404 page not found'],
  ])('refuses %s', async (target, code, text) => {
    expect(await upgrade(target)).toMatchObject({ upgraded: false, code, text })
  })

  it('ends the stream when the runtime goes away', async () => {
    const answer = await upgrade('/exec/default/web/app?output=1')
    if (!answer.upgraded) throw new Error(answer.text)
    const closed = new Promise((resolve) =>
      answer.socket
        .on('close', resolve)
        .on('error', () => undefined)
        .resume(),
    )
    for (const socket of sockets) socket.destroy()
    await closed
    expect(answer.socket.destroyed).toBe(true)
  })
})
