/** What is known of an image on the node. */
export interface KnownImage {
  readonly id: string
  readonly bytes: number
  /** When it was first seen here. */
  readonly detectedAtMs: number
  /** When a container was last seen that is made of it; 0: never. */
  readonly usedAtMs: number
  readonly isInUse: boolean
}

/** When images are removed, and how many (kubelet `ImageGCPolicy`, with its defaults). */
export const imagePolicy = { highPercent: 85, lowPercent: 80, ageMsMin: 120_000 } as const

/** The file system that images are on; bytes. */
export interface ImageDisk {
  readonly capacity: number
  readonly available: number
}

/** How much is to be freed so that use falls to the lower bound; 0 while it is below the upper one (kubelet `realImageGCManager.GarbageCollect`). */
export function bytesToFree({ capacity, available }: ImageDisk): number {
  if (capacity === 0) return 0
  const usedPercent = 100 - Math.trunc((available * 100) / capacity)
  if (usedPercent < imagePolicy.highPercent) return 0
  return Math.max(0, Math.trunc((capacity * (100 - imagePolicy.lowPercent)) / 100) - available)
}

/**
 * The images to remove, in their order: those that were not used for the longest time first, none in use, none that has just come (kubelet `freeSpace`).
 * Less than wanted where there are no more.
 */
export function planRemoval(images: readonly KnownImage[], bytes: number, nowMs: number): readonly KnownImage[] {
  const candidates = images
    .filter(({ isInUse, detectedAtMs }) => !isInUse && nowMs - detectedAtMs >= imagePolicy.ageMsMin)
    .toSorted((a, b) => a.usedAtMs - b.usedAtMs || a.detectedAtMs - b.detectedAtMs)
  const chosen: KnownImage[] = []
  let freed = 0
  for (const image of candidates) {
    if (freed >= bytes) break
    chosen.push(image)
    freed += image.bytes
  }
  return chosen
}

/** What the collector needs of the runtime and the machine. */
export interface ImageStore {
  listImages(): Promise<readonly { readonly id: string; readonly size: string; readonly repoTags: readonly string[] }[]>
  listContainers(): Promise<readonly { readonly imageRef: string }[]>
  removeImage(id: string): Promise<void>
  disk(): Promise<ImageDisk>
}

/** Removes images that nobody uses while their disk is full (kubelet's image manager). */
export class ImageCollector {
  readonly #store: ImageStore
  readonly #kept: string
  readonly #nowMs: () => number
  #known = new Map<string, KnownImage>()

  /** `kept`: the name of the sandboxes' image, which is never removed. */
  constructor(store: ImageStore, kept: string, nowMs: () => number) {
    this.#store = store
    this.#kept = kept
    this.#nowMs = nowMs
  }

  /**
   * Looks what is there and in use, and removes what there is no room for.
   * @returns what was to be freed and what was, in bytes
   */
  async collect(): Promise<{ readonly wanted: number; readonly freed: number }> {
    const nowMs = this.#nowMs()
    await this.#detect(nowMs)
    const wanted = bytesToFree(await this.#store.disk())
    return { wanted, freed: wanted === 0 ? 0 : await this.#remove(wanted, nowMs) }
  }

  /** Removes all that no container uses. */
  async removeUnused(): Promise<void> {
    const nowMs = this.#nowMs()
    await this.#detect(nowMs)
    await this.#remove(Number.POSITIVE_INFINITY, nowMs)
  }

  async #remove(wanted: number, nowMs: number): Promise<number> {
    let freed = 0
    for (const { id, bytes } of planRemoval([...this.#known.values()], wanted, nowMs)) {
      await this.#store.removeImage(id)
      this.#known.delete(id)
      freed += bytes
    }
    return freed
  }

  async #detect(nowMs: number): Promise<void> {
    const [images, containers] = await Promise.all([this.#store.listImages(), this.#store.listContainers()])
    const used = new Set(containers.map(({ imageRef }) => imageRef))
    const before = this.#known
    this.#known = new Map(
      images.map(({ id, size, repoTags }) => {
        const isInUse = used.has(id) || repoTags.includes(this.#kept)
        const old = before.get(id)
        const usedAtMs = isInUse ? nowMs : (old?.usedAtMs ?? 0)
        return [id, { id, bytes: Number(size), detectedAtMs: old?.detectedAtMs ?? nowMs, usedAtMs, isInUse }]
      }),
    )
  }
}
