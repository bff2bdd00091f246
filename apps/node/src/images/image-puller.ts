import type { Secret } from '@binnacle/resources'
import type { CriClient } from '../cri/cri-client.ts'
import type { AuthConfig, PodSandboxConfig, RuntimeImage } from '../cri/messages.ts'

/** An image that cannot be had; the reason is that of the container's waiting. */
export class ImageError extends Error {
  readonly reason: string

  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

/** What a container asks for. */
export interface ImageWish {
  readonly image: string
  /** `Always`, `IfNotPresent` or `Never`. */
  readonly pullPolicy: string
  readonly podUID: string
  readonly pullSecrets: readonly Secret[]
  readonly sandboxConfig: PodSandboxConfig
}

/** Told of pulls, for events. */
export type ImageEvent = (type: 'Normal' | 'Warning', reason: string, message: string) => void

const backOffMsMin = 10_000
const backOffMsMax = 300_000
/** Pulls at a time (kubelet `maxParallelImagePulls`). */
const pullsMax = 4

interface BackOff {
  readonly untilMs: number
  readonly delayMs: number
  readonly message: string
}

/** Brings images onto the node as policies say (kubelet `imageManager.EnsureImageExists`). One pull of an image serves all who wait for it. */
export class ImagePuller {
  readonly #cri: CriClient
  readonly #nowMs: () => number
  readonly #backOffs = new Map<string, BackOff>()
  readonly #running = new Map<string, Promise<string>>()
  readonly #waiting: (() => void)[] = []

  constructor(cri: CriClient, nowMs: () => number) {
    this.#cri = cri
    this.#nowMs = nowMs
  }

  /** When the next pull for this pod may be tried; 0: at once. */
  retryAtMs(podUID: string, image: string): number {
    return this.#backOffs.get(`${podUID} ${image}`)?.untilMs ?? 0
  }

  /** Forgets what it knows of a pod. */
  forget(podUID: string): void {
    for (const key of this.#backOffs.keys()) if (key.startsWith(`${podUID} `)) this.#backOffs.delete(key)
  }

  /** Sees to it that the image is there. @throws ImageError when it cannot be had now. */
  async ensure(wish: ImageWish, tell: ImageEvent): Promise<RuntimeImage> {
    const reference = withDefaults(wish.image)
    if (reference === undefined) {
      const message = `Failed to apply default image tag "${wish.image}": couldn't parse image name "${wish.image}": invalid reference format`
      tell('Warning', 'InspectFailed', message)
      throw new ImageError('InvalidImageName', message)
    }
    const present = await this.#cri.imageStatus(reference)
    if (present !== undefined && wish.pullPolicy !== 'Always') {
      tell('Normal', 'Pulled', `Container image "${wish.image}" already present on machine`)
      return present
    }
    if (wish.pullPolicy === 'Never') {
      const message = `Container image "${wish.image}" is not present with pull policy of Never`
      tell('Warning', 'ErrImageNeverPull', message)
      throw new ImageError('ErrImageNeverPull', message)
    }
    return await this.#pull(wish, reference, tell)
  }

  async #pull(wish: ImageWish, reference: string, tell: ImageEvent): Promise<RuntimeImage> {
    const key = `${wish.podUID} ${wish.image}`
    const backOff = this.#backOffs.get(key)
    if (backOff !== undefined && backOff.untilMs > this.#nowMs()) {
      tell('Normal', 'BackOff', `Back-off pulling image "${wish.image}"`)
      throw new ImageError(
        'ImagePullBackOff',
        `Back-off pulling image "${wish.image}": ErrImagePull: ${backOff.message}`,
      )
    }
    tell('Normal', 'Pulling', `Pulling image "${wish.image}"`)
    const startedMs = this.#nowMs()
    try {
      await this.#pullOnce(reference, wish)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      const delayMs = Math.min(backOffMsMax, backOff === undefined ? backOffMsMin : backOff.delayMs * 2)
      this.#backOffs.set(key, { untilMs: this.#nowMs() + delayMs, delayMs, message: problem })
      tell('Warning', 'Failed', `Failed to pull image "${wish.image}": ${problem}`)
      tell('Warning', 'Failed', 'Error: ErrImagePull')
      throw new ImageError('ErrImagePull', problem)
    }
    this.#backOffs.delete(key)
    const image = await this.#cri.imageStatus(reference)
    if (image === undefined) throw new ImageError('ErrImagePull', `image "${wish.image}" is gone after it was pulled`)
    const seconds = ((this.#nowMs() - startedMs) / 1000).toFixed(3)
    tell(
      'Normal',
      'Pulled',
      `Successfully pulled image "${wish.image}" in ${seconds}s. Image size: ${image.size} bytes.`,
    )
    return image
  }

  #pullOnce(reference: string, wish: ImageWish): Promise<string> {
    const credentials = credentialsFor(reference, wish.pullSecrets)
    const key = `${reference} ${JSON.stringify(credentials)}`
    let pull = this.#running.get(key)
    if (pull === undefined) {
      pull = this.#inTurn(() => this.#pullWithAny(reference, credentials, wish.sandboxConfig)).finally(() =>
        this.#running.delete(key),
      )
      this.#running.set(key, pull)
    }
    return pull
  }

  async #pullWithAny(
    reference: string,
    credentials: readonly AuthConfig[],
    sandboxConfig: PodSandboxConfig,
  ): Promise<string> {
    let problem: unknown
    for (const auth of credentials.length === 0 ? [undefined] : credentials) {
      try {
        return await this.#cri.pullImage(reference, auth, sandboxConfig)
      } catch (error) {
        problem = error
      }
    }
    throw problem
  }

  #pulls = 0

  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    while (this.#pulls >= pullsMax) await new Promise<void>((resolve) => void this.#waiting.push(resolve))
    this.#pulls++
    try {
      return await act()
    } finally {
      this.#pulls--
      this.#waiting.shift()?.()
    }
  }
}

const namePattern =
  /^(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/
const referencePattern = /^([^@]+?)(?::([\w][\w.-]{0,127}))?(@sha256:[0-9a-f]{64})?$/

/** A reference with registry and tag, as runtimes want it (`parsers.ParseImageName`); undefined when it is none. */
export function withDefaults(image: string): string | undefined {
  const match = referencePattern.exec(image)
  const [, name = '', tag, digest] = match ?? []
  if (match === null || !namePattern.test(name)) return undefined
  const [first = '', ...rest] = name.split('/')
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const full = hasRegistry ? name : `docker.io/${rest.length === 0 ? 'library/' : ''}${name}`
  if (digest !== undefined) return `${full}${digest}`
  return `${full}:${tag ?? 'latest'}`
}

/** The credentials of pull secrets that are for the image's registry, those for the longest path first. */
export function credentialsFor(reference: string, secrets: readonly Secret[]): AuthConfig[] {
  const found: { readonly place: string; readonly auth: AuthConfig }[] = []
  for (const { type, data = {} } of secrets) {
    const text = data[type === 'kubernetes.io/dockercfg' ? '.dockercfg' : '.dockerconfigjson']
    if (text === undefined) continue
    for (const [server, entry] of Object.entries(entriesOf(text, type))) {
      const place = server
        .replace(/^https?:\/\//, '')
        .replace(/\/(?:v[12]\/?)?$/, '')
        .replace(/^index\.docker\.io$/, 'docker.io')
      const isFor = reference === place || reference.startsWith(`${place}/`) || matchesHost(reference, place)
      if (isFor) found.push({ place, auth: authOf(entry, server) })
    }
  }
  return found.toSorted((a, b) => b.place.length - a.place.length).map(({ auth }) => auth)
}

interface DockerEntry {
  readonly auth?: string
  readonly username?: string
  readonly password?: string
}

function entriesOf(text: string, type: string | undefined): Readonly<Record<string, DockerEntry>> {
  try {
    const parsed = JSON.parse(Buffer.from(text, 'base64').toString('utf8'))
    return (type === 'kubernetes.io/dockercfg' ? parsed : parsed.auths) ?? {}
  } catch {
    // A secret that holds something else is as good as none (kubelet logs it).
    return {}
  }
}

function authOf({ auth, username, password }: DockerEntry, serverAddress: string): AuthConfig {
  const [user = '', ...rest] = Buffer.from(auth ?? '', 'base64')
    .toString('utf8')
    .split(':')
  return { username: username ?? user, password: password ?? rest.join(':'), serverAddress }
}

// `*.example.com` is for any one name in that place.
function matchesHost(reference: string, place: string): boolean {
  if (!place.includes('*')) return false
  const pattern = place.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '[^./]*')
  return new RegExp(`^${pattern}(/|$)`).test(reference)
}
