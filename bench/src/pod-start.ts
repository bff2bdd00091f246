import { execFileSync, spawn } from 'node:child_process'
import { request } from 'node:https'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { CriClient, importImage } from '@binnacle/node-agent'
import { busyboxImage, containersMissing } from '@binnacle/node-agent/testing'
import type { Benchmark, BenchmarkContext } from './benchmark.ts'
import type { Cleanup } from './cleanup.ts'
import type { Figure } from './figure.ts'
import { type Elsewhere, type Product, startProduct, until } from './product.ts'
import { median, quantile } from './statistics.ts'

const image = 'binnacle.dev/busybox:1'
const command = ['sleep', '100000']
const nodeName = 'bench'
const podsPath = '/api/v1/namespaces/default/pods'
const idlePods = 100
const idleSeconds = 30
const waitMsMax = 120_000

/** What the agent adds to what the container runtime takes for a pod. */
export const podStart: Benchmark = {
  name: 'pod-start',
  title: `A pod's start on a real node, and ${idlePods} pods at rest`,
  async run(context): Promise<readonly Figure[]> {
    if (containersMissing !== undefined) {
      context.log(`skipped: ${containersMissing}`)
      return [{ name: 'pod start', unit: 'ms', ours: undefined, note: `Not measured: ${containersMissing}.` }]
    }
    const { cleanup, quick } = context
    const elsewhere = makeMachine(cleanup)
    const args = ['--node', 'real', '--no-install', '--node-name', nodeName]
    const product = await startProduct(cleanup, args, elsewhere)
    const socket = path.join(product.dataDir, 'node/containerd/containerd.sock')
    await importImage(socket, busyboxImage(image), product.dataDir)
    await until(() => isThere(product, '/api/v1/namespaces/default/serviceaccounts/default'), waitMsMax, 100)
    const running = await RunningPods.follow(product)
    cleanup.add(() => running.stop())
    const runtime = new BareRuntime(socket)
    cleanup.add(() => runtime.close())
    await context.quiet()
    return [
      ...(await startFigures(context, product, running, runtime)),
      ...(await kubectlFigures(context, product, running, elsewhere)),
      ...(await idleFigures(context, product, running, quick ? 10 : idlePods)),
    ]
  },
}

/** A network namespace with a cable to this machine's network: a node of its own, which this process can reach. */
function makeMachine(cleanup: Cleanup): Elsewhere {
  const name = `binnacle-bench-${process.pid}`
  const [near, host] = ['172.31.78.1', '172.31.78.2']
  const cable = `bnb${process.pid}`
  execFileSync('ip', ['netns', 'add', name])
  cleanup.add(() => void execFileSync('ip', ['netns', 'delete', name]))
  const ip = (args: readonly string[], lines: readonly string[]): void =>
    void execFileSync('ip', [...args, '-batch', '-'], { input: `${lines.join('\n')}\n` })
  ip(
    [],
    [
      `link add ${cable} type veth peer name eth0 netns ${name}`,
      `address add ${near}/24 dev ${cable}`,
      `link set ${cable} up`,
    ],
  )
  ip(
    ['-n', name],
    ['link set lo up', 'link set eth0 up', `address add ${host}/24 dev eth0`, `route add default via ${near}`],
  )
  return { prefix: ['nsenter', `--net=/run/netns/${name}`], host }
}

async function startFigures(
  { quick, log }: BenchmarkContext,
  product: Product,
  running: RunningPods,
  runtime: BareRuntime,
): Promise<Figure[]> {
  const ours: number[] = []
  const peer: number[] = []
  const rounds = quick ? 5 : 60
  for (let round = -2; round < rounds; round++) {
    const name = `bound-${round + 2}`
    const startedMs = performance.now()
    await product.call('POST', podsPath, podOf(name, { nodeName }))
    const tookMs = (await running.since(name)) - startedMs
    await remove(product, name)
    const bareMs = await runtime.startOne(`bare-${round + 2}`)
    // The first rounds warm up both.
    if (round < 0) continue
    ours.push(tookMs)
    peer.push(bareMs)
  }
  log(`start p50 ${median(ours).toFixed(0)} ms, bare runtime ${median(peer).toFixed(0)} ms`)
  const note =
    'Ours: from the request that creates a pod already bound to the node until a watcher sees it Running, with its token volume, events and status. ' +
    'Peer: RunPodSandbox, CreateContainer and StartContainer by hand on the same containerd, taking turns.'
  return [
    { name: 'pod start, bound to Running: p50', unit: 'ms', ours: median(ours), peer: median(peer), note },
    { name: 'pod start, bound to Running: p90', unit: 'ms', ours: quantile(ours, 0.9), peer: quantile(peer, 0.9) },
  ]
}

async function kubectlFigures(
  { quick, log, cleanup }: BenchmarkContext,
  product: Product,
  running: RunningPods,
  { prefix }: Elsewhere,
): Promise<Figure[]> {
  const times: number[] = []
  const rounds = quick ? 5 : 100
  const cache = cleanup.folder('kubectl')
  for (let round = 0; round < rounds; round++) {
    const name = `created-${round}`
    const startedMs = performance.now()
    await kubectlCreate(product, prefix, cache, podOf(name, {}))
    times.push((await running.since(name)) - startedMs)
    await remove(product, name)
  }
  log(`kubectl create to Running p50 ${median(times).toFixed(0)} ms`)
  const note = "With kubectl's own start, scheduling and binding."
  return [
    { name: '`kubectl create` to Running: p50', unit: 'ms', ours: median(times), note },
    { name: '`kubectl create` to Running: p99', unit: 'ms', ours: quantile(times, 0.99) },
  ]
}

async function idleFigures(
  { log }: BenchmarkContext,
  product: Product,
  running: RunningPods,
  count: number,
): Promise<Figure[]> {
  const before = product.part('nodes').bytes
  const startedMs = performance.now()
  const names = Array.from({ length: count }, (_, i) => `idle-${i}`)
  await Promise.all(names.map((name) => product.call('POST', podsPath, podOf(name, { nodeName }))))
  const last = Math.max(...(await Promise.all(names.map((name) => running.since(name)))))
  const allMs = last - startedMs
  // What belongs to the starts is to be over.
  await sleep(10_000)
  const from = product.part('nodes')
  await sleep(idleSeconds * 1000)
  const to = product.part('nodes')
  const cpu = ((to.cpuSeconds - from.cpuSeconds) / idleSeconds) * 100
  log(`${count} pods: ${(allMs / 1000).toFixed(1)} s to start, then ${cpu.toFixed(1)} % of a core`)
  const megabytes = (bytes: number): number => bytes / 2 ** 20
  return [
    { name: `${count} pods bound at once: until all are Running`, unit: 's', ours: allMs / 1000 },
    {
      name: `the agent with ${count} pods at rest: processor time`,
      unit: '% of a core',
      ours: cpu,
      note: `Over ${idleSeconds} s, without probes: heartbeats, looks at everything, watches.`,
    },
    {
      name: `the agent with ${count} pods at rest: memory (Pss)`,
      unit: 'MB',
      ours: megabytes(to.bytes),
      note: `${megabytes(before).toFixed(0)} MB before it had any.`,
    },
  ]
}

function podOf(name: string, spec: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image, command }], ...spec },
  }
}

async function isThere(product: Product, target: string): Promise<boolean> {
  return await product.call('GET', target).then(
    () => true,
    () => false,
  )
}

/** Removes a pod and waits until nothing is left of it, so that its end does not fall into the next round. */
async function remove(product: Product, name: string): Promise<void> {
  await product.call('DELETE', `${podsPath}/${name}`)
  await until(async () => !(await isThere(product, `${podsPath}/${name}`)), waitMsMax, 20)
}

async function kubectlCreate(
  { kubeconfig }: Product,
  prefix: readonly string[],
  cache: string,
  pod: object,
): Promise<void> {
  const [file = '', ...args] = [
    ...prefix,
    'kubectl',
    '--kubeconfig',
    kubeconfig,
    '--cache-dir',
    cache,
    'create',
    '-f',
    '-',
  ]
  const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  let problem = ''
  child.stderr.on('data', (chunk: Buffer) => (problem += String(chunk)))
  child.stdin.end(JSON.stringify(pod))
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`kubectl create: ${problem}`)
}

/** Notes when pods were first seen with a running container, by a watch. */
class RunningPods {
  readonly #seen = new Map<string, number>()
  readonly #waiting = new Map<string, (atMs: number) => void>()
  #stop: () => void = () => undefined

  static async follow({ host, port, ca, token }: Product): Promise<RunningPods> {
    const pods = new RunningPods()
    const headers = { authorization: `Bearer ${token}` }
    await new Promise<void>((resolve, reject) => {
      const outgoing = request({ host, port, ca, headers, path: `${podsPath}?watch=true` }, (response) => {
        const lines = createInterface({ input: response }).on('line', (line) => pods.#see(line))
        // It ends in the middle of its answer.
        lines.on('error', () => undefined)
        resolve()
      })
      outgoing.on('error', reject)
      outgoing.end()
      pods.#stop = () => void outgoing.destroy()
    })
    return pods
  }

  /** Resolves with the time at which the pod was seen running. @throws Error when that takes too long */
  async since(name: string): Promise<number> {
    const seen = this.#seen.get(name)
    if (seen !== undefined) return seen
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const timer = setTimeout(() => reject(new Error(`${name} does not run`)), waitMsMax)
    this.#waiting.set(name, resolve)
    return await promise.finally(() => clearTimeout(timer))
  }

  stop(): void {
    this.#stop()
  }

  #see(line: string): void {
    const { object } = JSON.parse(line) as { object: { metadata: { name: string }; status?: { phase?: string } } }
    const { name } = object.metadata
    if (object.status?.phase !== 'Running' || this.#seen.has(name)) return
    const atMs = performance.now()
    this.#seen.set(name, atMs)
    this.#waiting.get(name)?.(atMs)
  }
}

/** The peer: the runtime's own calls, and nothing around them. */
class BareRuntime {
  readonly #cri: CriClient

  constructor(socket: string) {
    this.#cri = new CriClient(socket)
  }

  /** Starts a pod of one container and removes it; gives the milliseconds of the start. */
  async startOne(name: string): Promise<number> {
    const cri = this.#cri
    const security = { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' }, privileged: false } as const
    const config = {
      // Without the labels of pods: the agent leaves it alone.
      ...{ metadata: { name, uid: name, namespace: 'bare', attempt: 0 }, hostname: name, labels: {}, annotations: {} },
      ...{ logDirectory: '/tmp', portMappings: [] },
      linux: { cgroupParent: `/kubepods-${nodeName}/bare`, sysctls: {}, securityContext: security },
    }
    const container = {
      ...{ metadata: { name: 'main', attempt: 0 }, image: { image }, command, args: [], workingDir: '', envs: [] },
      ...{ mounts: [], labels: {}, annotations: {}, logPath: '', stdin: false, stdinOnce: false, tty: false },
      linux: {
        resources: {},
        securityContext: {
          ...security,
          ...{ capabilities: { addCapabilities: [], dropCapabilities: [] }, readonlyRootfs: false, noNewPrivs: false },
          ...{ supplementalGroups: [], maskedPaths: [], readonlyPaths: [] },
        },
      },
    }
    const startedMs = performance.now()
    const sandbox = await cri.runPodSandbox(config)
    const id = await cri.createContainer(sandbox, container, config)
    await cri.startContainer(id)
    const tookMs = performance.now() - startedMs
    await cri.stopPodSandbox(sandbox)
    await cri.removePodSandbox(sandbox)
    return tookMs
  }

  close(): void {
    this.#cri.close()
  }
}
