import { configMaps, type ConfigMap, nodes, type Pod, pods, secrets, type Secret } from '@binnacle/resources'
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

  it('runs init containers in order, sidecars beside the others, and ends with the exit code', async () => {
    await bench.run('job', {
      restartPolicy: 'Never',
      volumes: [{ name: 'shared', emptyDir: {} }],
      initContainers: [
        script('echo one > /shared/one', { name: 'first', volumeMounts: [{ name: 'shared', mountPath: '/shared' }] }),
        script(stays, { name: 'side', restartPolicy: 'Always' }),
        script('cat /shared/one', { name: 'second', volumeMounts: [{ name: 'shared', mountPath: '/shared' }] }),
      ],
      containers: [script('echo bye > /dev/termination-log; exit 3')],
    })
    const pod = await bench.until('job', (p) => p?.status?.phase === 'Failed')
    expect(stateOf(pod)?.state?.terminated).toMatchObject({ exitCode: 3, reason: 'Error', message: 'bye\n' })
    expect(stateOf(pod, 'second')?.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' })
    expect(stateOf(pod, 'side')?.state?.terminated?.exitCode).toBe(0)
    expect(await bench.log('job', 'second')).toBe('one\n')
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

  it('says why containers do not start', async () => {
    await bench.run('noimage', { containers: [script('', { image: 'binnacle.dev/none:1', imagePullPolicy: 'Never' })] })
    await bench.run('badname', { containers: [script('', { image: 'BAD NAME' })] })
    await bench.run('nopull', { containers: [script('', { image: '127.0.0.1:1/none:1' })] })
    await bench.run('noconfig', {
      containers: [script('', { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'none', key: 'a' } } }] })],
    })
    await bench.run('nocommand', { containers: [script('', { command: ['/none'] })] })
    const reason = (name: string, wanted: string) =>
      bench.until(name, (p) => stateOf(p)?.state?.waiting?.reason === wanted)
    await reason('noimage', 'ErrImageNeverPull')
    await reason('badname', 'InvalidImageName')
    await reason('nopull', 'ImagePullBackOff')
    const noConfig = await reason('noconfig', 'CreateContainerConfigError')
    expect(stateOf(noConfig)?.state?.waiting?.message).toBe('configmap "none" not found')
    const noCommand = await bench.until('nocommand', (p) => stateOf(p)?.lastState?.terminated !== undefined)
    expect(stateOf(noCommand)?.lastState?.terminated).toMatchObject({ exitCode: 128, reason: 'StartError' })
  })

  it('gives variables, files and live updates of what a pod refers to', async () => {
    await bench.cluster.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'c', namespace: 'default' },
      data: { a: '1' },
    } as ConfigMap)
    await bench.cluster.create(secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's', namespace: 'default' },
      data: { p: 'cHc=' },
    } as Secret)
    await bench.run('refers', {
      volumes: [
        { name: 'c', configMap: { name: 'c' } },
        { name: 's', secret: { secretName: 's', defaultMode: 0o400 } },
        {
          name: 't',
          projected: {
            sources: [
              { serviceAccountToken: { path: 'token' } },
              { downwardAPI: { items: [{ path: 'n', fieldRef: { fieldPath: 'metadata.name' } }] } },
            ],
          },
        },
      ],
      containers: [
        script(
          `echo $A $B $C $IP; cat /c/a /s/p /t/token /t/n; while ! grep -q 2 /c/a; do sleep 0.1; done; echo new; ${stays}`,
          {
            env: [
              { name: 'A', valueFrom: { configMapKeyRef: { name: 'c', key: 'a' } } },
              { name: 'B', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
              { name: 'C', value: '$(A)-$(NONE)-$$(A)' },
              { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            ],
            volumeMounts: [
              { name: 'c', mountPath: '/c' },
              { name: 's', mountPath: '/s' },
              { name: 't', mountPath: '/t' },
            ],
          },
        ),
      ],
    })
    const pod = await bench.until('refers', isReady)
    bench.cluster.change(configMaps, { namespace: 'default', name: 'c' }, (c) => void (c.data = { a: '2' }))
    let text = ''
    for (let i = 0; i < 200 && !text.includes('new'); i++) {
      text = await bench.log('refers')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(text).toBe(`1 refers 1-$(NONE)-$(A) ${pod.status?.podIP}\n1pwtoken-of-defaultrefersnew\n`)
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

  it('evicts what uses more memory than it asked for when the node runs out of it, and says so', async () => {
    await bench.run('small', { containers: [script(stays, { resources: { requests: { memory: '64Mi' } } })] })
    // Held until the end of the input, which does not come.
    await bench.run('large', { containers: [script('(head -c 40000000 /dev/zero; sleep 1000) | tail -c 39000000')] })
    await bench.until('small', isReady)
    await bench.until('large', isReady)
    bench.signals = { memoryAvailable: 50 * 2 ** 20 }
    const evicted = await bench.until('large', (pod) => pod?.status?.phase === 'Failed')
    bench.signals = {}
    expect(evicted.status).toMatchObject({ reason: 'Evicted' })
    expect(evicted.status?.message).toMatch(
      /^The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container main was using \d+[KM]i, request is 0, /,
    )
    expect(evicted.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
      ...{ status: 'True', reason: 'TerminationByKubelet' },
    })
    const node = await bench.cluster.get(nodes, { namespace: '', name: bench.nodeName })
    expect(node.status?.conditions?.find(({ type }) => type === 'MemoryPressure')).toMatchObject({
      ...{ status: 'True', reason: 'KubeletHasInsufficientMemory' },
    })
    expect((await bench.pod('small'))?.status?.phase).toBe('Running')
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
