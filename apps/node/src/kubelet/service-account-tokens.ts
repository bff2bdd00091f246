import type { Pod } from './pod.ts'

/** What is asked of the API server: a `TokenRequest`. */
export interface TokenWish {
  readonly namespace: string
  readonly serviceAccount: string
  readonly audiences: readonly string[]
  readonly expirationSeconds: number
  readonly pod: { readonly name: string; readonly uid: string }
}

/** A token and its end. */
export interface IssuedToken {
  readonly token: string
  readonly expiresAtMs: number
}

interface Held extends IssuedToken {
  readonly issuedAtMs: number
}

const dayMs = 86_400_000

/** Tokens of pods' service accounts: a new one after 80 % of a token's life, or a day (kubelet `token.Manager`). */
export class ServiceAccountTokens {
  readonly #request: (wish: TokenWish) => Promise<IssuedToken>
  readonly #nowMs: () => number
  readonly #held = new Map<string, Held>()

  constructor(request: (wish: TokenWish) => Promise<IssuedToken>, nowMs: () => number) {
    this.#request = request
    this.#nowMs = nowMs
  }

  /** The token for a volume of the pod. While the server cannot give a new one, an old one that still holds is good enough. */
  async get(pod: Pod, audience: string, expirationSeconds: number): Promise<string> {
    const { name, namespace = '', uid = '' } = pod.metadata
    const key = `${uid} ${audience} ${expirationSeconds}`
    const held = this.#held.get(key)
    const nowMs = this.#nowMs()
    if (held !== undefined && nowMs < renewAtMs(held)) return held.token
    try {
      const issued = await this.#request({
        namespace,
        serviceAccount: pod.spec.serviceAccountName ?? 'default',
        audiences: audience === '' ? [] : [audience],
        expirationSeconds,
        pod: { name, uid },
      })
      this.#held.set(key, { ...issued, issuedAtMs: nowMs })
      return issued.token
    } catch (error) {
      if (held !== undefined && nowMs < held.expiresAtMs) return held.token
      throw error
    }
  }

  /** When the pod's next token is due; Infinity: it has none. */
  renewAtMs(podUID: string): number {
    const own = [...this.#held].filter(([key]) => key.startsWith(`${podUID} `)).map(([, held]) => renewAtMs(held))
    return Math.min(Number.POSITIVE_INFINITY, ...own)
  }

  forget(podUID: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(`${podUID} `)) this.#held.delete(key)
  }
}

function renewAtMs({ issuedAtMs, expiresAtMs }: Held): number {
  return Math.min(issuedAtMs + (expiresAtMs - issuedAtMs) * 0.8, issuedAtMs + dayMs)
}
