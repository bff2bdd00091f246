/** Reads what extenders answer, as Go's decoder does: the case of names does not matter, null stands for absent, other types are refused. */

/** Why extenders leave nodes out, by node. */
export type FailedNodes = ReadonlyMap<string, string>

/** What an extender says of some nodes. */
export interface FilterAnswer {
  /** Nodes that can take the pod; undefined: it has named none. */
  readonly nodeNames: readonly string[] | undefined
  readonly failed: FailedNodes
  /** Nodes that would not take it if pods left them either. */
  readonly unresolvable: FailedNodes
}

/** Which pods are to leave a node. */
export interface NamedVictims {
  readonly uids: readonly string[]
  readonly violations: number
}

type Fields = ReadonlyMap<string, unknown>

/** @throws Error with what the extender says went wrong, or when the answer is none */
export function filterAnswer(answer: unknown, nodeCacheCapable: boolean): FilterAnswer {
  const type = 'ExtenderFilterResult'
  const fields = fieldsOf(answer, type)
  throwTold(fields, type)
  const names = fields.get('nodenames')
  const nodes = fields.get('nodes')
  const nodeNames =
    nodeCacheCapable && names !== undefined
      ? listOf(names, `${type}.NodeNames`).map((name) => textOf(name, `${type}.NodeNames`))
      : nodes === undefined
        ? undefined
        : nodeNamesOf(nodes)
  return {
    nodeNames,
    failed: textsOf(fields.get('failednodes'), `${type}.FailedNodes`),
    unresolvable: textsOf(fields.get('failedandunresolvablenodes'), `${type}.FailedAndUnresolvableNodes`),
  }
}

/** Scores by node. @throws Error when the answer is none */
export function scoresAnswer(answer: unknown): ReadonlyMap<string, number> {
  const scores = new Map<string, number>()
  for (const entry of listOf(answer, 'HostPriorityList')) {
    const fields = fieldsOf(entry, 'HostPriority')
    const host = textOf(fields.get('host') ?? '', 'HostPriority.Host')
    scores.set(host, (scores.get(host) ?? 0) + wholeOf(fields.get('score') ?? 0, 'HostPriority.Score'))
  }
  return scores
}

/** Victims by node. @throws Error when the answer is none */
export function preemptionAnswer(answer: unknown): ReadonlyMap<string, NamedVictims> {
  const type = 'ExtenderPreemptionResult'
  const byNode = fieldsOf(answer, type).get('nodenametometavictims') ?? {}
  const victims = new Map<string, NamedVictims>()
  for (const [nodeName, value] of Object.entries(objectOf(byNode, `${type}.NodeNameToMetaVictims`))) {
    const fields = fieldsOf(value ?? {}, 'MetaVictims')
    const pods = listOf(fields.get('pods') ?? [], 'MetaVictims.Pods')
    victims.set(nodeName, {
      uids: pods.map((pod) => textOf(fieldsOf(pod, 'MetaPod').get('uid') ?? '', 'MetaPod.UID')),
      violations: wholeOf(fields.get('numpdbviolations') ?? 0, 'MetaVictims.NumPDBViolations'),
    })
  }
  return victims
}

/** @throws Error with what the extender says went wrong, or when the answer is none */
export function checkBindingAnswer(answer: unknown): void {
  throwTold(fieldsOf(answer, 'ExtenderBindingResult'), 'ExtenderBindingResult')
}

function throwTold(fields: Fields, type: string): void {
  const error = textOf(fields.get('error') ?? '', `${type}.Error`)
  if (error !== '') throw new Error(error)
}

function nodeNamesOf(list: unknown): string[] {
  const items = listOf(fieldsOf(list, 'NodeList').get('items') ?? [], 'NodeList.items')
  return items.map((node) => {
    const metadata = fieldsOf(node, 'Node').get('metadata') ?? {}
    return textOf(fieldsOf(metadata, 'ObjectMeta').get('name') ?? '', 'ObjectMeta.name')
  })
}

function textsOf(value: unknown, field: string): FailedNodes {
  return new Map(Object.entries(objectOf(value ?? {}, field)).map(([name, text]) => [name, textOf(text ?? '', field)]))
}

function fieldsOf(value: unknown, type: string): Fields {
  if (value === null) return new Map()
  const present = Object.entries(objectOf(value, type)).filter(([, member]) => member !== null)
  return new Map(present.map(([name, member]) => [name.toLowerCase(), member]))
}

function objectOf(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(value, field)
  return value as Readonly<Record<string, unknown>>
}

function listOf(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrongType(value, field)
  return value
}

function textOf(value: unknown, field: string): string {
  if (typeof value !== 'string') throw wrongType(value, field)
  return value
}

function wholeOf(value: unknown, field: string): number {
  if (!Number.isInteger(value)) throw wrongType(value, field)
  return value as number
}

function wrongType(value: unknown, field: string): Error {
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
  const text = type === 'number' ? `number ${value as number}` : type === 'boolean' ? 'bool' : type
  return new Error(`json: cannot unmarshal ${text} into Go struct field ${field}`)
}
