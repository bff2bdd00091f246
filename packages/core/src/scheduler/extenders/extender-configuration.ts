/** How an extender is reached and what it is asked (kube-scheduler `Extender`), its defaults filled in. */
export interface ExtenderConfiguration {
  /** Where it listens; it is also its name. */
  readonly urlPrefix: string
  /** What follows the prefix in the question which of some nodes can take a pod; '' not to ask it. */
  readonly filterVerb: string
  /** Likewise, for how well nodes suit a pod. */
  readonly prioritizeVerb: string
  /** Likewise, for which victims of preemption it agrees to. */
  readonly preemptVerb: string
  /** Likewise, for binding pods in the scheduler's place. */
  readonly bindVerb: string
  /** How much its scores count. */
  readonly weight: number
  /** Without an authority of its own its certificate is not checked. */
  readonly enableHttps: boolean
  readonly tls: ExtenderTls | undefined
  /** How long an answer may take. */
  readonly httpTimeoutMs: number
  /** It knows nodes and pods, so it is sent names and uids instead of objects. */
  readonly nodeCacheCapable: boolean
  /** It is asked about pods only that request or limit one of these; about all when there is none. */
  readonly managedResources: readonly ManagedResource[]
  /** When it fails, pods are scheduled without it. */
  readonly ignorable: boolean
}

/** A resource that an extender manages. */
export interface ManagedResource {
  readonly name: string
  /** NodeResourcesFit does not count it. */
  readonly ignoredByScheduler: boolean
}

/** How a connection to an extender is secured. Data win over files. */
export interface ExtenderTls {
  /** Its certificate is not checked. */
  readonly insecure: boolean
  /** The name that its certificate must have, instead of the host's. */
  readonly serverName: string
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
  /** PEM text. */
  readonly certData: string
  /** PEM text. */
  readonly keyData: string
  /** PEM text. */
  readonly caData: string
}

/** How long an answer may take where nothing is said (kube-scheduler `DefaultExtenderTimeout`). */
export const extenderTimeoutMs = 5000
