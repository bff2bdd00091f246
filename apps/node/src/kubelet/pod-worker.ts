import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { formatTime, isNotFound, jsonEqual, parseTime } from '@binnacle/apimachinery'
import { type Pod as ApiPod, pods, type PodStatus, qosClass, type Secret } from '@binnacle/resources'
import { VolumeError } from '../volumes/payload.ts'
import { durationText, RestartBackOff } from './back-off.ts'
import { containerHash } from './container-config.ts'
import { ContainerStarter, type StartPlace } from './container-starter.ts'
import type { FieldFacts } from './environment.ts'
import type { KubeletContext } from './kubelet-context.ts'
import { rotatedLogs } from './log-rotation.ts'
import { newestOf, type ObservedContainer, type ObservedPod, readySandbox } from './observed-pod.ts'
import { type Kill, planPod, type PodPlan } from './plan.ts'
import { containersOf, isTerminal, podText, type Pod } from './pod.ts'
import { graceSecondsOf, PodKiller } from './pod-killer.ts'
import { podStatus, type Problem } from './pod-status.ts'
import { sandboxConfig } from './sandbox-config.ts'
import type { ServiceAccountTokens } from './service-account-tokens.ts'

/** What a worker needs besides what all parts share. */
export interface WorkerEnvironment extends KubeletContext {
  readonly tokens: ServiceAccountTokens
  /** The secret for a pod that refers to it. */
  secret(pod: Pod, name: string): Promise<Secret | undefined>
  /** Nothing is left of the pod, here and in the cluster. */
  onGone(podUID: string): void
}

/** Conditions that a kubelet owns: it leaves others' alone. */
const ownConditions = new Set(['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'])
/** What containers of an evicted pod have to end (kubelet `immediateEvictionGracePeriodSeconds`). */
const evictionGraceSeconds = 1
const retryMsMin = 1000
const retryMsMax = 60_000
/** How soon it looks again at what another is to put right: a missing secret. */
const problemRetryMs = 10_000
/** How long a failed pull is shown as that before it is shown as waiting. */
const pullProblemMs = 2000

/**
 * Carries one pod through its life on this node: observe, decide, act, report — again whenever the pod, its containers, their probes or what they refer to
 * change. One pass at a time.
 *
 *     running ──deletion, deadline──▶ ending ──nothing runs──▶ ended ──deletion──▶ gone
 */
export class PodWorker {
  readonly #context: WorkerEnvironment
  readonly #starter: ContainerStarter
  readonly #killer: PodKiller
  readonly #backOff = new RestartBackOff()
  readonly #waiting = new Map<string, Problem>()
  readonly #uid: string
  #pod: Pod
  #isRunning = false
  #pass: Promise<void> = Promise.resolve()
  #isDue = false
  #isStopped = false
  #isForgotten = false
  #isEnded = false
  #failure: Problem | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #retryMs = retryMsMin
  #written: PodStatus | undefined

  constructor(context: WorkerEnvironment, pod: Pod) {
    this.#context = context
    this.#starter = new ContainerStarter(context)
    this.#killer = new PodKiller(context)
    this.#pod = pod
    this.#uid = pod.metadata.uid ?? ''
    this.#written = pod.status
  }

  get pod(): Pod {
    return this.#pod
  }

  /** The pod as it is now. */
  update(pod: Pod): void {
    const isShorter = this.#isDeleted && graceSecondsOf(pod) < graceSecondsOf(this.#pod)
    this.#pod = pod
    if (isShorter) void this.#killer.hasten(graceSecondsOf(pod))
    this.wake()
  }

  /** The cluster has no such pod any more: what runs of it is ended without anything to report. */
  forget(): void {
    this.#isForgotten = true
    void this.#killer.hasten(0)
    this.wake()
  }

  /** The node has no room for the pod: it ends, as failed. */
  evict(message: string): void {
    if (this.#failure !== undefined || this.#isDeleted) return
    this.#context.tell(this.#pod, 'Warning', 'Evicted', message)
    this.#failure = { reason: 'Evicted', message }
    this.wake()
  }

  /** Something may have changed. */
  wake(): void {
    this.#isDue = true
    if (!this.#isRunning && !this.#isStopped) this.#pass = this.#run()
  }

  /** Resolves once the pass under way is over. */
  async idle(): Promise<void> {
    await this.#pass
  }

  /** Does nothing more; containers stay as they are. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  get #isDeleted(): boolean {
    return this.#isForgotten || this.#pod.metadata.deletionTimestamp !== undefined
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    clearTimeout(this.#timer)
    this.#timerAtMs = Number.POSITIVE_INFINITY
    while (this.#isDue && !this.#isStopped) {
      this.#isDue = false
      try {
        await this.#sync()
        this.#retryMs = retryMsMin
      } catch (error) {
        this.#noteFailure(error)
        this.#wakeAt(this.#context.nowMs() + this.#retryMs)
        this.#retryMs = Math.min(retryMsMax, this.#retryMs * 2)
      }
    }
    this.#isRunning = false
  }

  #noteFailure(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof VolumeError) this.#context.tell(this.#pod, 'Warning', 'FailedMount', message)
    else this.#context.log('warn', 'cannot sync a pod', { pod: podText(this.#pod), error: message })
  }

  #wakeAt(atMs: number): void {
    if (atMs >= this.#timerAtMs || this.#isStopped) return
    clearTimeout(this.#timer)
    this.#timerAtMs = atMs
    const waitMs = Math.min(2 ** 31 - 1, Math.max(0, atMs - this.#context.nowMs()))
    this.#timer = setTimeout(() => {
      this.#timerAtMs = Number.POSITIVE_INFINITY
      this.wake()
    }, waitMs)
  }

  async #sync(): Promise<void> {
    const { view, probes } = this.#context
    const observed = await view.refresh(this.#uid)
    this.#checkDeadline()
    if (this.#isDeleted || this.#failure !== undefined || isTerminal(this.#pod) || this.#isEnded) {
      return await this.#end(observed)
    }
    probes.follow(this.#pod, observed)
    const plan = this.#plan(observed)
    this.#noteBackOffs(plan, observed)
    // Said before it acts, too: pulling an image may take long.
    await this.#report(observed)
    const isActing = plan.isKilled || plan.sandboxAttempt !== undefined || plan.kills.length + plan.starts.length > 0
    if (!isActing) {
      await this.#refreshVolumes(observed)
      return this.#wakeAt(this.#context.tokens.renewAtMs(this.#uid))
    }
    const hasChanged = await this.#act(plan, observed)
    const after = await view.refresh(this.#uid)
    probes.follow(this.#pod, after)
    await this.#report(after)
    await this.#removeOldTries(after)
    // What it changed may call for more; what it could not do waits for its time.
    this.#isDue ||= hasChanged
  }

  #plan(observed: ObservedPod): PodPlan {
    const { probes, nowMs } = this.#context
    return planPod(this.#pod, observed, {
      failedProbe: (id) => probes.failed(id),
      isStarted: (id) => probes.isStarted(id),
      hashOf: containerHash,
      restartAtMs: (container) => {
        const pull = this.#context.puller.retryAtMs(this.#uid, this.#imageOf(container.name))
        const delayMs = this.#backOff.delayMs(container)
        return Math.max(pull, delayMs === 0 ? 0 : container.finishedAtMs + delayMs)
      },
      nowMs: nowMs(),
    })
  }

  #imageOf(name: string): string {
    return containersOf(this.#pod).find((container) => container.name === name)?.image ?? ''
  }

  #noteBackOffs({ backOffs }: PodPlan, observed: ObservedPod): void {
    for (const [name, atMs] of backOffs) {
      this.#wakeAt(atMs)
      const last = newestOf(observed, name) as ObservedContainer
      const delayMs = this.#backOff.delayMs(last)
      if (delayMs === 0 || this.#waiting.get(name)?.reason === 'CrashLoopBackOff') continue
      const text = podText(this.#pod)
      const message = `back-off ${durationText(delayMs)} restarting failed container=${name} pod=${text}`
      this.#waiting.set(name, { reason: 'CrashLoopBackOff', message })
      const told = `Back-off restarting failed container ${name} in pod ${text}`
      this.#context.tell(this.#pod, 'Warning', 'BackOff', told, name)
    }
  }

  async #act(plan: PodPlan, observed: ObservedPod): Promise<boolean> {
    if (plan.isKilled) {
      await this.#killer.killPod(this.#pod, observed, graceSecondsOf(this.#pod))
      if (plan.sandboxAttempt === undefined) {
        this.#isEnded = true
        return true
      }
      const message = 'Pod sandbox changed, it will be killed and re-created.'
      this.#context.tell(this.#pod, 'Normal', 'SandboxChanged', message)
    }
    await Promise.all(plan.kills.map((kill) => this.#kill(kill)))
    if (plan.starts.length === 0 && plan.sandboxAttempt === undefined) return true
    const place = await this.#place(plan, observed)
    let hasChanged = plan.kills.length > 0 || plan.starts.length === 0
    for (const start of plan.starts) {
      if (this.#isDeleted) return true
      const problem = await this.#starter.start(this.#pod, start, place)
      const { name, image = '' } = start.container
      const last = newestOf(observed, name)
      if (problem === undefined) this.#waiting.delete(name)
      else {
        this.#waiting.set(name, problem)
        // Soon after a failed pull it says that it waits, then it waits.
        const isWaiting = problem.reason === 'ImagePullBackOff'
        const retryAtMs = this.#context.nowMs() + (problem.reason === 'ErrImagePull' ? pullProblemMs : problemRetryMs)
        this.#wakeAt(isWaiting ? this.#context.puller.retryAtMs(this.#uid, image) : retryAtMs)
      }
      hasChanged ||= problem === undefined || problem.reason === 'PostStartHookError'
      const isTried = problem === undefined || problem.reason === 'RunContainerError'
      if (last?.state === 'exited' && isTried) this.#backOff.restarted(last, this.#context.nowMs())
    }
    return hasChanged
  }

  async #kill({ container, message }: Kill): Promise<void> {
    const spec = containersOf(this.#pod).find(({ name }) => name === container.name)
    const failed = this.#context.probes.failed(container.id)
    const own = failed === undefined ? undefined : spec?.[`${failed}Probe`]?.terminationGracePeriodSeconds
    await this.#killer.killContainer(this.#pod, container, own ?? graceSecondsOf(this.#pod), message)
  }

  /** Everything that containers are started in; makes the sandbox where there is none. */
  async #place(plan: PodPlan, observed: ObservedPod): Promise<StartPlace> {
    const { cgroups, cri, network, seccompRoot, view, volumes } = this.#context
    const pod = this.#pod
    const qos = qosClass(pod)
    mkdirSync(volumes.podDirectory(this.#uid), { recursive: true, mode: 0o750 })
    const mounted = await volumes.mount(pod, this.#context.sources(pod, this.#facts(observed)))
    const pullSecrets = await this.#pullSecrets()
    cgroups.create(pod, qos)
    const attempt = plan.sandboxAttempt ?? observed.sandboxes[0]?.attempt ?? 0
    const places = { logDirectory: this.#logDirectory, cgroupParent: cgroups.pathOf(this.#uid, qos), seccompRoot }
    const config = sandboxConfig(pod, attempt, network, places)
    mkdirSync(config.logDirectory, { recursive: true, mode: 0o755 })
    if (plan.sandboxAttempt !== undefined) {
      try {
        await cri.runPodSandbox(config)
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        this.#context.tell(pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${message}`)
        throw error
      }
    }
    const now = await view.refresh(this.#uid)
    const sandbox = readySandbox(now)
    if (sandbox === undefined) throw new Error('the sandbox ended as soon as it was made')
    const facts = this.#facts(now)
    const sources = this.#context.sources(pod, facts)
    // Files that tell the pod's address could not be right before.
    const current = plan.sandboxAttempt === undefined ? mounted : await volumes.mount(pod, sources)
    return { sandbox, config, volumes: current, sources, facts, pullSecrets, observed: now }
  }

  get #logDirectory(): string {
    const { namespace, name } = this.#pod.metadata
    return path.join(this.#context.logsDirectory, `${namespace}_${name}_${this.#uid}`)
  }

  async #pullSecrets(): Promise<Secret[]> {
    const names = (this.#pod.spec.imagePullSecrets ?? []).map(({ name = '' }) => name)
    const found = await Promise.all(names.map((name) => this.#context.secret(this.#pod, name)))
    return found.filter((secret) => secret !== undefined)
  }

  #facts(observed: ObservedPod): FieldFacts {
    const { hostIP, nodeName } = this.#context.network
    const own = observed.sandboxes[0]?.ips ?? []
    const podIPs = this.#pod.spec.hostNetwork === true ? [hostIP] : own
    return { hostIP, nodeName, podIPs, allocatable: this.#context.allocatable() }
  }

  async #refreshVolumes(observed: ObservedPod): Promise<void> {
    const sources = this.#context.sources(this.#pod, this.#facts(observed))
    await this.#context.volumes.mount(this.#pod, sources)
  }

  #checkDeadline(): void {
    const { activeDeadlineSeconds } = this.#pod.spec
    if (activeDeadlineSeconds === undefined || isTerminal(this.#pod) || this.#failure !== undefined) return
    const endMs = parseTime(this.#startTime) + activeDeadlineSeconds * 1000
    if (this.#context.nowMs() < endMs) return this.#wakeAt(endMs)
    const message = 'Pod was active on the node longer than the specified deadline'
    this.#context.tell(this.#pod, 'Normal', 'DeadlineExceeded', message)
    this.#failure = { reason: 'DeadlineExceeded', message }
  }

  #startedAt: string | undefined

  get #startTime(): string {
    this.#startedAt ??= this.#pod.status?.startTime ?? formatTime(this.#context.nowMs())
    return this.#startedAt
  }

  get #graceSeconds(): number {
    if (this.#isForgotten) return 0
    return this.#failure?.reason === 'Evicted' ? evictionGraceSeconds : graceSecondsOf(this.#pod)
  }

  /** Ends what runs, says so, and with the pod deleted removes every trace of it. */
  async #end(observed: ObservedPod): Promise<void> {
    const { cgroups, client, probes, puller, tokens, view, volumes } = this.#context
    await this.#killer.killPod(this.#pod, observed, this.#graceSeconds)
    probes.forget(this.#uid)
    this.#isEnded = true
    const ended = await view.refresh(this.#uid)
    if (!isTerminal(this.#pod) && !this.#isForgotten) await this.#report(ended)
    await volumes.unmountVolumes(this.#uid)
    cgroups.remove(this.#uid)
    if (!this.#isDeleted) return
    await this.#killer.removePod(ended)
    await view.refresh(this.#uid)
    await volumes.removePod(this.#uid)
    cgroups.remove(this.#uid)
    rmSync(this.#logDirectory, { recursive: true, force: true })
    puller.forget(this.#uid)
    tokens.forget(this.#uid)
    if (!this.#isForgotten) await this.#delete(client)
    this.#isStopped = true
    this.#context.onGone(this.#uid)
  }

  async #delete(client: WorkerEnvironment['client']): Promise<void> {
    const { namespace = '', name } = this.#pod.metadata
    const options = { gracePeriodSeconds: 0, preconditions: { uid: this.#uid } }
    try {
      await client.delete(pods, { namespace, name }, options)
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  async #report(observed: ObservedPod): Promise<void> {
    const { client, network, nowMs, probes } = this.#context
    const known = new Map(
      [...(this.#pod.status?.initContainerStatuses ?? []), ...(this.#pod.status?.containerStatuses ?? [])].map((s) => [
        s.containerID,
        s,
      ]),
    )
    const status = podStatus(this.#pod, observed, {
      hostIP: network.hostIP,
      qosClass: this.#pod.status?.qosClass ?? qosClass(this.#pod),
      startTime: this.#startTime,
      nowMs: nowMs(),
      waiting: (name) => (newestOf(observed, name)?.state === 'running' ? undefined : this.#waiting.get(name)),
      isStarted: (id) => probes.isStarted(id) || known.get(`containerd://${id}`)?.started === true,
      isReady: (id) => probes.isReady(id) ?? known.get(`containerd://${id}`)?.ready === true,
      failure: this.#failure,
      isEnded: this.#isEnded,
    })
    const isOwn = (type: string): boolean =>
      ownConditions.has(type) || (type === 'DisruptionTarget' && this.#failure?.reason === 'Evicted')
    const own = { ...status, conditions: status.conditions?.filter(({ type }) => isOwn(type)) ?? [] }
    if (jsonEqual(own, this.#written)) return
    const { namespace = '', name } = this.#pod.metadata
    const body = { metadata: { uid: this.#uid }, status: withWholeLists(own) }
    const patch = { type: 'strategic', body } as const
    try {
      const written = await client.patch(pods, { namespace, name }, patch, { subresource: 'status' })
      this.#written = own
      this.#pod = { ...this.#pod, status: written.status } as Pod & ApiPod
    } catch (error) {
      // It was deleted, which the next event says.
      if (!isNotFound(error)) throw error
    }
  }

  /** Of each container the present try is kept and one before it, for its log. */
  async #removeOldTries({ containers, sandboxes }: ObservedPod): Promise<void> {
    const { cri } = this.#context
    for (const tries of Map.groupBy(containers, ({ name }) => name).values()) {
      for (const { id, logPath } of tries.slice(2)) {
        await cri.removeContainer(id)
        for (const file of [logPath, ...(await rotatedLogs(logPath))]) rmSync(file, { force: true })
      }
    }
    const inUse = new Set(containers.map(({ sandboxId }) => sandboxId))
    for (const { id, isReady } of sandboxes.slice(1)) {
      if (!isReady && !inUse.has(id)) await cri.removePodSandbox(id)
    }
  }
}

/** A pod that is started anew has another address: what a patch does not name of such lists would stay. */
function withWholeLists(status: PodStatus): Record<string, unknown> {
  const whole = (list: readonly object[] | undefined): object[] => [...(list ?? []), { $patch: 'replace' }]
  return { ...status, podIPs: whole(status.podIPs), hostIPs: whole(status.hostIPs) }
}
