import type { Eviction, PostFilterResult } from './framework.ts'

/** What the postFilters of a profile have made of a pod that fits nowhere. */
export class PostFilterOutcome {
  /** The node that the pod is promised; '' to take its promise back; undefined: leave it as it is. */
  nominated: string | undefined
  eviction: Eviction | undefined
  #tails: string[] = []

  /** Takes over what one of them says. True: the others need not be asked. */
  takes({ nominatedNodeName, message, isError, eviction }: PostFilterResult): boolean {
    if (isError === true) {
      this.nominated = undefined
      this.#tails = message === undefined ? [] : [message]
      return true
    }
    this.nominated ??= nominatedNodeName
    this.eviction ??= eviction
    if (message !== undefined) this.#tails.push(message)
    return this.isPromised
  }

  /** True when room is made for the pod. */
  get isPromised(): boolean {
    return this.nominated !== undefined && this.nominated !== ''
  }

  /** The message of a decision with what they say; when room is made, that is enough. */
  messageAfter(message: string): string {
    return this.isPromised || this.#tails.length === 0 ? message : `${message} ${this.#tails.join(', ')}`
  }
}
