/** Numbers from 0 to below 1 that are the same for the same seed (xorshift32). */
export function seededRandom(seed: number): () => number {
  // The state must never be 0.
  let state = Math.imul(seed, 2_654_435_761) | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
