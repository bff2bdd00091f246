import { formatTime, isNotFound, type KubernetesObject } from '@binnacle/apimachinery'
import { type Event, events } from '@binnacle/resources'
import type { BatchWrite, Client } from './client.ts'

/** Records what happened to objects, for people. */
export interface EventRecorder {
  /** Never throws and never waits: what cannot be written is dropped. */
  record(
    object: KubernetesObject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    about?: EventDetails,
  ): void
}

/** What some events say besides: kubelets name the node and the container, schedulers the profile. */
export interface EventDetails {
  /** The node on which it happened, where that is not the source's host. */
  readonly host?: string
  /** The part of the object that it is about: `spec.containers{web}`. */
  readonly fieldPath?: string
  /** Who says it, where that is not the source: a scheduler has a name for each of its profiles. */
  readonly component?: string
}

/** Who records. */
export interface EventSource {
  readonly component: string
  readonly host?: string
}

// The spam filter of client-go: a burst for each source and object, then one every five minutes.
const burst = 25
const refillMs = 300_000
const queueMax = 20_000
const batchMax = 250
const flushMs = 50
const rememberedMax = 8192

/** Counted over all recorders of the process: two that tell of one object in one moment must not give their events one name. */
let sequence = 0

interface Remembered {
  event: Event
  count: number
  written: boolean
}

/** Writes Events in batches, off the path of whoever records; equal ones are counted on one object. */
export class BatchedEventRecorder implements EventRecorder {
  readonly #client: Client
  readonly #source: EventSource
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()
  readonly #known = new Map<string, Remembered>()
  #queue: Remembered[] = []
  readonly #queued = new Set<Remembered>()
  #timer: NodeJS.Timeout | undefined
  #flushing = false

  constructor(client: Client, source: EventSource) {
    this.#client = client
    this.#source = source
  }

  record(
    object: KubernetesObject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    about: EventDetails = {},
  ): void {
    const { uid = '' } = object.metadata
    if (!this.#allowed(`${uid}/${object.kind}/${object.metadata.name}`)) return
    const text = [uid, type, reason, message, about.fieldPath ?? ''].join('\0')
    let remembered = this.#known.get(text)
    if (remembered === undefined) {
      remembered = { event: this.#event(object, type, reason, message, about), count: 1, written: false }
      if (this.#known.size >= rememberedMax) this.#known.delete(this.#known.keys().next().value as string)
      this.#known.set(text, remembered)
    } else {
      remembered.count++
      remembered.event = { ...remembered.event, count: remembered.count, lastTimestamp: formatTime(Date.now()) }
    }
    if (this.#queued.has(remembered) || this.#queue.length >= queueMax) return
    this.#queued.add(remembered)
    this.#queue.push(remembered)
    this.#schedule()
  }

  /** Writes what waits. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#queue.length > 0) await this.#write()
  }

  #allowed(key: string): boolean {
    const nowMs = Date.now()
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs }
    bucket.tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.atMs) / refillMs)
    bucket.atMs = nowMs
    if (this.#buckets.size >= rememberedMax && !this.#buckets.has(key))
      this.#buckets.delete(this.#buckets.keys().next().value as string)
    this.#buckets.set(key, bucket)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#flushing) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#write()
    }, flushMs)
    this.#timer.unref()
  }

  async #write(): Promise<void> {
    if (this.#flushing) return await new Promise((resolve) => setTimeout(resolve, 5))
    this.#flushing = true
    const batch = this.#queue.splice(0, batchMax)
    for (const remembered of batch) this.#queued.delete(remembered)
    try {
      const results = await this.#client.writeAll(batch.map(toWrite), { atomic: false })
      for (const [index, result] of results.entries()) {
        const remembered = batch[index] as Remembered
        if ('object' in result) remembered.written = true
        // It has expired meanwhile: counted anew when it happens again.
        else if (isNotFound(result.error)) remembered.written = false
      }
    } catch {
      // Events are for people; the work goes on without them.
    }
    this.#flushing = false
    if (this.#queue.length > 0) this.#schedule()
  }

  #event(object: KubernetesObject, type: string, reason: string, message: string, about: EventDetails): Event {
    const { name, namespace, uid, resourceVersion } = object.metadata
    const host = about.host ?? this.#source.host
    const component = about.component ?? this.#source.component
    const nowMs = Date.now()
    const suffix = (BigInt(nowMs) * 1_000_000n + BigInt(sequence++ % 1_000_000)).toString(16)
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${suffix}`, namespace: namespace ?? 'default' },
      involvedObject: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        ...(about.fieldPath === undefined ? {} : { fieldPath: about.fieldPath }),
      },
      type,
      reason,
      message: message.slice(0, 1024),
      source: {
        component,
        ...(host === undefined ? {} : { host }),
      },
      reportingComponent: component,
      reportingInstance: host ?? '',
      firstTimestamp: formatTime(nowMs),
      lastTimestamp: formatTime(nowMs),
      count: 1,
    }
  }
}

function toWrite({ event, written }: Remembered): BatchWrite {
  if (!written) return { verb: 'create', resource: events, object: event }
  const { namespace = '', name } = event.metadata
  return {
    verb: 'patch',
    resource: events,
    key: { namespace, name },
    patch: { type: 'merge', body: { count: event.count, lastTimestamp: event.lastTimestamp } },
  }
}
