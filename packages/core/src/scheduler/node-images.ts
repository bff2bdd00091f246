import type { SchedulableNode, SchedulablePod } from './scheduled-objects.ts'

/** Where an image is. */
export interface ImageState {
  /** Bytes, as the first node to have it said. */
  readonly size: number
  readonly slots: Set<number>
}

/** Which nodes have which images, by every name that an image goes by. */
export class NodeImages {
  readonly #states = new Map<string, ImageState>()
  readonly #namesBySlot = new Map<number, readonly string[]>()
  readonly #listBySlot = new Map<number, unknown>()

  /** Takes over what a node has; undefined: it is gone. */
  setNode(slot: number, node: SchedulableNode | undefined): void {
    const images = node?.status?.images ?? []
    // Nodes write their status often and their images seldom.
    const list = JSON.stringify(images)
    if (this.#listBySlot.get(slot) === list) return
    for (const name of this.#namesBySlot.get(slot) ?? []) this.#remove(name, slot)
    const names = images.flatMap((image) => image.names ?? [])
    for (const image of images) for (const name of image.names ?? []) this.#add(name, image.sizeBytes ?? 0, slot)
    if (names.length === 0) {
      this.#namesBySlot.delete(slot)
      this.#listBySlot.delete(slot)
    } else {
      this.#namesBySlot.set(slot, names)
      this.#listBySlot.set(slot, list)
    }
  }

  /** The image of that name; undefined where no node has it. */
  get(name: string): ImageState | undefined {
    return this.#states.get(name)
  }

  #add(name: string, size: number, slot: number): void {
    const state = this.#states.get(name)
    if (state === undefined) this.#states.set(name, { size, slots: new Set([slot]) })
    else state.slots.add(slot)
  }

  #remove(name: string, slot: number): void {
    const state = this.#states.get(name)
    state?.slots.delete(slot)
    if (state?.slots.size === 0) this.#states.delete(name)
  }
}

/** The images that a pod needs on its node, one for each container and image volume. */
export function imagesOf({ spec }: SchedulablePod): string[] {
  const containers = [...(spec.initContainers ?? []), ...spec.containers].map((c) => c.image ?? '')
  const volumes = (spec.volumes ?? []).flatMap((v) => (v.image?.reference === undefined ? [] : [v.image.reference]))
  return [...containers, ...volumes].map(withTag)
}

/** An image without a tag is the latest. */
function withTag(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image
}
