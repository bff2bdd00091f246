import { createHash } from 'node:crypto'
import { formatTime } from '@binnacle/apimachinery'
import type { Container, ContainerState, ContainerStateTerminated, ContainerStatus } from './pod.ts'

/**
 * One container of a simulated pod:
 *
 *   waiting ──start──▶ running (not ready ──▶ ready) ──end──▶ terminated ──restart──▶ waiting (CrashLoopBackOff) ──▶ running
 *      └─pull failed─▶ waiting (ErrImagePull ⇄ ImagePullBackOff) ──▶ running
 */

/** What a container is going to do; drawn once per pod. */
export interface ContainerFate {
  /** From when it may start until it runs. */
  readonly startDelayMs: number
  readonly readyDelayMs: number
  /** How long it runs; Infinity: until it is stopped. */
  readonly runMs: number
  readonly exitCode: number
  /** Attempts to pull the image that fail before one succeeds; Infinity: all. */
  pullFailures: number
  /** Runs that crash after {@link crashAfterMs} before one is as it should be. */
  crashes: number
  readonly crashAfterMs: number
}

/** Something that the kubelet tells about a container. */
export interface ContainerEvent {
  readonly container: string
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

/** First and longest pause before a restart or another pull; it doubles each time (kubelet `MaxContainerBackOff`). */
const backoffInitialMs = 10_000
const backoffMaxMs = 300_000
/** A container that ran this long starts again without a pause. */
const backoffResetMs = 600_000
/** What a container that has work to finish ends with when it is told to stop before (SIGTERM). */
const terminatedExitCode = 143
/** From a failed pull until the kubelet says that it waits. */
const pullErrorShownMs = 2_000

type Phase = 'waiting' | 'running' | 'terminated'

interface Termination {
  readonly exitCode: number
  readonly startedAt: string
  readonly finishedAt: string
  readonly containerID: string
}

/** The state of one container, moved on by time alone. */
export class SimulatedContainer {
  readonly spec: Container
  readonly isInit: boolean
  /** True for an init container that keeps running beside the others. */
  readonly isSidecar: boolean
  readonly #fate: ContainerFate
  readonly #podUID: string
  readonly #restartPolicy: string
  phase: Phase = 'waiting'
  isReady = false
  restartCount = 0
  /** When something happens next; Infinity: nothing by itself. */
  nextAtMs = Number.POSITIVE_INFINITY
  #waitingReason: string
  #waitingMessage: string | undefined
  #startedAtMs = 0
  #backoffMs = 0
  #pullBackoffMs = 0
  #current: Termination | undefined
  #last: Termination | undefined

  constructor(
    spec: Container,
    options: { isInit: boolean; restartPolicy: string; podUID: string; hasInits: boolean },
    fate: ContainerFate,
  ) {
    this.spec = spec
    this.isInit = options.isInit
    this.isSidecar = options.isInit && spec.restartPolicy === 'Always'
    this.#restartPolicy = this.isSidecar ? 'Always' : options.restartPolicy
    this.#podUID = options.podUID
    this.#fate = fate
    this.#waitingReason = options.hasInits ? 'PodInitializing' : 'ContainerCreating'
  }

  /** True once it has ended and will not be started again. */
  get isOver(): boolean {
    return this.phase === 'terminated' && !this.#restarts()
  }

  /** True once it has ended well for good. */
  get isDone(): boolean {
    return this.isOver && this.#current?.exitCode === 0
  }

  /** True while it has never run. */
  get isUntried(): boolean {
    return this.phase === 'waiting' && this.#last === undefined
  }

  /** The exit code of its last run; undefined before the first ended. */
  get exitCode(): number | undefined {
    return (this.#current ?? this.#last)?.exitCode
  }

  /** Lets it start, after its delay. */
  allowStart(nowMs: number): void {
    if (this.phase === 'waiting' && this.nextAtMs === Number.POSITIVE_INFINITY)
      this.nextAtMs = nowMs + this.#fate.startDelayMs
  }

  /** Does what is due. Returns what there is to tell; undefined when nothing was due. */
  advance(nowMs: number): ContainerEvent[] | undefined {
    if (nowMs < this.nextAtMs) return undefined
    const events: ContainerEvent[] = []
    while (nowMs >= this.nextAtMs) this.#step(nowMs, events)
    return events
  }

  /** Ends it as by a signal. */
  stop(nowMs: number): void {
    this.nextAtMs = Number.POSITIVE_INFINITY
    if (this.phase === 'running') this.#end(nowMs, this.#restartPolicy === 'Always' ? 0 : terminatedExitCode)
    else if (this.phase === 'waiting' && this.#last !== undefined) {
      this.phase = 'terminated'
      this.#current = this.#last
    }
  }

  /** Goes on from what an earlier process of the agent reported. */
  restore(status: ContainerStatus, nowMs: number): void {
    this.restartCount = status.restartCount
    this.#last = terminationOf(status.lastState)
    const { running, waiting } = status.state ?? {}
    if (running !== undefined) {
      this.phase = 'running'
      this.#startedAtMs = Date.parse(running.startedAt ?? '') || nowMs
      this.isReady = status.ready
      this.#setNextWhileRunning(nowMs)
    } else if (status.state?.terminated !== undefined) {
      this.phase = 'terminated'
      this.#current = terminationOf(status.state)
      this.nextAtMs = this.#restarts() ? nowMs : Number.POSITIVE_INFINITY
    } else {
      this.#waitingReason = waiting?.reason ?? this.#waitingReason
      if (this.#last !== undefined) this.nextAtMs = nowMs + backoffInitialMs
    }
  }

  /** The status as the kubelet reports it. */
  status(): ContainerStatus {
    const image = this.spec.image ?? ''
    const hasRun = this.phase !== 'waiting' || this.#last !== undefined
    return {
      name: this.spec.name,
      state: this.#state(),
      lastState: this.#last === undefined || this.#last === this.#current ? {} : { terminated: terminated(this.#last) },
      ready: this.isInit && !this.isSidecar ? this.isDone : this.isReady,
      restartCount: this.restartCount,
      image,
      imageID: hasRun ? `simulated://sha256:${digest(image)}` : '',
      ...(hasRun ? { containerID: this.#current?.containerID ?? this.#containerID() } : {}),
      started: this.phase === 'running' && (!this.isInit || this.isSidecar),
    }
  }

  #step(nowMs: number, events: ContainerEvent[]): void {
    const { name } = this.spec
    if (this.phase === 'terminated') {
      this.#wait(nowMs, events)
    } else if (this.phase === 'running') {
      if (!this.isReady && nowMs >= this.#readyAtMs()) this.isReady = true
      if (nowMs >= this.#endAtMs()) this.#end(nowMs, this.#fate.crashes > 0 ? 1 : this.#fate.exitCode)
      else this.#setNextWhileRunning(nowMs)
    } else if (this.#waitingReason === 'ErrImagePull') {
      this.#backOffFromPull(nowMs, events)
    } else if (this.#fate.pullFailures > 0 && this.#last === undefined) {
      this.#failPull(nowMs, events)
    } else {
      if (this.#last !== undefined) this.restartCount++
      this.#waitingMessage = undefined
      this.phase = 'running'
      this.#startedAtMs = nowMs
      this.isReady = false
      this.#setNextWhileRunning(nowMs)
      events.push(
        this.#event('Normal', 'Pulled', `Container image "${this.spec.image ?? ''}" already present on machine`),
        this.#event('Normal', 'Created', `Created container: ${name}`),
        this.#event('Normal', 'Started', `Started container ${name}`),
      )
    }
  }

  /** An ended container that is started again: at once after its first end, later after a pause. */
  #wait(nowMs: number, events: ContainerEvent[]): void {
    const { name } = this.spec
    this.#last = this.#current
    this.#current = undefined
    this.phase = 'waiting'
    const ranMs = this.#last === undefined ? 0 : Date.parse(this.#last.finishedAt) - Date.parse(this.#last.startedAt)
    if (ranMs >= backoffResetMs) this.#backoffMs = 0
    const pauseMs = this.#backoffMs
    this.#backoffMs = Math.min(backoffMaxMs, Math.max(backoffInitialMs, 2 * this.#backoffMs))
    this.nextAtMs = nowMs + pauseMs
    if (pauseMs === 0) return
    this.#waitingReason = 'CrashLoopBackOff'
    this.#waitingMessage = `back-off ${seconds(pauseMs)} restarting failed container=${name} pod=${this.#podUID}`
    events.push(this.#event('Warning', 'BackOff', `Back-off restarting failed container ${name}`))
  }

  #failPull(nowMs: number, events: ContainerEvent[]): void {
    const image = this.spec.image ?? ''
    this.#fate.pullFailures--
    this.#waitingReason = 'ErrImagePull'
    this.#waitingMessage = `simulated failure to pull image "${image}"`
    this.nextAtMs = nowMs + pullErrorShownMs
    events.push(
      this.#event('Warning', 'Failed', `Failed to pull image "${image}": ${this.#waitingMessage}`),
      this.#event('Warning', 'Failed', 'Error: ErrImagePull'),
    )
  }

  #backOffFromPull(nowMs: number, events: ContainerEvent[]): void {
    const image = this.spec.image ?? ''
    this.#waitingReason = 'ImagePullBackOff'
    this.#waitingMessage = `Back-off pulling image "${image}"`
    this.#pullBackoffMs = Math.min(backoffMaxMs, Math.max(backoffInitialMs, 2 * this.#pullBackoffMs))
    this.nextAtMs = nowMs + this.#pullBackoffMs
    events.push(
      this.#event('Normal', 'BackOff', `Back-off pulling image "${image}"`),
      this.#event('Warning', 'Failed', 'Error: ImagePullBackOff'),
    )
  }

  #end(nowMs: number, exitCode: number): void {
    if (this.#fate.crashes > 0) this.#fate.crashes--
    this.phase = 'terminated'
    this.isReady = false
    this.#current = {
      exitCode,
      startedAt: formatTime(this.#startedAtMs),
      finishedAt: formatTime(nowMs),
      containerID: this.#containerID(),
    }
    this.nextAtMs = this.#restarts() ? nowMs : Number.POSITIVE_INFINITY
  }

  #restarts(): boolean {
    if (this.#restartPolicy === 'Always') return !this.isInit || this.isSidecar || this.#current?.exitCode !== 0
    return this.#restartPolicy === 'OnFailure' && this.#current?.exitCode !== 0
  }

  #setNextWhileRunning(nowMs: number): void {
    const endAtMs = this.#endAtMs()
    this.nextAtMs = this.isReady ? endAtMs : Math.min(endAtMs, Math.max(nowMs, this.#readyAtMs()))
  }

  #readyAtMs(): number {
    return this.#startedAtMs + this.#fate.readyDelayMs
  }

  #endAtMs(): number {
    return this.#startedAtMs + (this.#fate.crashes > 0 ? this.#fate.crashAfterMs : this.#fate.runMs)
  }

  #state(): ContainerState {
    if (this.phase === 'running') return { running: { startedAt: formatTime(this.#startedAtMs) } }
    if (this.#current !== undefined) return { terminated: terminated(this.#current) }
    const message = this.#waitingMessage === undefined ? {} : { message: this.#waitingMessage }
    return { waiting: { reason: this.#waitingReason, ...message } }
  }

  #containerID(): string {
    return `simulated://${digest(`${this.#podUID}/${this.spec.name}/${this.restartCount}`)}`
  }

  #event(type: ContainerEvent['type'], reason: string, message: string): ContainerEvent {
    return { container: this.spec.name, type, reason, message }
  }
}

function terminated(t: Termination): ContainerStateTerminated {
  return { ...t, reason: t.exitCode === 0 ? 'Completed' : 'Error' }
}

function terminationOf(state: ContainerState | undefined): Termination | undefined {
  const t = state?.terminated
  if (t === undefined) return undefined
  const { exitCode, startedAt = '', finishedAt = '', containerID = '' } = t
  return { exitCode, startedAt, finishedAt, containerID }
}

function seconds(ms: number): string {
  const total = Math.round(ms / 1000)
  return total < 60 ? `${total}s` : `${Math.floor(total / 60)}m${total % 60}s`
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
