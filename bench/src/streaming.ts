import { spawn } from 'node:child_process'
import { statSync, truncateSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { ContainerNode, containersMissing } from '@binnacle/node-agent/testing'
import { WebSocket } from 'ws'
import type { Benchmark, BenchmarkContext } from './benchmark.ts'
import type { Figure } from './figure.ts'
import { type Product, startProduct } from './product.ts'
import { median, quantile } from './statistics.ts'

const megabytes = 100
const bytes = megabytes * 1_000_000
const pod = '/api/v1/namespaces/default/pods/web'

/** Commands, copies and forwarded ports: through API server, agent and container runtime. */
export const streaming: Benchmark = {
  name: 'streaming',
  title: 'exec, cp and port-forward of 100 MB, with kubectl, into a real container',
  async run(context): Promise<readonly Figure[]> {
    if (containersMissing !== undefined) {
      context.log(`skipped: ${containersMissing}`)
      return [{ name: 'exec round trip', unit: 'ms', ours: undefined, note: `Not measured: ${containersMissing}.` }]
    }
    const product = await startProduct(context.cleanup, ['--simulated-nodes', '0'])
    await serviceAccountIsThere(product)
    const node = new ContainerNode(product)
    context.cleanup.add(() => node.stop())
    await node.start()
    // A server that sends 100 MB to whoever connects, and one that reads as much and says how much it was.
    const counting = `sh -c 'head -c ${bytes} | wc -c'`
    const script = `nc -ll -p 9000 -e head -c ${bytes} /dev/zero & exec nc -ll -p 9001 -e ${counting}`
    await node.run('web', [{ name: 'app', script }])
    await context.quiet()
    return [
      ...(await execFigures(context, product)),
      ...(await copyFigures(context, product)),
      ...(await forwardFigures(context, product)),
    ]
  },
}

async function serviceAccountIsThere(product: Product): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return void (await product.call('GET', '/api/v1/namespaces/default/serviceaccounts/default'))
    } catch (error) {
      if (tries === 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

async function execFigures({ quick, log }: BenchmarkContext, product: Product): Promise<Figure[]> {
  const ours: number[] = []
  for (let round = 0; round < (quick ? 5 : 40); round++) ours.push(await execOnce(product))
  const whole: number[] = []
  for (let round = 0; round < (quick ? 2 : 10); round++)
    whole.push(await timeOf(product, ['exec', 'web', '--', 'true']))
  log(`exec p50 ${median(ours).toFixed(0)} ms, with kubectl's own start ${median(whole).toFixed(0)} ms`)
  const note = 'From the WebSocket handshake over a connection of its own to the close after the exit code of `true`.'
  return [
    { name: 'exec round trip: p50', unit: 'ms', ours: median(ours), goal: { of: 'ours', atMost: 120 }, note },
    { name: 'exec round trip: p90', unit: 'ms', ours: quantile(ours, 0.9) },
    { name: '`kubectl exec` from start to end: p50', unit: 'ms', ours: median(whole) },
  ]
}

function execOnce({ port, ca, token }: Product): Promise<number> {
  const startedMs = performance.now()
  const url = `wss://localhost:${port}${pod}/exec?command=true&stdout=true&stderr=true`
  const socket = new WebSocket(url, 'v5.channel.k8s.io', { ca, headers: { authorization: `Bearer ${token}` } })
  return new Promise((resolve, reject) => {
    socket.on('close', () => resolve(performance.now() - startedMs)).on('error', reject)
  })
}

async function copyFigures({ quick, cleanup, log }: BenchmarkContext, product: Product): Promise<Figure[]> {
  const folder = cleanup.folder('streaming')
  const [from, to] = [path.join(folder, 'from'), path.join(folder, 'to')]
  writeFileSync(from, '')
  truncateSync(from, bytes)
  const into: number[] = []
  const out: number[] = []
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    into.push(rate(await timeOf(product, ['cp', from, 'web:/tmp/copied'])))
    out.push(rate(await timeOf(product, ['cp', 'web:/tmp/copied', to])))
    if (statSync(to).size !== bytes) throw new Error('the copy is not whole')
  }
  log(`cp into ${median(into).toFixed(0)} MB/s, out ${median(out).toFixed(0)} MB/s`)
  const goal = { of: 'ours', atLeast: 100 } as const
  const note = "kubectl's whole run, with its own start and `tar` in the container."
  return [
    { name: 'kubectl cp of 100 MB into a container', unit: 'MB/s', ours: median(into), goal, note },
    { name: 'kubectl cp of 100 MB out of a container', unit: 'MB/s', ours: median(out), goal, note },
  ]
}

const rate = (ms: number): number => megabytes / (ms / 1000)

async function forwardFigures({ quick, cleanup, log }: BenchmarkContext, product: Product): Promise<Figure[]> {
  const child = kubectl(product, ['port-forward', 'web', ':9000', ':9001'])
  cleanup.add(() => void child.kill())
  const ports: number[] = []
  await new Promise<void>((resolve, reject) => {
    child.on('close', () => reject(new Error('kubectl port-forward has ended')))
    child.stdout.on('data', (chunk: Buffer) => {
      for (const [, port] of String(chunk).matchAll(/127\.0\.0\.1:(\d+) ->/g)) ports.push(Number(port))
      if (ports.length === 2) resolve()
    })
  })
  const out: number[] = []
  const into: number[] = []
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    out.push(rate(await receive(ports[0] as number)))
    into.push(rate(await send(ports[1] as number)))
  }
  log(`port-forward out ${median(out).toFixed(0)} MB/s, into ${median(into).toFixed(0)} MB/s`)
  const goal = { of: 'ours', atLeast: 100 } as const
  return [
    { name: 'kubectl port-forward: 100 MB from a container', unit: 'MB/s', ours: median(out), goal },
    { name: 'kubectl port-forward: 100 MB to a container', unit: 'MB/s', ours: median(into), goal },
  ]
}

function receive(port: number): Promise<number> {
  const startedMs = performance.now()
  return new Promise((resolve, reject) => {
    let left = bytes
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (chunk) => {
      left -= chunk.length
      if (left > 0) return
      resolve(performance.now() - startedMs)
      socket.destroy()
    })
    socket.on('close', () => reject(new Error(`${left} bytes are missing`))).on('error', reject)
  })
}

// Until the container says that it has them all.
function send(port: number): Promise<number> {
  const startedMs = performance.now()
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (text) => {
      if (Number(text) === bytes) resolve(performance.now() - startedMs)
      else reject(new Error(`${text} bytes have arrived`))
      socket.destroy()
    })
    socket.on('close', () => reject(new Error('closed before the answer'))).on('error', reject)
    socket.write(Buffer.alloc(bytes))
  })
}

async function timeOf(product: Product, args: readonly string[]): Promise<number> {
  const startedMs = performance.now()
  const child = kubectl(product, args)
  let problem = ''
  child.stderr.on('data', (chunk: Buffer) => (problem += String(chunk)))
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`kubectl ${args[0]}: ${problem}`)
  return performance.now() - startedMs
}

function kubectl({ kubeconfig }: Product, args: readonly string[]) {
  return spawn('kubectl', ['--kubeconfig', kubeconfig, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
}
