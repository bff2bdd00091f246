import { events, nodes, type Pod, pods, type Taint, type Toleration } from '@binnacle/resources'
import { aNode, aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { taintEvictionController } from './reconcile.ts'

let bench: ControllerBench
const nodeKey = { namespace: '', name: 'node-1' }
const lost = 'node.kubernetes.io/unreachable'

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: () => [taintEvictionController()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

function seedPod(name: string, tolerations: Toleration[] = []): void {
  const pod = aPod({ name, nodeName: 'node-1', ready: true })
  bench.cluster.seed(pods, { ...pod, spec: { ...(pod.spec as NonNullable<Pod['spec']>), tolerations } })
}

const setTaints = (...taints: Taint[]): unknown =>
  bench.cluster.change(nodes, nodeKey, (node) => void (node.spec = { ...node.spec, taints }))
const taint = (key = lost): Taint => ({
  key,
  effect: 'NoExecute',
  timeAdded: new Date(Date.now()).toISOString().replace('.000', ''),
})
const bears = (key: string, tolerationSeconds: number): Toleration => ({
  key,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds,
})
const leaving = (): string[] =>
  bench.cluster.all(pods).flatMap(({ metadata }) => (metadata.deletionTimestamp === undefined ? [] : [metadata.name]))
const messages = (): (string | undefined)[] => bench.cluster.all(events).map(({ message }) => message)

describe('the taint eviction controller', () => {
  it('deletes at once what does not tolerate the taint, and says why', async () => {
    bench.cluster.seed(nodes, aNode())
    seedPod('plain')
    seedPod('tolerant', [{ operator: 'Exists' }])
    await bench.start()
    setTaints(taint())
    await bench.settle()
    expect(leaving()).toEqual(['plain'])
    const plain = bench.cluster.all(pods).find(({ metadata }) => metadata.name === 'plain')
    expect(plain?.status?.conditions).toContainEqual({
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      ...(plain?.metadata.generation === undefined ? {} : { observedGeneration: 1 }),
    })
    expect(messages()).toEqual(['Marking for deletion Pod default/plain'])
  })

  it('waits for as long as the taint is tolerated', async () => {
    bench.cluster.seed(nodes, aNode())
    seedPod('patient', [bears(lost, 30)])
    await bench.start()
    setTaints(taint())
    await bench.pass(25_000)
    expect(leaving()).toEqual([])
    await bench.pass(6000)
    expect(leaving()).toEqual(['patient'])
  })

  it('goes on counting where one taint takes the place of another', async () => {
    bench.cluster.seed(nodes, aNode())
    seedPod('patient', [bears(lost, 30), bears('node.kubernetes.io/not-ready', 30)])
    await bench.start()
    setTaints(taint('node.kubernetes.io/not-ready'))
    await bench.pass(20_000)
    setTaints(taint())
    await bench.pass(11_000)
    expect(leaving()).toEqual(['patient'])
  })

  it('goes on counting after its process was replaced', async () => {
    bench.cluster.seed(nodes, aNode())
    seedPod('patient', [bears(lost, 30)])
    await bench.start()
    setTaints(taint())
    await bench.pass(20_000)
    await bench.stop()
    await bench.start()
    await bench.pass(11_000)
    expect(leaving()).toEqual(['patient'])
  })

  it('lets a pod stay when the taint goes in time', async () => {
    bench.cluster.seed(nodes, aNode())
    seedPod('patient', [bears(lost, 30)])
    await bench.start()
    setTaints(taint())
    await bench.pass(20_000)
    setTaints()
    await bench.pass(60_000)
    expect(leaving()).toEqual([])
    expect(messages()).toEqual(['Cancelling deletion of Pod default/patient'])
  })

  it('deletes a pod that comes to a tainted node', async () => {
    bench.cluster.seed(nodes, aNode())
    await bench.start()
    setTaints(taint())
    seedPod('late')
    await bench.settle()
    expect(leaving()).toEqual(['late'])
  })

  it('makes no write twice', async () => {
    bench.cluster.seed(nodes, aNode())
    seedPod('plain')
    await bench.start()
    setTaints(taint())
    await bench.settle()
    const writes = bench.writesFromHere()
    await bench.pass(300_000)
    expect(writes()).toEqual([])
  })
})
