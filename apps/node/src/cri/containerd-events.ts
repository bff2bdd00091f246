import path from 'node:path'
import { type ClientReadableStream, credentials, loadPackageDefinition, Metadata } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { channelOptions, loaderOptions } from './cri-client.ts'

/** Told of what happens to containers and sandboxes. */
export interface TaskHandler {
  /** A container or sandbox started or ended, or the kernel killed a process of it. The runtime's own answers may be a little behind. */
  onTask(id: string, what: 'start' | 'exit' | 'oom'): void
  /** Events may have been missed: look at everything. Also called once the first subscription stands. */
  onGap(): void
}

const topics = ['topic=="/tasks/start"', 'topic=="/tasks/exit"', 'topic=="/tasks/oom"']
const retryMs = 500

interface Envelope {
  readonly topic: string
  readonly event: { readonly value: Buffer } | null
}

/**
 * Follows containerd's events, which tell of starts and ends at once. GetContainerEvents of the runtime interface came with containerd 1.7; this
 * service is older. After an interruption, which means that containerd was restarted, it subscribes anew and calls `onGap`.
 */
export class ContainerdEvents {
  readonly #client: any
  readonly #decode: (bytes: Buffer) => { readonly containerId: string; readonly id: string }
  readonly #handler: TaskHandler
  #stream: ClientReadableStream<Envelope> | undefined
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(socket: string, handler: TaskHandler) {
    const definition = loadSync(path.join(import.meta.dirname, 'containerd-events.proto'), loaderOptions)
    const { Events } = (loadPackageDefinition(definition) as any).containerd.services.events.v1
    this.#client = new Events(`unix://${socket}`, credentials.createInsecure(), channelOptions)
    this.#decode = decodeTaskEvent
    this.#handler = handler
  }

  start(): void {
    const metadata = new Metadata()
    metadata.set('containerd-namespace', 'k8s.io')
    const stream: ClientReadableStream<Envelope> = this.#client.Subscribe({ filters: topics }, metadata)
    this.#stream = stream
    stream.on('data', (envelope: Envelope) => this.#take(envelope))
    // What follows an end or an error: `close` of either.
    stream.on('error', () => undefined)
    stream.on('close', () => {
      if (this.#isStopped) return
      this.#timer = setTimeout(() => this.start(), retryMs)
    })
    this.#handler.onGap()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#stream?.cancel()
    this.#client.close()
  }

  #take({ topic, event }: Envelope): void {
    if (event === null) return
    const { containerId, id } = this.#decode(event.value)
    // The end of a command that was run inside says nothing of the container.
    if (topic === '/tasks/exit' && id !== '' && id !== containerId) return
    this.#handler.onTask(containerId, topic.slice('/tasks/'.length) as 'start' | 'exit' | 'oom')
  }
}

/** Reads the two texts at the beginning of a task's event: fields 1 and 2. */
export function decodeTaskEvent(bytes: Buffer): { containerId: string; id: string } {
  const texts = ['', '', '']
  let at = 0
  while (at < bytes.length) {
    const tag = bytes[at++] as number
    if ((tag & 7) !== 2) break
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    if (tag >> 3 < texts.length) texts[tag >> 3] = bytes.toString('utf8', at, at + length)
    at += length
  }
  return { containerId: texts[1] as string, id: texts[2] as string }
}
