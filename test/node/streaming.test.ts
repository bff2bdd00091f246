import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ContainerNode, containersMissing } from '@binnacle/node-agent/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { eventually, https, kubectlPath, type Product, startProduct } from '../fixtures/product.ts'

/** kubectl logs, exec, attach, cp and port-forward against real containers. */

const missing = containersMissing ?? (kubectlPath === undefined ? 'no kubectl' : undefined)
let product: Product
let node: ContainerNode
let folder: string

beforeAll(async () => {
  if (missing !== undefined) return
  folder = mkdtempSync(path.join(tmpdir(), 'binnacle-streaming-'))
  product = startProduct(['--simulated-nodes', '0', '--no-dashboard'])
  await eventually(() => product.kubectl('get', 'serviceaccount', 'default'))
  node = new ContainerNode({
    ca: product.ca,
    pki: (name) => readFileSync(path.join(product.dataDir, 'pki', name), 'utf8'),
    async call(method, target, body) {
      const options = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
      const answer = await https(product, product.endpoints.api + target, options)
      if (answer.status >= 300) throw new Error(`${method} ${target}: ${answer.body}`)
      return JSON.parse(answer.body)
    },
  })
  await node.start()
  const echo = 'mkdir /tmp/www; echo page > /tmp/www/index.html; httpd -p 8080 -h /tmp/www; nc -ll -p 9000 -e cat'
  await node.run('web', [{ name: 'app', script: `echo hello; echo oops >&2; ${echo}` }], { app: 'web' })
  await node.run(
    'two',
    [
      { name: 'one', script: 'for i in 1 2 3 4 5; do echo line $i; done; sleep 1000' },
      { name: 'other', script: 'while read line; do echo "got $line"; done', stdin: true },
    ],
    { app: 'two' },
  )
}, 240_000)
afterAll(async () => {
  await node?.stop()
  product?.remove()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
}, 60_000)

interface Ended {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs kubectl with an input of its own. */
function run(args: readonly string[], input?: Buffer, environment: Record<string, string> = {}): Promise<Ended> {
  const child = start(args, environment)
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => (stderr += String(chunk)))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr })))
}

function start(args: readonly string[], environment: Record<string, string> = {}) {
  const kubeconfig = path.join(product.dataDir, 'admin.kubeconfig')
  return spawn('kubectl', [...args], { env: { ...process.env, KUBECONFIG: kubeconfig, ...environment } })
}

const withoutWebSockets = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }
const protocols = [
  ['WebSocket', {}],
  ['SPDY', withoutWebSockets],
] as const
const kubectl = (command: string): Promise<string> => product.kubectl(...command.split(' '))
const refusal = (command: string): Promise<string> =>
  kubectl(command).then(
    (output) => `not refused: ${output}`,
    (error: Error) => error.message,
  )

describe.skipIf(missing !== undefined)(`kubectl logs${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  it('shows both outputs, last lines, times and a limited part', async () => {
    expect((await kubectl('logs web')).split('\n').sort()).toEqual(['', 'hello', 'oops'])
    expect(await kubectl('logs two -c one --tail 2')).toBe('line 4\nline 5\n')
    expect(await kubectl('logs two -c one --limit-bytes 9')).toBe('line 1\nli')
    expect(await kubectl('logs two -c one --tail 1 --timestamps')).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}\S+ line 5\n$/,
    )
    expect(await kubectl('logs two -c one --since 1h --tail 1')).toBe('line 5\n')
    expect(await kubectl('logs two -c one --since-time 2999-01-01T00:00:00Z')).toBe('')
  })

  it('follows all containers of a label with their names', async () => {
    const child = start(['logs', '-f', '--all-containers', '--prefix', '-l', 'app=two', '--max-log-requests', '5'])
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)))
    await eventually(() => expect(text).toContain('[pod/two/one] line 5\n'))
    await run(['attach', '-i', 'two', '-c', 'other'], Buffer.from('a word\n'))
    await eventually(() => expect(text).toContain('[pod/two/other] got a word\n'))
    child.kill()
  })

  it('says what is not clear or not there', async () => {
    expect(await refusal('logs nobody')).toContain('pods "nobody" not found')
    expect(await refusal('logs two -c three')).toContain('container three is not valid for pod two')
    expect(await refusal('logs web --previous')).toContain('previous terminated container "app" in pod "web" not found')
  })
})

describe.skipIf(missing !== undefined).each(protocols)('kubectl exec over %s', (_, environment) => {
  const exec = (args: string[], input?: Buffer): Promise<Ended> => run(['exec', ...args], input, environment)

  it('gives both outputs and the exit code', async () => {
    const ended = await exec(['web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 42'])
    expect(ended).toMatchObject({ code: 42, stdout: Buffer.from('out\n') })
    expect(ended.stderr).toBe('err\ncommand terminated with exit code 42\n')
  })

  it('passes on the input and its end', async () => {
    const input = randomBytes(3_000_000)
    const { code, stdout } = await exec(['-i', 'web', '--', 'sh', '-c', 'cat; echo end'], input)
    expect(code).toBe(0)
    expect(stdout.equals(Buffer.concat([input, Buffer.from('end\n')]))).toBe(true)
  })

  it('says that the command is not there, and which container is not', async () => {
    expect((await exec(['web', '--', 'nothing'])).stderr).toContain('executable file not found')
    expect((await exec(['web', '-c', 'none', '--', 'true'])).stderr).toContain(
      'container none is not valid for pod web',
    )
  })

  it('runs several at a time', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, (_, i) => exec(['web', '--', 'echo', `${i}`])))
    expect(all.map(({ stdout }) => String(stdout))).toEqual(Array.from({ length: 6 }, (_, i) => `${i}\n`))
  })
})

describe.skipIf(missing !== undefined)('kubectl exec with a terminal', () => {
  it('has one, of the size that the client says', async () => {
    const { stdout } = await viaTerminal(
      `exec -it web -- sh -c 'tty; until stty size | grep "33 111"; do sleep 0.1; done'`,
    )
    expect(stdout).toContain('/dev/pts/0')
    expect(stdout).toContain('33 111')
  })

  // `script` gives kubectl a terminal of its own.
  async function viaTerminal(command: string): Promise<{ stdout: string }> {
    const kubeconfig = path.join(product.dataDir, 'admin.kubeconfig')
    const shell = `stty rows 33 cols 111; exec kubectl ${command}`
    const child = spawn('script', ['-qec', shell, '/dev/null'], { env: { ...process.env, KUBECONFIG: kubeconfig } })
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += String(chunk)))
    await new Promise((resolve) => child.on('close', resolve))
    return { stdout }
  }
})

describe.skipIf(missing !== undefined)('kubectl cp', () => {
  it('copies both ways', async () => {
    const content = randomBytes(2_000_000)
    const [from, to] = [path.join(folder, 'from'), path.join(folder, 'to')]
    writeFileSync(from, content)
    await product.kubectl('cp', from, 'web:/tmp/copied')
    await product.kubectl('cp', 'web:/tmp/copied', to)
    expect(readFileSync(to).equals(content)).toBe(true)
  })
})

describe.skipIf(missing !== undefined).each(protocols)('kubectl port-forward over %s', (_, environment) => {
  it('carries several connections to several ports', async () => {
    const child = start(['port-forward', 'web', ':9000', ':8080'], environment)
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)))
    const portOf = (target: number): Promise<number> =>
      eventually(() => Number(new RegExp(`127\\.0\\.0\\.1:(\\d+) -> ${target}`).exec(text)?.[1] ?? fail(text)))
    try {
      const port = await portOf(9000)
      const content = randomBytes(1_000_000)
      const echoed = await Promise.all([echo(port, content), echo(port, content), echo(port, content)])
      expect(echoed.every((answer) => answer.equals(content))).toBe(true)
      const page = await fetch(`http://127.0.0.1:${await portOf(8080)}/nothing`)
      expect(page.status).toBe(404)
    } finally {
      child.kill()
    }
  })

  function fail(text: string): never {
    throw new Error(`not forwarded: ${text}`)
  }

  /** Sends all, ends, and reads what comes back. */
  function echo(port: number, content: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = []
      let bytes = 0
      const socket = connect(port, '127.0.0.1', () => socket.write(content))
      socket.on('data', (chunk) => {
        parts.push(chunk)
        bytes += chunk.length
        if (bytes >= content.length) socket.end()
      })
      socket.on('close', () => resolve(Buffer.concat(parts))).on('error', reject)
    })
  }
})

describe.skipIf(missing !== undefined)('the proxy of the API server', () => {
  const raw = (path: string): Promise<string> => product.kubectl('get', '--raw', `/api/v1/${path}`)

  it('reaches a port of a pod', async () => {
    expect(await raw('namespaces/default/pods/web:8080/proxy/')).toBe('page\n')
    expect(await raw('namespaces/default/pods/http:web:8080/proxy/index.html')).toBe('page\n')
    const answer = await https(product, `${product.endpoints.api}/api/v1/namespaces/default/pods/web:8080/proxy/none`)
    expect(answer.status).toBe(404)
  })

  it('reaches an endpoint of a Service by the name or the number of its port', async () => {
    const service = { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }
    const file = path.join(folder, 'service.json')
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec: service }))
    await product.kubectl('create', '-f', file)
    await eventually(async () => expect(await raw('namespaces/default/services/web:http/proxy/')).toBe('page\n'))
    expect(await raw('namespaces/default/services/web:80/proxy/')).toBe('page\n')
    await expect(raw('namespaces/default/services/web:81/proxy/')).rejects.toThrow(
      'no service port 81 found for service "web"',
    )
  })

  it("reaches the node's agent", async () => {
    expect(await raw('nodes/real-0/proxy/healthz')).toBe('ok')
    const { items } = JSON.parse(await raw('nodes/real-0/proxy/pods'))
    expect(items.map((pod: { metadata: { name: string } }) => pod.metadata.name)).toContain('web')
  })
})

describe.skipIf(missing !== undefined)('a WebSocket in the protocol of other clients (v4)', () => {
  it('runs a command', async () => {
    const query = 'command=echo&command=hello&stdout=true&stderr=true'
    const url = `${product.endpoints.api.replace('https', 'wss')}/api/v1/namespaces/default/pods/web/exec?${query}`
    const headers = { authorization: `Bearer ${product.token}` }
    const socket = new WebSocket(url, 'v4.channel.k8s.io', { ca: product.ca, headers })
    const messages: Buffer[] = []
    socket.on('message', (data) => messages.push(data as Buffer))
    await new Promise((resolve, reject) => socket.on('close', resolve).on('error', reject))
    const on = (channel: number): string =>
      Buffer.concat(messages.filter((data) => data[0] === channel).map((data) => data.subarray(1))).toString()
    expect(on(1)).toBe('hello\n')
    expect(JSON.parse(on(3))).toMatchObject({ status: 'Success' })
  })
})

describe.skipIf(missing !== undefined)('when a side dies', () => {
  it('the client of a killed container learns it', async () => {
    await node.run('short', [{ name: 'app', script: 'sleep 1000' }])
    const exec = run(['exec', '-i', 'short', '--', 'sh', '-c', 'echo started; cat'])
    const logs = run(['logs', '-f', 'short'])
    await sleep(1000)
    await node.cri.stopContainer(node.containerId('short', 'app'), 0)
    expect((await exec).code).not.toBe(null)
    expect((await logs).code).toBe(0)
  })

  it('nothing is left open', async () => {
    await eventually(async () => {
      const { body } = await https(product, `${product.endpoints.api}/metrics`)
      expect(/^binnacle_pod_streams .*$/m.exec(body)?.[0]).toBe('binnacle_pod_streams 0')
    }, 20)
  })
})
