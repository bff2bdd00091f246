import { describe, expect, it } from 'vitest'
import type { Pod, PodStatus } from './pod.ts'
import { SimulatedPod } from './simulated-pod.ts'
import { defaultSimulation, type SimulationOptions } from './simulation-options.ts'

const startMs = Date.parse('2026-01-01T00:00:00Z')
const at = (ms: number): { fromMs: number; toMs: number } => ({ fromMs: ms, toMs: ms })
const options: SimulationOptions = {
  ...defaultSimulation,
  startDelay: at(1000),
  readyDelay: at(2000),
  initRun: at(500),
  stopDelay: at(3000),
  jobRun: at(5000),
  crashAfter: at(1000),
}

function podOf(
  change: { spec?: Partial<Pod['spec']>; metadata?: Partial<Pod['metadata']>; status?: PodStatus } = {},
): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default', uid: 'uid-1', ...change.metadata },
    spec: {
      nodeName: 'sim-0',
      restartPolicy: 'Always',
      containers: [{ name: 'main', image: 'nginx:1' }],
      ...change.spec,
    },
    ...(change.status === undefined ? {} : { status: change.status }),
  }
}

const ended = (seconds: string, exitCode = '0'): Record<string, string> => ({
  'simulated.binnacle.dev/run-seconds': seconds,
  'simulated.binnacle.dev/exit-code': exitCode,
})

class Play {
  readonly simulated: SimulatedPod
  nowMs = startMs
  /** What was told, with the seconds at which it was. */
  readonly told: string[] = []

  constructor(pod: Pod, change: Partial<SimulationOptions> = {}) {
    const place = { hostIP: '10.0.0.1', takeAddress: () => '10.128.0.2' }
    this.simulated = new SimulatedPod(pod, place, { ...options, ...change }, () => 0.5, this.nowMs)
    this.#advance()
  }

  /** Lets time pass up to the given second after the start. */
  until(seconds: number): this {
    while (this.simulated.nextAtMs <= startMs + seconds * 1000) {
      this.nowMs = Math.max(this.nowMs, this.simulated.nextAtMs)
      this.#advance()
    }
    this.nowMs = startMs + seconds * 1000
    return this
  }

  update(pod: Pod): this {
    this.simulated.update(pod, this.nowMs)
    this.#advance()
    return this
  }

  get status(): PodStatus {
    return this.simulated.status(this.nowMs)
  }

  /** Phase, and the first container's state in a word. */
  get short(): string {
    const [container] = this.status.containerStatuses ?? []
    const { waiting, running, terminated } = container?.state ?? {}
    const state =
      waiting?.reason ?? terminated?.reason ?? (running && (container?.ready === true ? 'ready' : 'running'))
    return `${this.status.phase} ${state} ${container?.restartCount}`
  }

  condition(type: string): string {
    const { status, reason } = this.status.conditions?.find((c) => c.type === type) ?? {}
    return reason === undefined ? String(status) : `${status} ${reason}`
  }

  #advance(): void {
    const { events } = this.simulated.advance(this.nowMs)
    for (const { reason } of events) this.told.push(`${(this.nowMs - startMs) / 1000} ${reason}`)
  }
}

describe('a simulated pod', () => {
  it('is accepted, runs and becomes ready, one after the other', () => {
    const play = new Play(podOf())
    const seen = [0.9, 1, 2.9, 3].map((s) => play.until(s).short)
    expect(seen).toEqual(['Pending ContainerCreating 0', 'Running running 0', 'Running running 0', 'Running ready 0'])
  })

  it('has an address from the moment it runs, and its node knows it from the start', () => {
    const play = new Play(podOf())
    expect([play.status.hostIP, play.status.podIP]).toEqual(['10.0.0.1', undefined])
    expect(play.until(1).status.podIPs).toEqual([{ ip: '10.128.0.2' }])
  })

  it("uses its host's address on the host network", () => {
    expect(new Play(podOf({ spec: { hostNetwork: true } })).until(1).status.podIP).toBe('10.0.0.1')
  })

  it('reports the conditions that a kubelet reports', () => {
    const play = new Play(podOf())
    const types = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled']
    expect(types.map((t) => play.condition(t))).toEqual([
      'False',
      'True',
      'False ContainersNotReady',
      'False ContainersNotReady',
      'True',
    ])
    play.until(3)
    expect(types.map((t) => play.condition(t))).toEqual(['True', 'True', 'True', 'True', 'True'])
  })

  it('moves a transition time only when the condition changes', () => {
    const play = new Play(podOf())
    const timesOf = (type: string): string | undefined =>
      play.status.conditions?.find((c) => c.type === type)?.lastTransitionTime
    expect([timesOf('Ready'), timesOf('PodScheduled')]).toEqual(['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'])
    play.until(3)
    expect([timesOf('Ready'), timesOf('PodScheduled')]).toEqual(['2026-01-01T00:00:03Z', '2026-01-01T00:00:00Z'])
  })

  it('runs init containers in order before the others', () => {
    const play = new Play(podOf({ spec: { initContainers: [{ name: 'one' }, { name: 'two' }] } }))
    const states = (): string[] =>
      (play.status.initContainerStatuses ?? []).map((c) => Object.keys(c.state ?? {})[0] ?? '')
    expect(states()).toEqual(['waiting', 'waiting'])
    expect([play.short, play.condition('Initialized')]).toEqual([
      'Pending PodInitializing 0',
      'False ContainersNotInitialized',
    ])
    play.until(1)
    expect(states()).toEqual(['running', 'waiting'])
    play.until(1.5)
    expect(states()).toEqual(['terminated', 'waiting'])
    play.until(3)
    expect([...states(), play.short]).toEqual(['terminated', 'terminated', 'Pending PodInitializing 0'])
    expect([play.until(4).short, play.condition('Initialized')]).toEqual(['Running running 0', 'True'])
  })

  it('lets a sidecar run on beside the containers', () => {
    const play = new Play(podOf({ spec: { initContainers: [{ name: 'proxy', restartPolicy: 'Always' }] } })).until(5)
    expect(play.status.initContainerStatuses?.map((c) => [Object.keys(c.state ?? {})[0], c.ready, c.started])).toEqual([
      ['running', true, true],
    ])
    expect(play.condition('Ready')).toBe('True')
  })

  it('ends well when it is told to end', () => {
    const play = new Play(podOf({ spec: { restartPolicy: 'Never' }, metadata: { annotations: ended('5') } })).until(60)
    expect([play.short, play.condition('Ready'), play.condition('Initialized')]).toEqual([
      'Succeeded Completed 0',
      'False PodCompleted',
      'True PodCompleted',
    ])
    expect(play.status.containerStatuses?.[0]?.state?.terminated?.finishedAt).toBe('2026-01-01T00:00:06Z')
  })

  it('fails when it is told to fail and may not restart', () => {
    const play = new Play(
      podOf({ spec: { restartPolicy: 'Never' }, metadata: { annotations: ended('5', '3') } }),
    ).until(60)
    expect([play.short, play.condition('Ready')]).toEqual(['Failed Error 0', 'False PodFailed'])
    expect(play.status.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(3)
  })

  it('ends by itself when a Job controls it', () => {
    const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: 'j', controller: true }]
    expect(new Play(podOf({ spec: { restartPolicy: 'Never' }, metadata: { ownerReferences } })).until(6).short).toBe(
      'Succeeded Completed 0',
    )
  })

  it('restarts at once after the first failure, then backs off longer each time', () => {
    const play = new Play(podOf({ spec: { restartPolicy: 'OnFailure' }, metadata: { annotations: ended('1', '1') } }))
    // Ends at 2, runs again at once, ends at 3, waits 10 s, ends at 14, waits 20 s.
    expect([2.5, 3, 12.9, 13, 14, 33.9, 34].map((s) => play.until(s).short)).toEqual([
      'Running running 1',
      'Running CrashLoopBackOff 1',
      'Running CrashLoopBackOff 1',
      'Running running 2',
      'Running CrashLoopBackOff 2',
      'Running CrashLoopBackOff 2',
      'Running running 3',
    ])
    expect(play.status.containerStatuses?.[0]?.lastState?.terminated?.exitCode).toBe(1)
  })

  it('cannot pull its images for a while when it is drawn to fail', () => {
    const play = new Play(podOf(), { failureRate: 1 })
    expect([1, 3, 13, 15, 35].map((s) => play.until(s).short)).toEqual([
      'Pending ErrImagePull 0',
      'Pending ImagePullBackOff 0',
      'Pending ErrImagePull 0',
      'Pending ImagePullBackOff 0',
      'Running running 0',
    ])
    expect(play.told.slice(0, 4)).toEqual(['1 Failed', '1 Failed', '3 BackOff', '3 Failed'])
  })

  it('never pulls its images when the pod says so', () => {
    const annotations = { 'simulated.binnacle.dev/image-pull-error': 'true' }
    expect(new Play(podOf({ metadata: { annotations } })).until(86_400).short).toMatch(/^Pending/)
  })

  it('crashes a few times when it is drawn to crash, then runs', () => {
    const play = new Play(podOf(), { crashRate: 1 }).until(100)
    expect(play.short).toBe('Running ready 2')
  })

  it('tells of a start as a kubelet does', () => {
    expect(new Play(podOf()).until(3).told).toEqual(['1 Pulled', '1 Created', '1 Started'])
  })

  it('ends its containers within the grace period when it is deleted', () => {
    const deleted = (grace: number): Pod =>
      podOf({ metadata: { deletionTimestamp: '2026-01-01T00:01:00Z', deletionGracePeriodSeconds: grace } })
    const patient = new Play(podOf()).until(5).update(deleted(30))
    expect([patient.until(7.9).simulated.isStopped, patient.until(8).simulated.isStopped]).toEqual([false, true])
    expect([patient.short, patient.condition('Ready')]).toEqual(['Succeeded Completed 0', 'False PodCompleted'])
    const hasty = new Play(podOf()).until(5).update(deleted(1))
    expect([hasty.until(5.9).simulated.isStopped, hasty.until(6).simulated.isStopped]).toEqual([false, true])
  })

  it('fails when it is deleted before its work is done', () => {
    const spec = { restartPolicy: 'Never' }
    const metadata = { deletionTimestamp: '2026-01-01T00:01:00Z', deletionGracePeriodSeconds: 30 }
    const play = new Play(podOf({ spec })).until(5).update(podOf({ spec, metadata })).until(8)
    expect(play.short).toBe('Failed Error 0')
    expect(play.status.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(143)
  })

  it('stops at once when it is deleted before it ran', () => {
    const play = new Play(podOf()).update(
      podOf({ metadata: { deletionTimestamp: '2026-01-01T00:01:00Z', deletionGracePeriodSeconds: 30 } }),
    )
    expect([play.simulated.isStopped, play.status.phase]).toEqual([true, 'Failed'])
  })

  it('waits for the conditions of its readiness gates', () => {
    const spec = { readinessGates: [{ conditionType: 'lb/ready' }] }
    const play = new Play(podOf({ spec })).until(5)
    expect([play.condition('Ready'), play.condition('ContainersReady')]).toEqual([
      'False ReadinessGatesNotReady',
      'True',
    ])
    play.update(podOf({ spec, status: { conditions: [{ type: 'lb/ready', status: 'True' }] } }))
    expect(play.condition('Ready')).toBe('True')
  })

  it('goes on after the agent restarted as if nothing had happened', () => {
    const before = new Play(podOf()).until(3)
    const after = new Play(podOf({ status: before.status }))
    expect(after.simulated.nextAtMs).toBe(Number.POSITIVE_INFINITY)
    expect(after.status).toEqual(before.status)
    expect(after.told).toEqual([])
  })

  it("ends its restarts' count nowhere when the agent restarts", () => {
    const before = new Play(podOf({ metadata: { annotations: ended('1', '1') } })).until(13.5)
    const after = new Play(podOf({ metadata: { annotations: ended('1', '1') }, status: before.status }))
    expect(after.until(40).status.containerStatuses?.[0]?.restartCount).toBeGreaterThan(2)
  })
})
