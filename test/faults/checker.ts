import type { Attempt, AttemptedWrite, History, ListedObject, SeenEvent } from './history.ts'

/**
 * Proves from a history that nothing went wrong: no acknowledged write is missing, nothing refused or never asked for is there, an atomic group is
 * wholly there or wholly not, revisions of an object only grow, and every watcher saw every event exactly once and in order.
 */

/** Everything that is wrong with a history, in words; empty when nothing is. */
export function problemsOf(history: History): string[] {
  return [
    ...orderProblems('the reference', history.reference),
    ...objectProblems(history.reference),
    ...attemptProblems(history.attempts, history.reference),
    ...originProblems(history.attempts, history.reference),
    ...Object.entries(history.watchers).flatMap(([name, events]) => watcherProblems(name, events, history.reference)),
    ...Object.entries(history.lists).flatMap(([name, objects]) => listProblems(name, objects, history.reference)),
  ]
}

const shown = (event: SeenEvent): string => `${event.type} ${event.name} at ${event.revision} (${event.token})`

function orderProblems(who: string, events: readonly SeenEvent[]): string[] {
  return events.flatMap((event, index) => {
    const before = events[index - 1]
    if (before === undefined || event.revision > before.revision) return []
    return [`${who}: ${shown(event)} came after ${shown(before)}`]
  })
}

/** Each object begins with ADDED, ends with DELETED, and keeps its uid in between. */
function objectProblems(events: readonly SeenEvent[]): string[] {
  const living = new Map<string, SeenEvent>()
  const problems: string[] = []
  for (const event of events) {
    const before = living.get(event.name)
    if (event.type === 'ADDED' && before !== undefined)
      problems.push(`${shown(event)}: it existed already, since ${before.revision}`)
    if (event.type !== 'ADDED' && before === undefined) problems.push(`${shown(event)}: it did not exist`)
    if (event.type !== 'ADDED' && before !== undefined && before.uid !== event.uid)
      problems.push(`${shown(event)}: its uid has changed`)
    if (event.type === 'DELETED') living.delete(event.name)
    else living.set(event.name, event)
  }
  return problems
}

/** Events by what identifies the write that they show. */
class Effects {
  readonly #byWrite = new Map<string, SeenEvent>()
  readonly #before = new Map<SeenEvent, SeenEvent>()

  constructor(events: readonly SeenEvent[]) {
    const last = new Map<string, SeenEvent>()
    for (const event of events) {
      this.#byWrite.set(effectOf(event), event)
      const before = last.get(event.name)
      if (before !== undefined) this.#before.set(event, before)
      last.set(event.name, event)
    }
  }

  of({ kind, token }: AttemptedWrite): SeenEvent | undefined {
    return this.#byWrite.get(kind === 'delete' ? `deleted ${token}` : `written ${token}`)
  }

  /** The object's event before this one. */
  before(event: SeenEvent): SeenEvent | undefined {
    return this.#before.get(event)
  }
}

const effectOf = (event: SeenEvent): string =>
  event.type === 'DELETED' ? `deleted ${event.uid}` : `written ${event.token}`

function attemptProblems(attempts: readonly Attempt[], events: readonly SeenEvent[]): string[] {
  const effects = new Effects(events)
  return attempts.flatMap((attempt) => [...outcomeProblems(attempt, effects), ...groupProblems(attempt, effects)])
}

function outcomeProblems(attempt: Attempt, effects: Effects): string[] {
  return attempt.writes.flatMap((write, index) => {
    const event = effects.of(write)
    const what = `${attempt.client}: ${write.kind} of ${write.name} (${write.token})`
    if (event === undefined)
      return attempt.outcome === 'acknowledged' ? [`${what} was acknowledged and is missing`] : []
    // Another client may have been asked to delete the same object.
    if (attempt.outcome === 'refused' && write.kind !== 'delete')
      return [`${what} was refused and is there at ${event.revision}`]
    const told = attempt.revisions?.[index]
    if (told !== undefined && told !== event.revision)
      return [`${what} was acknowledged at ${told} and is at ${event.revision}`]
    const before = effects.before(event)
    if (write.base !== undefined && before?.revision !== write.base)
      return [`${what} was meant for revision ${write.base} and replaced ${before?.revision ?? 'nothing'}`]
    return []
  })
}

function groupProblems(attempt: Attempt, effects: Effects): string[] {
  if (attempt.writes.length < 2) return []
  const revisions = attempt.writes.map((write) => effects.of(write)?.revision)
  const there = revisions.filter((revision) => revision !== undefined)
  if (there.length === 0) return []
  const names = attempt.writes.map(({ token }) => token).join(', ')
  if (there.length < revisions.length)
    return [`${attempt.client}: of the group ${names} only ${there.length} of ${revisions.length} are there`]
  const first = there[0] as number
  const adjacent = there.every((revision, index) => revision === first + index)
  return adjacent ? [] : [`${attempt.client}: the group ${names} is spread over ${there.join(', ')}`]
}

/** Nothing is there that nobody asked for, and nothing was done twice. */
function originProblems(attempts: readonly Attempt[], events: readonly SeenEvent[]): string[] {
  const asked = new Set(
    attempts.flatMap(({ writes }) =>
      writes.map(({ kind, token }) => (kind === 'delete' ? `deleted ${token}` : `written ${token}`)),
    ),
  )
  const seen = new Set<string>()
  return events.flatMap((event) => {
    const effect = effectOf(event)
    const twice = seen.has(effect)
    seen.add(effect)
    if (!asked.has(effect)) return [`${shown(event)}: nobody asked for it`]
    return twice ? [`${shown(event)}: it was done twice`] : []
  })
}

/** A watcher's events are the reference's, each once, in the same order. */
function watcherProblems(name: string, events: readonly SeenEvent[], reference: readonly SeenEvent[]): string[] {
  const problems = orderProblems(name, events)
  const seen = new Map<string, number>()
  for (const event of events) seen.set(shown(event), (seen.get(shown(event)) ?? 0) + 1)
  for (const event of reference) {
    const count = seen.get(shown(event)) ?? 0
    if (count !== 1) problems.push(`${name}: ${shown(event)} was seen ${count} times`)
    seen.delete(shown(event))
  }
  for (const text of seen.keys()) problems.push(`${name}: ${text} is not in the reference`)
  return problems
}

/** A list at the end is what the events lead to. */
function listProblems(name: string, objects: readonly ListedObject[], events: readonly SeenEvent[]): string[] {
  const expected = new Map<string, SeenEvent>()
  for (const event of events) {
    if (event.type === 'DELETED') expected.delete(event.name)
    else expected.set(event.name, event)
  }
  const problems: string[] = []
  for (const object of objects) {
    const event = expected.get(object.name)
    expected.delete(object.name)
    if (event === undefined) problems.push(`${name}: lists ${object.name}, which should not be there`)
    else if (event.revision !== object.revision || event.token !== object.token || event.uid !== object.uid)
      problems.push(`${name}: lists ${object.name} at ${object.revision} (${object.token}) instead of ${shown(event)}`)
  }
  return [...problems, ...[...expected.values()].map((event) => `${name}: does not list ${shown(event)}`)]
}
