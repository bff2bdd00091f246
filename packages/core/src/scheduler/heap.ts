/** A binary heap: the item that goes before all others is at hand, and any item can be taken out. Items know their place in it. */
export class Heap<T extends { heapIndex: number }> {
  readonly #before: (a: T, b: T) => number
  readonly #items: T[] = []

  /** `before(a, b)` is negative when `a` goes before `b`. */
  constructor(before: (a: T, b: T) => number) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  /** The first item. */
  peek(): T | undefined {
    return this.#items[0]
  }

  /** Adds an item that is in no heap. */
  push(item: T): void {
    item.heapIndex = this.#items.length
    this.#items.push(item)
    this.#rise(item.heapIndex)
  }

  /** Takes out the first item. */
  pop(): T | undefined {
    const first = this.#items[0]
    if (first !== undefined) this.remove(first)
    return first
  }

  /** Takes out an item that is in this heap. */
  remove(item: T): void {
    const index = item.heapIndex
    const last = this.#items.pop() as T
    item.heapIndex = -1
    if (last === item) return
    this.#put(index, last)
    this.#rise(index)
    this.#sink(last.heapIndex)
  }

  #rise(from: number): void {
    let index = from
    const item = this.#items[index] as T
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.#items[parentIndex] as T
      if (this.#before(item, parent) >= 0) break
      this.#put(index, parent)
      index = parentIndex
    }
    this.#put(index, item)
  }

  #sink(from: number): void {
    let index = from
    const item = this.#items[index] as T
    for (;;) {
      const left = 2 * index + 1
      if (left >= this.#items.length) break
      const right = left + 1
      const child =
        right < this.#items.length && this.#before(this.#items[right] as T, this.#items[left] as T) < 0 ? right : left
      if (this.#before(item, this.#items[child] as T) <= 0) break
      this.#put(index, this.#items[child] as T)
      index = child
    }
    this.#put(index, item)
  }

  #put(index: number, item: T): void {
    this.#items[index] = item
    item.heapIndex = index
  }
}
