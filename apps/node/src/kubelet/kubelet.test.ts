import { nodes, type Pod, pods } from '@binnacle/resources'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { canRunContainers, KubeletBench, script } from './kubelet-bench.ts'

/** A kubelet with a containerd of its own, against a cluster in memory. */

let bench: KubeletBench

const stateOf = (pod: Pod | undefined, name = 'main') =>
  [...(pod?.status?.initContainerStatuses ?? []), ...(pod?.status?.containerStatuses ?? [])].find(
    (s) => s.name === name,
  )
const isReady = (pod: Pod | undefined): boolean =>
  pod?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
const stays = 'trap "exit 0" TERM; while true; do sleep 0.1; done'

describe.skipIf(!canRunContainers)('a kubelet on a real container runtime', () => {
  beforeAll(async () => {
    bench = new KubeletBench()
    await bench.start()
  })
  afterAll(() => bench?.remove())
  afterEach(async () => {
    for (const { metadata } of bench.cluster.all(pods)) {
      await bench.cluster
        .delete(pods, { namespace: 'default', name: metadata.name }, { gracePeriodSeconds: 0 })
        .catch(() => undefined)
      await bench.until(metadata.name, (pod) => pod === undefined)
    }
  })

  it('registers its node with capacity, addresses, conditions, images and a lease', async () => {
    const node = await bench.cluster.get(nodes, { namespace: '', name: bench.nodeName })
    expect(node.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True')
    expect(node.status?.nodeInfo?.containerRuntimeVersion).toMatch(/^containerd:\/\//)
    expect(Number(node.status?.capacity?.['cpu'])).toBeGreaterThan(0)
    expect(node.status?.images?.flatMap(({ names }) => names)).toContain('binnacle.dev/busybox:1')
  })

  it('runs a pod to Ready, reports it, and leaves nothing when it is deleted', async () => {
    await bench.run('web', { containers: [script(`echo hello; ${stays}`)] })
    const pod = await bench.until('web', isReady)
    expect(pod.status).toMatchObject({ phase: 'Running', hostIP: '127.0.0.1', qosClass: 'BestEffort' })
    expect(pod.status?.podIP).toMatch(/^10\./)
    expect(stateOf(pod)).toMatchObject({ ready: true, started: true, restartCount: 0, containerID: /^containerd:/ })
    expect(await bench.log('web')).toBe('hello\n')
    expect(bench.leftovers()).not.toEqual([])
    await bench.cluster.delete(pods, { namespace: 'default', name: 'web' })
    await bench.until('web', (gone) => gone === undefined)
    expect(bench.leftovers()).toEqual([])
    expect(await bench.cri.listPodSandboxes()).toEqual([])
  })

  it('restarts what ends, at once and then with back-off', async () => {
    await bench.run('crash', { containers: [script('exit 7')] })
    const pod = await bench.until('crash', (p) => stateOf(p)?.state?.waiting?.reason === 'CrashLoopBackOff')
    expect(stateOf(pod)).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 7, reason: 'Error' } } })
    expect(stateOf(pod)?.state?.waiting?.message).toMatch(
      /^back-off 10s restarting failed container=main pod=crash_default\(/,
    )
    expect(pod.status?.phase).toBe('Running')
  })

  it('probes: readiness waits for startup, and a failed liveness probe restarts', async () => {
    await bench.run('probed', {
      containers: [
        script(`touch /tmp/live; ${stays}`, {
          startupProbe: { exec: { command: ['cat', '/tmp/live'] }, periodSeconds: 1, failureThreshold: 10 },
          readinessProbe: { exec: { command: ['cat', '/tmp/live'] }, periodSeconds: 1 },
          livenessProbe: { exec: { command: ['cat', '/tmp/live'] }, periodSeconds: 1, failureThreshold: 1 },
        }),
      ],
    })
    const pod = await bench.until('probed', isReady)
    const [{ id = '' } = {}] = bench.kubelet.observed(pod.metadata.uid ?? '').containers
    await bench.cri.execSync(id, ['/bin/busybox', 'rm', '/tmp/live'], 5)
    const restarted = await bench.until('probed', (p) => stateOf(p)?.restartCount === 1 && isReady(p))
    expect(stateOf(restarted)?.lastState?.terminated?.exitCode).toBe(0)
  })

  it('takes over what runs when it was restarted itself: nothing is restarted or doubled', async () => {
    await bench.run('lives', { containers: [script(stays)] })
    const before = await bench.until('lives', isReady)
    await bench.kubelet.stop()
    await bench.startKubelet()
    await bench.run('later', { containers: [script(stays)] })
    await bench.until('later', isReady)
    const after = await bench.pod('lives')
    expect(stateOf(after)).toEqual(stateOf(before))
    expect(await bench.cri.listContainers()).toHaveLength(2)
  })

  it('ends a pod that was deleted while no kubelet ran', async () => {
    await bench.run('orphan', { containers: [script(stays)] })
    await bench.until('orphan', isReady)
    await bench.kubelet.stop()
    bench.cluster.remove(pods, { namespace: 'default', name: 'orphan' })
    await bench.startKubelet()
    for (let i = 0; i < 200 && (await bench.cri.listPodSandboxes()).length > 0; i++)
      await new Promise((r) => setTimeout(r, 50))
    expect(await bench.cri.listPodSandboxes()).toEqual([])
    expect(bench.leftovers()).toEqual([])
  })
})
