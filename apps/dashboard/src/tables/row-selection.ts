/**
 * The index that a key moves the selection to, of `count` rows with the one at `index` selected (-1: none); undefined for keys that do
 * not move it. The letters are those of k9s and vi.
 */
export function movedIndex(key: string, index: number, count: number, pageRows: number): number | undefined {
  if (count === 0) return undefined
  const to = (target: number): number => Math.min(count - 1, Math.max(0, target))
  switch (key) {
    case 'j':
    case 'ArrowDown':
      return to(index + 1)
    case 'k':
    case 'ArrowUp':
      return index === -1 ? count - 1 : to(index - 1)
    case 'g':
    case 'Home':
      return 0
    case 'G':
    case 'End':
      return count - 1
    case 'PageDown':
      return to(Math.max(0, index) + pageRows)
    case 'PageUp':
      return to(Math.max(0, index) - pageRows)
    default:
      return undefined
  }
}
