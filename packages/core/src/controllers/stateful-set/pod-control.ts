import { isAlreadyExists, isNotFound, keyOf } from '@binnacle/apimachinery'
import {
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  type Pod,
  pods,
  type StatefulSet,
} from '@binnacle/resources'
import type { ReconcileContext } from '../../controller.ts'
import { claimsFor, ownersToSet, withIdentity } from './identity.ts'
import type { Step } from './plan.ts'

/** Carries out the steps of a plan, and says so in events (kube-controller-manager `stateful_pod_control.go`). */
export class PodControl {
  readonly #set: StatefulSet
  readonly #context: ReconcileContext

  constructor(set: StatefulSet, context: ReconcileContext) {
    this.#set = set
    this.#context = context
  }

  /** @throws Error when the step could not be carried out; the event is recorded */
  async carryOut({ verb, pod, ordinal }: Step): Promise<void> {
    switch (verb) {
      case 'create':
        return await this.#create(pod, ordinal)
      case 'update':
        return await this.#update(pod, ordinal)
      case 'delete':
        return await this.#delete(pod)
      case 'claims':
        await this.#createClaims(pod, ordinal)
        return await this.#reporting('update', pod, () => this.#setOwners(pod, ordinal), { success: false })
      case 'owners':
        return await this.#setOwners(pod, ordinal)
    }
  }

  async #create(pod: Pod, ordinal: number): Promise<void> {
    await this.#reporting('create', pod, () => this.#createClaims(pod, ordinal), { success: false })
    try {
      await this.#context.client.create(pods, pod)
    } catch (error) {
      // The cache lags behind: the next pass will see the pod.
      if (!isAlreadyExists(error)) this.#podEvent('create', pod, error as Error)
      throw error
    }
    await this.#reporting('update', pod, () => this.#setOwners(pod, ordinal), { success: false })
    this.#podEvent('create', pod)
  }

  async #update(pod: Pod, ordinal: number): Promise<void> {
    await this.#reporting('update', pod, async () => {
      await this.#createClaims(pod, ordinal)
      await this.#setOwners(pod, ordinal)
      await this.#context.client.update(pods, withIdentity(this.#set, pod, ordinal))
    })
  }

  async #delete(pod: Pod): Promise<void> {
    const { uid = '' } = pod.metadata
    await this.#reporting('delete', pod, async () => {
      // An old view must not take away the pod that has come in this one's place.
      await this.#context.client.delete(pods, keyOf(pod), { preconditions: { uid } })
    })
  }

  async #createClaims(pod: Pod, ordinal: number): Promise<void> {
    const failures: string[] = []
    for (const claim of claimsFor(this.#set, ordinal).values()) {
      const existing = this.#context.informer(persistentVolumeClaims).get(keyOf(claim))
      if (existing?.metadata.deletionTimestamp !== undefined)
        failures.push(`pvc ${claim.metadata.name} is being deleted`)
      if (existing !== undefined) continue
      try {
        await this.#context.client.create(persistentVolumeClaims, claim)
        this.#claimEvent(pod, claim)
      } catch (error) {
        failures.push(`failed to create PVC ${claim.metadata.name}: ${(error as Error).message}`)
        if (!isAlreadyExists(error)) this.#claimEvent(pod, claim, error as Error)
      }
    }
    if (failures.length === 1) throw new Error(failures[0])
    if (failures.length > 1) throw new Error(`[${failures.join(', ')}]`)
  }

  async #setOwners(pod: Pod, ordinal: number): Promise<void> {
    for (const { metadata } of claimsFor(this.#set, ordinal).values()) {
      const claim = this.#context.informer(persistentVolumeClaims).get(keyOf({ metadata }))
      const ownerReferences = claim === undefined ? undefined : ownersToSet(claim, this.#set, pod)
      if (claim === undefined || ownerReferences === undefined) continue
      try {
        await this.#context.client.update(persistentVolumeClaims, {
          ...claim,
          metadata: { ...claim.metadata, ownerReferences },
        })
      } catch (error) {
        const message = `could not update claim ${metadata.name} for delete policy ownerRefs: ${(error as Error).message}`
        throw new Error(message, { cause: error })
      }
    }
  }

  async #reporting(verb: Verb, pod: Pod, work: () => Promise<void>, { success } = { success: true }): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (verb !== 'delete' || !isNotFound(error)) this.#podEvent(verb, pod, error as Error)
      throw error
    }
    if (success) this.#podEvent(verb, pod)
  }

  #podEvent(verb: Verb, pod: Pod, error?: Error): void {
    const what = `${verb} Pod ${pod.metadata.name} in StatefulSet ${this.#set.metadata.name}`
    this.#event(verb, `${what} successful`, `${what} failed`, error)
  }

  #claimEvent(pod: Pod, claim: PersistentVolumeClaim, error?: Error): void {
    const [ofPod, inSet] = [`Pod ${pod.metadata.name}`, `StatefulSet ${this.#set.metadata.name}`]
    const name = `create Claim ${claim.metadata.name}`
    this.#event('create', `${name} ${ofPod} in ${inSet} success`, `${name} for ${ofPod} in ${inSet} failed`, error)
  }

  #event(verb: Verb, success: string, failure: string, error: Error | undefined): void {
    const Verb = `${verb[0]?.toUpperCase()}${verb.slice(1)}`
    const { events } = this.#context
    if (error === undefined) events.record(this.#set, 'Normal', `Successful${Verb}`, success)
    else events.record(this.#set, 'Warning', `Failed${Verb}`, `${failure} error: ${error.message}`)
  }
}

type Verb = 'create' | 'update' | 'delete'
