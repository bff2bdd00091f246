import { scoreMax, type Cycle, type ScorePlugin } from '../framework.ts'
import type { ImageState } from '../node-images.ts'

const mebibyte = 1024 * 1024
/** Images that are smaller are loaded soon enough. */
const bytesMin = 23 * mebibyte
/** Bytes of a container's image beyond which more makes no difference. */
const bytesMaxPerContainer = 1000 * mebibyte

/** The more of the pod's images a node has, weighted by size and by how widespread they are, the better. */
export class ImageLocality implements ScorePlugin {
  readonly name = 'ImageLocality'
  #images: readonly ImageState[] = []

  saysNothing(cycle: Cycle): boolean {
    return this.preScore(cycle) === 'skip'
  }

  preScore({ cluster, shape }: Cycle): 'skip' | 'score' {
    this.#images = shape.images.flatMap((name) => cluster.table.images.get(name) ?? [])
    return this.#images.length === 0 ? 'skip' : 'score'
  }

  score({ cluster, shape }: Cycle, slots: Int32Array, count: number, scores: Float64Array): void {
    scores.fill(0, 0, count)
    for (const { size, slots: having } of this.#images) {
      // An image that few nodes have draws less, so that its pods do not crowd there.
      const share = Math.trunc(size * (having.size / cluster.table.nodeCount))
      for (let i = 0; i < count; i++) if (having.has(slots[i] as number)) scores[i] = (scores[i] as number) + share
    }
    const bytesMax = bytesMaxPerContainer * shape.images.length
    for (let i = 0; i < count; i++) {
      const bytes = Math.min(bytesMax, Math.max(bytesMin, scores[i] as number))
      scores[i] = Math.floor((scoreMax * (bytes - bytesMin)) / (bytesMax - bytesMin))
    }
  }
}
