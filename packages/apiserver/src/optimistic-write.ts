import { isConflict, notFound, type ObjectKey } from '@binnacle/apimachinery'
import type { ResourceDefinition } from '@binnacle/resources'
import { KeyExists, RevisionMismatch, type Store, type StoredKey, type StoredObject } from '@binnacle/store'
import { asStatusError } from './store-translation.ts'

/**
 * Read, decide, commit — and again when somebody else was faster. Reads come from the cache, which may lag behind what other API processes write,
 * so that a refusal or a "nothing changes" is checked against Postgres before it becomes an answer.
 */

const triesMax = 100

/** What such a write needs. */
export interface OptimisticEnvironment {
  readonly store: Store
  readonly turns: KeyTurns
}

/** Which object is written. */
export interface Target {
  readonly definition: ResourceDefinition
  readonly key: ObjectKey
  /** The caller named the resourceVersion: when the object has another one by now, that is the answer. */
  readonly pinned: boolean
}

/** Thrown by a round that found that it began with an old state. */
export class Overtaken extends Error {}

/** The object as it is now; the cache is asked first, and Postgres before saying that there is none. @throws StatusError NotFound */
export async function currentObject(
  { store }: Pick<OptimisticEnvironment, 'store'>,
  definition: ResourceDefinition,
  key: ObjectKey,
): Promise<StoredObject> {
  const stored = { resource: definition.storageName, namespace: key.namespace, name: key.name }
  let object = store.get(stored)
  if (object === undefined) {
    await store.linearize().catch((error: unknown) => {
      throw asStatusError(error, definition, key.name)
    })
    object = store.get(stored)
  }
  if (object === undefined) throw notFound(definition, key.name)
  return object
}

/** True when the object, as it was read from the cache, is still the newest. */
export async function isCurrent(
  { store }: Pick<OptimisticEnvironment, 'store'>,
  object: StoredObject,
): Promise<boolean> {
  await store.linearize()
  return store.get(object.key)?.revision === object.revision
}

/** Runs rounds until one is not overtaken. A round is given the object's present state. @throws StatusError */
export async function writeOptimistically<T>(
  env: OptimisticEnvironment,
  { definition, key, pinned }: Target,
  round: (current: StoredObject) => Promise<T>,
): Promise<T> {
  let endTurn: (() => void) | undefined
  try {
    for (let tries = 1; ; tries++) {
      const current = await currentObject(env, definition, key)
      try {
        return await round(current)
      } catch (error) {
        const again = tries < triesMax && (await isWorthAnother(env, { error, current, pinned, tries }))
        if (!again) throw asStatusError(error, definition, key.name)
        endTurn ??= await env.turns.take(current.key)
      }
    }
  } finally {
    endTurn?.()
  }
}

interface FailedRound {
  readonly error: unknown
  readonly current: StoredObject
  readonly pinned: boolean
  readonly tries: number
}

async function isWorthAnother(env: OptimisticEnvironment, failed: FailedRound): Promise<boolean> {
  const { error, current, pinned, tries } = failed
  if (error instanceof Overtaken) return true
  // Something that had to be written together with it, such as a Service's address, was taken meanwhile.
  if (error instanceof KeyExists) return error.key?.resource !== current.key.resource
  if (error instanceof RevisionMismatch) {
    if (pinned && sameKey(error.key, current.key)) return false
    if (env.store.get(current.key)?.revision === current.revision) await env.store.linearize()
    return true
  }
  return isConflict(error) && tries === 1 && !(await isCurrent(env, current))
}

function sameKey(a: StoredKey | undefined, b: StoredKey): boolean {
  return a === undefined || (a.resource === b.resource && a.namespace === b.namespace && a.name === b.name)
}

/** Lets those who lost a race for an object go one after the other, instead of all racing again. */
export class KeyTurns {
  readonly #last = new Map<string, Promise<void>>()

  /** Resolves when it is the caller's turn, with the function that ends it. */
  async take(key: StoredKey): Promise<() => void> {
    const name = `${key.resource}/${key.namespace}/${key.name}`
    const before = this.#last.get(name)
    let end!: () => void
    const turn = new Promise<void>((resolve) => {
      end = resolve
    })
    this.#last.set(name, turn)
    await before
    return () => {
      if (this.#last.get(name) === turn) this.#last.delete(name)
      end()
    }
  }
}
