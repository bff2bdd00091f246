import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { extenderOf, type ExtenderDocument } from '../configuration/extenders-section.ts'
import { node, pod, SchedulerBench } from '../scheduler-bench.ts'
import { ExtenderServer, type Question } from './extender-server.ts'

let servers: ExtenderServer[] = []
let benches: SchedulerBench[] = []
let extender: ExtenderServer

async function startServer(): Promise<ExtenderServer> {
  const server = await ExtenderServer.startNew()
  servers.push(server)
  return server
}

beforeEach(async () => {
  extender = await startServer()
})
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.scheduler.stop()
  for (const server of servers.splice(0)) await server.stop()
})

const all: ExtenderDocument = { filterVerb: 'filter', nodeCacheCapable: true }

function benchWith(...documents: ExtenderDocument[]): SchedulerBench {
  const extenders = documents.map((document) => extenderOf({ urlPrefix: extender.url(), ...document }))
  const bench = new SchedulerBench([], { extenders, random: () => 0 })
  bench.mayComplain = true
  benches.push(bench)
  return bench
}

/** Says that these nodes can take any pod. */
const allowing =
  (...names: string[]) =>
  (body: Question['body']) => ({
    NodeNames: body.NodeNames.filter((name: string) => names.includes(name)),
  })

const withResource = (name: string, resource: string, kind = 'limits') =>
  pod(name, '1', {
    spec: { containers: [{ name: 'c', resources: { requests: { cpu: '1' }, [kind]: { [resource]: '1' } } }] },
  })

describe('an extender that filters', () => {
  it('is asked about the nodes that the plugins leave, by name, and has the last word', async () => {
    extender.answers.filter = allowing('b')
    const bench = benchWith(all)
    for (const name of ['a', 'b']) bench.scheduler.nodeChanged(node(name))
    bench.scheduler.nodeChanged(node('small', '100m'))
    const asked = pod('p')
    bench.scheduler.podChanged(asked)
    await bench.until(() => bench.bound.length > 0)
    expect(bench.bound).toEqual(['p b'])
    expect(extender.questions).toEqual([{ verb: 'filter', body: { Pod: asked, Nodes: null, NodeNames: ['a', 'b'] } }])
  })

  it('gets whole nodes where it does not know them itself', async () => {
    extender.answers.filter = ({ Nodes }) => ({ nodes: { items: Nodes.items.slice(1) } })
    const bench = benchWith({ ...all, nodeCacheCapable: false })
    for (const name of ['a', 'b']) bench.scheduler.nodeChanged(node(name))
    bench.scheduler.podChanged(pod('p'))
    await bench.until(() => bench.bound.length > 0)
    expect(bench.bound).toEqual(['p b'])
    const { Nodes, NodeNames } = extender.questions[0]?.body ?? {}
    expect([Nodes.items, NodeNames]).toEqual([[node('a'), node('b')], null])
  })

  it('gives its reasons beside those of the plugins, and the pod is tried again after any event', async () => {
    extender.answers.filter = () => ({
      NodeNames: [],
      FailedNodes: { a: 'no licence', b: 'no licence' },
      FailedAndUnresolvableNodes: { b: 'wrong rack' },
    })
    const bench = benchWith(all)
    for (const name of ['a', 'b', 'c']) bench.scheduler.nodeChanged(node(name))
    bench.scheduler.nodeChanged(node('small', '100m'))
    bench.scheduler.podChanged(pod('p', '1', { spec: { preemptionPolicy: 'Never' } }))
    await bench.until(() => bench.events.length > 0)
    const message =
      '0/4 nodes are available: 1 Insufficient cpu, 1 no licence, 1 wrong rack. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.'
    expect(bench.events.map((e) => [e.reason, e.message])).toEqual([['FailedScheduling', message]])
    expect(bench.scheduler.figures.queue.unschedulable).toBe(1)
    extender.answers.filter = allowing('a')
    // A label helps no plugin that rejected the pod.
    bench.scheduler.nodeChanged({ ...node('c'), metadata: { name: 'c', labels: { changed: 'yes' } } })
    await bench.pass(1000)
    await bench.until(() => bench.bound.length > 0)
    expect(bench.bound).toEqual(['p a'])
  })

  it('passes what it leaves to the next, the ignorable ones last', async () => {
    const [first, last] = [extender, await startServer()]
    first.answers.filter = allowing('b', 'c')
    last.answers.filter = allowing('a', 'c')
    const bench = benchWith({ ...all, urlPrefix: last.url(), ignorable: true }, all)
    for (const name of ['a', 'b', 'c']) bench.scheduler.nodeChanged(node(name))
    bench.scheduler.podChanged(pod('p'))
    await bench.until(() => bench.bound.length > 0)
    expect([bench.bound, last.questions[0]?.body.NodeNames]).toEqual([['p c'], ['b', 'c']])
  })

  it.each([
    [
      'another status',
      () => Promise.reject(new Error('503')),
      /^failed filter with extender at URL http:.*\/scheduler\/filter, code 503$/,
    ],
    ['an error of its own', () => ({ Error: 'out of order' }), /^out of order$/],
    [
      'a node that it was not asked about',
      () => ({ NodeNames: ['x'] }),
      /^extender "http:.*" claims a filtered node "x" which is not found in the input node list$/,
    ],
    [
      'no answer in time',
      () => new Promise(() => {}),
      /^Post "http:.*\/scheduler\/filter": context deadline exceeded \(Client\.Timeout exceeded while awaiting headers\)$/,
    ],
    [
      'an answer of another form',
      () => ({ NodeNames: 'a' }),
      /^json: cannot unmarshal string into Go struct field ExtenderFilterResult\.NodeNames$/,
    ],
  ])(
    'fails with %s: the pod is tried again after a pause, or at once without it when it may fail',
    async (_, answer, message) => {
      extender.answers.filter = answer
      const bench = benchWith({ ...all, httpTimeout: '300ms' })
      const lenient = benchWith({ ...all, httpTimeout: '300ms', ignorable: true })
      for (const { scheduler } of [bench, lenient]) {
        scheduler.nodeChanged(node('a'))
        scheduler.podChanged(pod('p'))
      }
      await bench.until(() => bench.events.length > 0)
      expect(bench.events[0]?.message).toMatch(message)
      expect([bench.bound, bench.scheduler.figures.queue.backingOff]).toEqual([[], 1])
      expect(JSON.parse(bench.conditions[0] ?? '').conditions[0]).toMatchObject({
        type: 'PodScheduled',
        status: 'False',
        reason: 'SchedulerError',
      })
      await lenient.until(() => lenient.bound.length > 0)
      extender.answers.filter = allowing('a')
      await bench.pass(1000)
      await bench.until(() => bench.bound.length > 0)
    },
  )

  it('says that nobody listens as Go does', async () => {
    const bench = benchWith({ ...all, urlPrefix: 'http://127.0.0.1:1' })
    bench.scheduler.nodeChanged(node('a'))
    bench.scheduler.podChanged(pod('p'))
    await bench.until(() => bench.events.length > 0)
    expect(bench.events[0]?.message).toBe(
      'Post "http://127.0.0.1:1/filter": dial tcp 127.0.0.1:1: connect: connection refused',
    )
  })
})

describe('pods that no extender is interested in', () => {
  it.each(['limits', 'requests'])('are decided on without asking: it is told by the %s', async (kind) => {
    extender.answers.filter = allowing('a')
    const managedResources = [{ name: 'example.com/gpu' }]
    const bench = benchWith({ ...all, managedResources })
    const gpus = {
      ...node('a'),
      status: { allocatable: { cpu: '4', memory: '8Gi', pods: '9', 'example.com/gpu': '9' } },
    }
    bench.scheduler.nodeChanged(gpus)
    bench.scheduler.podChanged(pod('plain'))
    await bench.settle()
    expect([bench.bound, extender.verbs]).toEqual([['plain a'], []])
    bench.scheduler.podChanged(withResource('train', 'example.com/gpu', kind))
    await bench.until(() => bench.bound.length > 1)
    expect([bench.bound, extender.verbs]).toEqual([['plain a', 'train a'], ['filter']])
  })
})

describe('while an extender is asked', () => {
  /** The answer is held back until it is let go. */
  function held(bench: SchedulerBench, answer: (body: any) => unknown): () => Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    extender.answers.filter = async (body) => {
      await promise
      return answer(body)
    }
    return async () => {
      await bench.until(() => extender.questions.length > 0)
      resolve()
    }
  }

  it('no other pod is decided on, so that none takes the room twice', async () => {
    const bench = benchWith(all)
    const letGo = held(bench, allowing('a'))
    bench.scheduler.nodeChanged(node('a', '1'))
    for (const name of ['p', 'q']) bench.scheduler.podChanged(pod(name))
    await bench.until(() => extender.questions.length > 0)
    expect(bench.scheduler.figures.queue).toMatchObject({ inFlight: 1, active: 1 })
    await letGo()
    await bench.until(() => bench.events.length > 1)
    expect([bench.bound, bench.scheduler.figures.queue.unschedulable]).toEqual([['p a'], 1])
  })

  it('what has changed counts: a node that is full or gone is not taken', async () => {
    const bench = benchWith(all)
    const letGo = held(bench, allowing('a', 'b', 'c'))
    for (const name of ['a', 'b', 'c']) bench.scheduler.nodeChanged(node(name, '1'))
    bench.scheduler.podChanged(pod('p'))
    await bench.until(() => extender.questions.length > 0)
    bench.scheduler.podChanged(pod('other', '1', { spec: { nodeName: 'a' } }))
    bench.scheduler.nodeDeleted(node('b', '1'))
    // Another node in the place of the old one.
    bench.scheduler.nodeChanged(node('d', '1'))
    await letGo()
    await bench.until(() => bench.bound.length > 0)
    expect(bench.bound).toEqual(['p c'])
  })

  it('a pod that goes is forgotten, and the scheduler can be stopped', async () => {
    const bench = benchWith(all)
    const letGo = held(bench, allowing('a'))
    bench.scheduler.nodeChanged(node('a', '1'))
    bench.scheduler.podChanged(pod('p'))
    await bench.until(() => extender.questions.length > 0)
    bench.scheduler.podDeleted(pod('p'))
    bench.scheduler.podChanged(pod('q'))
    await letGo()
    await bench.until(() => bench.bound.length > 0)
    expect(bench.bound).toEqual(['q a'])
    extender.answers.filter = () => new Promise(() => {})
    bench.scheduler.podChanged(pod('r', '0'))
    await bench.until(() => extender.questions.length === 3)
    await bench.scheduler.stop()
    expect(bench.scheduler.figures.queue).toMatchObject({ inFlight: 0, backingOff: 1 })
  })
})

describe('an extender that scores', () => {
  it('adds ten times its score and weight to what the plugins say', async () => {
    const other = await startServer()
    extender.answers.score = () => [
      { Host: 'small', Score: 1 },
      { Host: 'big', Score: 0 },
    ]
    other.answers.score = () => [{ host: 'big', score: 2 }]
    const score = { prioritizeVerb: 'score', nodeCacheCapable: true }
    const votes = [
      benchWith({ ...score, weight: 3 }),
      benchWith({ ...score, weight: 3 }, { ...score, weight: 2, urlPrefix: other.url() }),
    ]
    for (const bench of votes) {
      bench.scheduler.nodeChanged(node('big', '8'))
      bench.scheduler.nodeChanged(node('small', '6'))
      bench.scheduler.podChanged(pod('p'))
      await bench.until(() => bench.bound.length > 0)
    }
    expect(votes.map(({ bound }) => bound)).toEqual([['p small'], ['p big']])
  })

  it('has no say when it fails, and is not asked about a single node', async () => {
    const bench = benchWith({ prioritizeVerb: 'score', weight: 1, nodeCacheCapable: true })
    bench.scheduler.nodeChanged(node('a', '1'))
    bench.scheduler.podChanged(pod('p'))
    await bench.until(() => bench.bound.length > 0)
    expect(extender.verbs).toEqual([])
    for (const name of ['b', 'c']) bench.scheduler.nodeChanged(node(name, '1'))
    bench.scheduler.podChanged(pod('q'))
    await bench.until(() => bench.bound.length > 1)
    expect(extender.verbs).toEqual(['score'])
  })
})

describe('an extender with a say in preemption', () => {
  const preempting: ExtenderDocument = { preemptVerb: 'preempt', nodeCacheCapable: true }
  const important = pod('p', '1', { spec: { priority: 10 } })
  const victims = (bench: SchedulerBench) => bench.writes.flatMap((w) => (w.verb === 'delete' ? [w.key.name] : []))

  function seed({ scheduler }: SchedulerBench): void {
    for (const name of ['a', 'b']) {
      scheduler.nodeChanged(node(name, '1'))
      scheduler.podChanged(pod(`on-${name}`, '1', { spec: { nodeName: name, priority: name === 'a' ? 1 : 2 } }))
    }
    scheduler.podChanged(important)
  }

  it('takes candidates away', async () => {
    extender.answers.preempt = ({ NodeNameToMetaVictims: { b } }) => ({ NodeNameToMetaVictims: { b } })
    const bench = benchWith(preempting)
    seed(bench)
    await bench.until(() => victims(bench).length > 0)
    expect(victims(bench)).toEqual(['on-b'])
    expect(extender.questions[0]?.body).toEqual({
      Pod: important,
      NodeNameToVictims: null,
      NodeNameToMetaVictims: {
        a: { Pods: [{ UID: 'uid-on-a' }], NumPDBViolations: 0 },
        b: { Pods: [{ UID: 'uid-on-b' }], NumPDBViolations: 0 },
      },
    })
    expect(bench.conditions.map((text) => JSON.parse(text).nominatedNodeName)).toContain('b')
  })

  it('gets whole pods where it does not know them itself', async () => {
    extender.answers.preempt = () => ({ NodeNameToMetaVictims: { a: { Pods: [{ UID: 'uid-on-a' }] } } })
    const bench = benchWith({ preemptVerb: 'preempt' })
    seed(bench)
    await bench.until(() => victims(bench).length > 0)
    const { NodeNameToVictims, NodeNameToMetaVictims } = extender.questions[0]?.body ?? {}
    expect([NodeNameToVictims.a.Pods[0].metadata.name, NodeNameToMetaVictims]).toEqual(['on-a', null])
  })

  it.each([
    [{}, 'no candidate node for preemption'],
    [{ a: { Pods: [] } }, 'expected at least one victim pod on node "a"'],
    [{ x: { Pods: [] } }, 'nodeinfo not found for node name "x"'],
    [
      { a: { Pods: [{ UID: 'uid-on-b' }] } },
      /extender: http:.* claims to preempt pod \(UID: &\{uid-on-b\}\) on node: a, but the pod is not found on that node/,
    ],
  ])('evicts nobody with %j, and the message says why', async (NodeNameToMetaVictims, message) => {
    extender.answers.preempt = () => ({ NodeNameToMetaVictims })
    const bench = benchWith(preempting)
    seed(bench)
    await bench.until(() => bench.events.length > 0)
    expect(victims(bench)).toEqual([])
    expect(bench.events[0]?.message).toMatch(message)
    expect(bench.events[0]?.message).toMatch(/^0\/2 nodes are available: 2 Insufficient cpu\. .*preemption: /)
  })

  it('is left out when it fails and may', async () => {
    const bench = benchWith({ ...preempting, ignorable: true })
    seed(bench)
    await bench.until(() => victims(bench).length > 0)
    expect(victims(bench)).toEqual(['on-a'])
  })

  it('cannot be helped by evicting pods when it was itself that filtered the node out', async () => {
    extender.answers.filter = () => ({ NodeNames: [], FailedNodes: { a: 'no licence' } })
    const bench = benchWith(all)
    bench.scheduler.nodeChanged(node('a', '4'))
    bench.scheduler.podChanged(pod('less', '1', { spec: { nodeName: 'a' } }))
    bench.scheduler.podChanged(important)
    await bench.until(() => bench.events.length > 0)
    expect(bench.events[0]?.message).toBe(
      '0/1 nodes are available: 1 no licence. preemption: expected at least one victim pod on node "a"',
    )
  })
})

describe('an extender that binds', () => {
  it('does so in the place of the plugins, for the pods that it is interested in', async () => {
    extender.answers.bind = () => ({})
    const managedResources = [{ name: 'example.com/gpu', ignoredByScheduler: true }]
    const bench = benchWith({ bindVerb: 'bind', managedResources })
    const gpus = {
      ...node('a'),
      status: { allocatable: { cpu: '4', memory: '8Gi', pods: '9', 'example.com/gpu': '9' } },
    }
    bench.scheduler.nodeChanged(gpus)
    bench.scheduler.podChanged(pod('plain'))
    bench.scheduler.podChanged(withResource('train', 'example.com/gpu'))
    await bench.until(() => bench.events.length > 1)
    expect(extender.questions).toEqual([
      { verb: 'bind', body: { PodName: 'train', PodNamespace: 'default', PodUID: 'uid-train', Node: 'a' } },
    ])
    expect([bench.bound, bench.events.map(({ message }) => message).toSorted()]).toEqual([
      ['plain a'],
      ['Successfully assigned default/plain to a', 'Successfully assigned default/train to a'],
    ])
  })

  it('has the pod tried again when it fails, or leaves it to the plugins when it may', async () => {
    extender.answers.bind = () => ({ Error: 'no licence' })
    const [strict, lenient] = [benchWith({ bindVerb: 'bind' }), benchWith({ bindVerb: 'bind', ignorable: true })]
    for (const { scheduler } of [strict, lenient]) {
      scheduler.nodeChanged(node('a'))
      scheduler.podChanged(pod('p'))
    }
    await strict.until(() => strict.events.length > 0)
    await lenient.until(() => lenient.bound.length > 0)
    expect([strict.bound, strict.events.map(({ message }) => message)]).toEqual([[], ['no licence']])
    expect([strict.scheduler.cluster.placedCount, strict.scheduler.figures.queue.backingOff]).toEqual([0, 1])
  })
})

describe('a group of pods that an extender is interested in', () => {
  const member = (name: string, cpu = '1', spec: object = {}) =>
    pod(name, cpu, { spec: { schedulingGroup: { podGroupName: 'gang' }, ...spec } })

  function groupBench(...nodeNames: string[]): SchedulerBench {
    const extenders = [extenderOf({ urlPrefix: extender.url(), ...all, preemptVerb: 'preempt' })]
    const bench = new SchedulerBench([], { extenders, groups: true })
    bench.mayComplain = true
    benches.push(bench)
    for (const name of nodeNames) bench.scheduler.nodeChanged(node(name, '1'))
    return bench
  }

  it('is decided on pod by pod, each on what those before it leave', async () => {
    extender.answers.filter = ({ NodeNames }) => ({ NodeNames })
    const bench = groupBench('a', 'b')
    for (const name of ['p', 'q']) bench.scheduler.podChanged(member(name))
    bench.scheduler.podChanged(pod('single'))
    await bench.until(() => bench.events.length > 2)
    expect(extender.questions.map(({ body }) => [body.Pod.metadata.name, body.NodeNames.length])).toEqual([
      ['p', 2],
      ['q', 1],
    ])
    expect(bench.bound.map((text) => text.split(' ')[0])).toEqual(['p', 'q'])
  })

  it('fails as a whole when the extender does', async () => {
    extender.answers.filter = ({ Pod, NodeNames }) => {
      if (Pod.metadata.name === 'q') throw new Error('500')
      return { NodeNames }
    }
    const bench = groupBench('a', 'b')
    for (const name of ['p', 'q']) bench.scheduler.podChanged(member(name))
    await bench.until(() => bench.events.length > 1)
    const cause = `failed filter with extender at URL ${extender.url()}/filter, code 500`
    expect(bench.events.map(({ message }) => message)).toEqual([
      `failed to schedule other pod from a pod group: ${cause}`,
      cause,
    ])
    expect([bench.bound, bench.scheduler.cluster.placedCount]).toEqual([[], 0])
    expect(bench.scheduler.figures.queue.backingOff).toBe(2)
  })

  it('counts what happens meanwhile: a pod that goes, and a victim that goes by itself', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    extender.answers.filter = async ({ Pod, NodeNames }) => {
      if (Pod.metadata.name === 'r') await promise
      return { NodeNames }
    }
    extender.answers.preempt = ({ NodeNameToMetaVictims }) => ({ NodeNameToMetaVictims })
    const bench = groupBench('a', 'b', 'c')
    const victim = pod('victim', '1', { spec: { nodeName: 'a', priority: 1 } })
    bench.scheduler.podChanged(victim)
    const nodeSelector = { 'kubernetes.io/hostname': 'a' }
    bench.scheduler.podChanged(member('p', '1', { priority: 10, nodeSelector }))
    for (const name of ['q', 'r']) bench.scheduler.podChanged(member(name, '1', { priority: 10 }))
    await bench.until(() => extender.questions.some(({ body }) => body.Pod.metadata.name === 'r'))
    expect(extender.verbs).toEqual(['preempt', 'filter', 'filter'])
    bench.scheduler.podDeleted(member('q'))
    bench.scheduler.podDeleted(victim)
    resolve()
    await bench.until(() => bench.events.length > 1)
    expect(bench.writes.filter((w) => w.verb === 'delete')).toEqual([])
    expect(bench.scheduler.cluster.placedCount).toBe(0)
    await bench.pass(1000)
    await bench.until(() => bench.bound.length > 1)
    expect(bench.bound.map((text) => text.split(' ')[0])).toEqual(['p', 'r'])
  })
})
