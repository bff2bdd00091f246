import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Pod } from '@binnacle/resources'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { eventually, type Product, root, startProduct } from '../fixtures/product.ts'
import { realNodeMissing, RealMachine } from '../fixtures/real-node.ts'

/** The whole product with this machine as its node, by kubectl: real containers, real packets, and what happens when parts of it die. */

let machine: RealMachine
let product: Product
let folder: string

const kubectl = (...args: string[]): Promise<string> => product.kubectl(...args)
const getPod = async (name: string): Promise<Pod> => JSON.parse(await kubectl('get', 'pod', name, '-o', 'json')) as Pod
const containerOf = (pod: Pod) => pod.status?.containerStatuses?.[0]

async function apply(...objects: readonly object[]): Promise<void> {
  const file = path.join(folder, 'objects.yaml')
  writeFileSync(file, objects.map((object) => stringify(object)).join('---\n'))
  await kubectl('apply', '-f', file)
}

/** A pod of one container that runs a script of the shell. */
function shellPod(name: string, script: string, more: Record<string, unknown> = {}, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 1, containers: [shell(script, more)], ...spec },
  }
}

function shell(script: string, more: Record<string, unknown> = {}): object {
  return { name: 'main', image: 'binnacle.dev/busybox:1', command: ['sh', '-c', script], ...more }
}

const stays = 'trap "exit 0" TERM; while true; do sleep 0.1; done'
const serves = `mkdir /tmp/www; (hostname; cat /version) > /tmp/www/index.html; httpd -p 8080 -h /tmp/www; ${stays}`

const waitReady = (...names: string[]): Promise<string> =>
  kubectl('wait', '--for=condition=Ready', '--timeout=60s', ...names.map((name) => `pod/${name}`))

beforeAll(async () => {
  if (realNodeMissing !== undefined) return
  folder = mkdtempSync(path.join(tmpdir(), 'binnacle-real-'))
  machine = new RealMachine()
  await machine.start()
  product = machine.product
  await eventually(() => kubectl('get', 'serviceaccount', 'default'))
}, 240_000)
afterAll(() => {
  machine?.remove()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
}, 120_000)

describe.skipIf(realNodeMissing !== undefined)('the product on real containers', () => {
  it('registers this machine as its one node, Ready, with its port and its range of pods', async () => {
    const { items } = JSON.parse(await kubectl('get', 'nodes', '-o', 'json'))
    expect(items.map((node: any) => node.metadata.name)).toEqual([machine.nodeName])
    expect(items[0].spec).toMatchObject({ podCIDR: '10.244.0.0/24' })
    expect(items[0].status).toMatchObject({
      addresses: [{ type: 'InternalIP', address: machine.address }, { type: 'Hostname' }],
      daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
      nodeInfo: { containerRuntimeVersion: expect.stringMatching(/^containerd:\/\//) },
    })
    expect(await kubectl('get', 'node', machine.nodeName)).toMatch(/ Ready /)
    expect(await kubectl('get', '--raw', `/api/v1/nodes/${machine.nodeName}/proxy/healthz`)).toBe('ok')
  })

  it('runs a pod: logs, exec with its exit code, files both ways, a forwarded port', async () => {
    await apply(shellPod('web', `echo hello; echo oops >&2; ${serves}`))
    await waitReady('web')
    expect((await kubectl('logs', 'web')).split('\n').toSorted()).toEqual(['', 'hello', 'oops'])
    expect(await kubectl('exec', 'web', '--', 'hostname')).toBe('web\n')
    await expect(kubectl('exec', 'web', '--', 'sh', '-c', 'exit 7')).rejects.toThrow('exit code 7')
    const file = path.join(folder, 'sent')
    writeFileSync(file, 'some text\n')
    await kubectl('cp', file, 'web:/tmp/received')
    expect(await kubectl('exec', 'web', '--', 'cat', '/tmp/received')).toBe('some text\n')
    await kubectl('cp', 'web:/tmp/received', `${file}.back`)
    expect(readFileSync(`${file}.back`, 'utf8')).toBe('some text\n')
    await forwarded('pod/web', 8080, async (port) => {
      expect(machine.run('curl', '-s', `http://127.0.0.1:${port}/`)).toBe('web\n1')
    })
  })

  it('reaches Services by name from other pods, and the API by its own', async () => {
    const nodeDirectories = ['/usr', '/lib', '/lib64']
    const node = path.join(root, 'node_modules/node/bin/node')
    const mounts = [...nodeDirectories.map((place) => [place, place]), [path.dirname(node), '/opt/node']]
    await apply(
      deployment('site', 2, '1'),
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'site' }, spec: siteService },
      shellPod(
        'asks',
        stays,
        { volumeMounts: mounts.map(([, mountPath], i) => ({ name: `v${i}`, mountPath, readOnly: true })) },
        { volumes: mounts.map(([place], i) => ({ name: `v${i}`, hostPath: { path: place } })) },
      ),
    )
    await kubectl('rollout', 'status', 'deployment/site', '--timeout=60s')
    await waitReady('asks')
    for (const name of ['site', 'site.default', 'site.default.svc.cluster.local'])
      expect(await fromPod('asks', `http://${name}/`)).toMatch(/^site-/)
    const seen = new Set<string>()
    for (let i = 0; i < 40 && seen.size < 2; i++) seen.add(await fromPod('asks', 'http://site/'))
    expect(seen.size).toBe(2)
    const ask = `
      const token = require('fs').readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/token', 'utf8')
      const ca = require('fs').readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/ca.crt')
      const options = { ca, headers: { authorization: 'Bearer ' + token } }
      require('https').get('https://kubernetes.default.svc/api/v1/namespaces/default/pods/asks', options, (answer) => answer.pipe(process.stdout))`
    const answer = await kubectl('exec', 'asks', '--', '/opt/node/node', '-e', ask)
    expect(JSON.parse(answer)).toMatchObject({ kind: 'Pod', metadata: { name: 'asks' } })
  })

  it('reaches Services by the node, and what policies forbid not at all', async () => {
    await kubectl('patch', 'service', 'site', '-p', '{"spec":{"type":"NodePort"}}')
    const port = await kubectl('get', 'service', 'site', '-o', 'jsonpath={.spec.ports[0].nodePort}')
    await eventually(() =>
      expect(machine.run('curl', '-s', '-m', '5', `http://${machine.address}:${port}/`)).toMatch(/^site-/),
    )
    const ask = (): Promise<string> =>
      kubectl('exec', 'asks', '--', 'timeout', '2', 'wget', '-q', '-O', '-', 'http://site/')
    await apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'closed' },
      spec: { podSelector: { matchLabels: { app: 'site' } }, policyTypes: ['Ingress'] },
    })
    await eventually(() => expect(ask()).rejects.toThrow('exit code'))
    await kubectl('delete', 'networkpolicy', 'closed')
    expect(await fromPod('asks', 'http://site/')).toMatch(/^site-/)
  })

  it('rolls a Deployment from one image to the next', async () => {
    await apply(deployment('site', 2, '2'))
    await kubectl('rollout', 'status', 'deployment/site', '--timeout=60s')
    expect(await fromPod('asks', 'http://site/')).toMatch(/\n2$/)
    await eventually(async () => {
      const { items } = JSON.parse(await kubectl('get', 'pods', '-l', 'app=site', '-o', 'json'))
      expect(items.map((pod: Pod) => pod.spec?.containers[0]?.image)).toEqual(Array(2).fill('binnacle.dev/busybox:2'))
    })
  })

  it('restarts a container whose liveness probe fails', async () => {
    const livenessProbe = { exec: { command: ['cat', '/tmp/well'] }, periodSeconds: 1, failureThreshold: 1 }
    await apply(shellPod('sick', `touch /tmp/well; echo up; ${stays}`, { livenessProbe }))
    await waitReady('sick')
    await kubectl('exec', 'sick', '--', 'rm', '/tmp/well')
    const restarted = await eventually(async () => {
      const pod = await getPod('sick')
      expect(containerOf(pod)).toMatchObject({ restartCount: 1, ready: true })
      return pod
    })
    expect(containerOf(restarted)?.lastState?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' })
    expect(await kubectl('logs', 'sick', '--previous')).toBe('up\n')
    const events = await kubectl('get', 'events', '--field-selector', 'involvedObject.name=sick')
    expect(events).toMatch(/Unhealthy .*Liveness probe failed/)
    expect(events).toMatch(/Killing .*Container main failed liveness probe, will be restarted/)
  })

  it('tells what its pods use: kubectl top, statistics and metrics of the agent', async () => {
    await apply(shellPod('busy', 'while true; do :; done', { resources: { limits: { cpu: '200m' } } }))
    await waitReady('busy')
    await eventually(async () => {
      const [, cpu, memory] = /^busy\s+(\d+)m\s+(\d+)Mi/m.exec(await kubectl('top', 'pods')) ?? []
      expect(Number(cpu)).toBeGreaterThan(50)
      expect(Number(memory)).toBeGreaterThanOrEqual(0)
    }, 90)
    expect(await kubectl('top', 'nodes')).toContain(machine.nodeName)
    const proxy = `/api/v1/nodes/${machine.nodeName}/proxy`
    const summary = JSON.parse(await kubectl('get', '--raw', `${proxy}/stats/summary`))
    expect(summary.pods.map(({ podRef }: any) => podRef.name)).toContain('busy')
    const metrics = await kubectl('get', '--raw', `${proxy}/metrics/resource`)
    expect(metrics).toMatch(
      /container_cpu_usage_seconds_total\{container="main",namespace="default",pod="busy"\} [\d.]+ /,
    )
    await kubectl('delete', 'pod', 'busy', '--timeout=60s')
  }, 150_000)

  it('rotates a log that has grown large; who follows it misses nothing', async () => {
    const script = `head -c 11000000 /dev/zero | tr '\\0' '.' | fold -w 1000; while [ ! -e /tmp/on ]; do sleep 0.1; done; echo after; ${stays}`
    await apply(shellPod('chatty', script))
    await waitReady('chatty')
    const { uid } = (await getPod('chatty')).metadata
    const logs = path.join(product.dataDir, `node/logs/default_chatty_${uid}/main`)
    await eventually(() =>
      expect(readdirSync(logs).filter((name) => /^0\.log\.\d{8}-\d{6}$/.test(name))).toHaveLength(1),
    )
    const followed = kubectl('logs', '-f', 'chatty')
    await kubectl('exec', 'chatty', '--', 'touch', '/tmp/on')
    await eventually(async () => expect(await kubectl('logs', 'chatty', '--tail=1')).toBe('after\n'))
    await kubectl('delete', 'pod', 'chatty', '--timeout=60s')
    expect(await followed).toMatch(/after\n$/)
  })

  it('gives containers their grace when their pod is deleted', async () => {
    const script = 'trap "echo asked to end; sleep 1; echo ended; exit 0" TERM; while true; do sleep 0.1; done'
    await apply(shellPod('polite', script, {}, { terminationGracePeriodSeconds: 20 }))
    await waitReady('polite')
    const log = kubectl('logs', '-f', 'polite')
    await kubectl('delete', 'pod', 'polite', '--timeout=60s')
    expect(await log).toBe('asked to end\nended\n')
    await expect(kubectl('get', 'pod', 'polite')).rejects.toThrow('not found')
  })

  it('keeps containers running while its agent is killed, and goes on with them', async () => {
    await apply(shellPod('lasting', stays))
    await waitReady('lasting')
    const before = containerOf(await getPod('lasting'))
    process.kill(machine.agentPid, 'SIGKILL')
    await eventually(async () => expect(await kubectl('exec', 'lasting', '--', 'hostname')).toBe('lasting\n'))
    expect(containerOf(await getPod('lasting'))).toEqual(before)
    await apply(shellPod('later', stays))
    await waitReady('later')
    expect(await fromPod('asks', 'http://site/')).toMatch(/^site-/)
  })

  it('starts containerd again when that is killed; containers do not notice, and what ended meanwhile is seen', async () => {
    const script = `while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 3`
    await apply(shellPod('ending', script, {}, { restartPolicy: 'Never' }))
    await waitReady('ending')
    const before = containerOf(await getPod('lasting'))
    const { containerdPid } = machine
    // Ends a second after the command that says so.
    await kubectl('exec', 'ending', '--', 'sh', '-c', '(sleep 1; touch /tmp/end) >/dev/null 2>&1 &')
    process.kill(containerdPid, 'SIGKILL')
    await eventually(async () => expect(await kubectl('exec', 'lasting', '--', 'hostname')).toBe('lasting\n'))
    expect(machine.containerdPid).not.toBe(containerdPid)
    expect(containerOf(await getPod('lasting'))).toEqual(before)
    await eventually(async () => {
      const pod = await getPod('ending')
      expect(pod.status?.phase).toBe('Failed')
      expect(containerOf(pod)?.state?.terminated?.exitCode).toBe(3)
    })
  })

  it('is the only node of its machine: another product there simulates nodes, and says why', () => {
    const other = startProduct(['--node', 'auto', '--node-name', 'other', '--no-dashboard'], machine.prefix)
    try {
      expect(other.output).toMatch(
        /this machine is already a node: another node agent runs on it.* Nodes are simulated\./,
      )
      expect(other.output).toMatch(/✓ 10 simulated nodes/)
    } finally {
      other.remove()
    }
    expect(machine.run('nft', 'list', 'tables')).toContain('binnacle-proxy')
  })

  it('leaves nothing behind when it is stopped, and starts the pods again as after a reboot of the machine', async () => {
    const before = await getPod('lasting')
    product.stop()
    expect(machine.leftovers()).toEqual([])
    product.restart()
    await eventually(async () => {
      const pod = await getPod('lasting')
      expect(containerOf(pod)).toMatchObject({ restartCount: 1, ready: true })
      expect(pod.status?.podIPs).toHaveLength(1)
      expect(pod.metadata.uid).toBe(before.metadata.uid)
    })
    await kubectl('rollout', 'status', 'deployment/site', '--timeout=60s')
    expect(await fromPod('asks', 'http://site/')).toMatch(/^site-/)
    expect((await getPod('ending')).status?.phase).toBe('Failed')
  }, 120_000)

  it('leaves no container behind when whoever started it is killed', async () => {
    // One that has just begun waits for what it refers to, and nobody answers any more.
    await apply(shellPod('beginning', stays))
    process.kill(Number(readFileSync(path.join(product.dataDir, 'binnacle.pid'), 'utf8')), 'SIGKILL')
    // Postgres ends by itself, or is taken over by the next start.
    await eventually(() => expect(machine.leftovers().filter((line) => !line.includes('postgres'))).toEqual([]))
    product.restart()
    await waitReady('beginning', 'lasting')
  }, 120_000)
})

const siteService = { selector: { app: 'site' }, ports: [{ port: 80, targetPort: 8080 }] }

function deployment(name: string, replicas: number, version: string): object {
  const readinessProbe = { httpGet: { port: 8080 }, periodSeconds: 1 }
  const container = { ...shell(serves, { readinessProbe }), image: `binnacle.dev/busybox:${version}` }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { terminationGracePeriodSeconds: 1, containers: [container] },
      },
    },
  }
}

/** What a URL answers to a pod. */
async function fromPod(pod: string, url: string): Promise<string> {
  return await eventually(() => kubectl('exec', pod, '--', 'timeout', '5', 'wget', '-q', '-O', '-', url), 20)
}

/** Has kubectl forward a port while something is done with it. */
async function forwarded(target: string, port: number, use: (localPort: number) => Promise<void>): Promise<void> {
  const [file = '', ...args] = [...machine.prefix, 'kubectl', 'port-forward', target, `:${port}`]
  const env = { ...process.env, KUBECONFIG: path.join(product.dataDir, 'admin.kubeconfig') }
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    let text = ''
    for await (const chunk of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
      text += chunk
      const found = /127\.0\.0\.1:(\d+)/.exec(text)?.[1]
      if (found === undefined) continue
      return await use(Number(found))
    }
    throw new Error(`kubectl port-forward ended: ${text}`)
  } finally {
    child.kill()
  }
}
