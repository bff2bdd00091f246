/** A time between two bounds, in milliseconds; drawn anew each time. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** How simulated nodes and the pods on them behave. */
export interface SimulationOptions {
  readonly nodes: number
  readonly namePrefix: string
  /** Capacity of each node, as quantities. */
  readonly cpu: string
  readonly memory: string
  readonly podsMax: number
  /** Devices of each node that resource claims can ask for. */
  readonly devices: number
  /** From the binding until the containers run. */
  readonly startDelay: Span
  /** From running to ready. */
  readonly readyDelay: Span
  /** How long an init container runs. */
  readonly initRun: Span
  /** How long containers take to end after they were asked to; never longer than the pod's grace period. */
  readonly stopDelay: Span
  /** How long pods of Jobs run which do not say it themselves. */
  readonly jobRun: Span
  /** Share of pods whose images cannot be pulled the first few times. */
  readonly failureRate: number
  /** Share of pods whose containers crash the first few times. */
  readonly crashRate: number
  /** When such a container crashes. */
  readonly crashAfter: Span
  /** Events of ordinary pod starts recorded per second, all nodes together; failures are always recorded. */
  readonly eventsPerSecondMax: number
  /** Which share of their requests containers use whose pods do not say it themselves; 0: nothing is reported of them. */
  readonly usageShare: number
}

/** What holds where nothing else is asked for. */
export const defaultSimulation: SimulationOptions = {
  nodes: 10,
  namePrefix: 'sim-',
  cpu: '32',
  memory: '256Gi',
  podsMax: 110,
  devices: 0,
  startDelay: { fromMs: 200, toMs: 800 },
  readyDelay: { fromMs: 100, toMs: 400 },
  initRun: { fromMs: 100, toMs: 300 },
  stopDelay: { fromMs: 100, toMs: 500 },
  jobRun: { fromMs: 1000, toMs: 3000 },
  failureRate: 0,
  crashRate: 0,
  crashAfter: { fromMs: 500, toMs: 3000 },
  eventsPerSecondMax: 100,
  usageShare: 0,
}

/** A moment of the span. */
export function drawFrom(span: Span, random: () => number): number {
  return span.fromMs + (span.toMs - span.fromMs) * random()
}

/** Reads `200..800` or `500`. @throws Error when it is neither. */
export function parseSpan(text: string): Span {
  const match = /^(\d+)(?:\.\.(\d+))?$/.exec(text)
  const fromMs = Number(match?.[1])
  const toMs = Number(match?.[2] ?? match?.[1])
  if (match === null || toMs < fromMs) throw new Error(`${text} is not a time in milliseconds such as 500 or 200..800`)
  return { fromMs, toMs }
}
