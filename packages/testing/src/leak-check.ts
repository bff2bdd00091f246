/** Names of what keeps a process alive that a test should have ended. */
const watched = new Set(['Timeout', 'TCPSocketWrap', 'TCPServerWrap', 'TLSWrap', 'PipeWrap', 'ProcessWrap'])

/**
 * Compares what keeps the process alive before and after: call it before a test, and the function it returns after it.
 * @throws Error in that function, naming what was left open.
 */
export function watchForLeaks(): () => void {
  const before = counts()
  return () => {
    const left = [...counts()].filter(([name, count]) => count > (before.get(name) ?? 0))
    if (left.length === 0) return
    throw new Error(
      `left open: ${left.map(([name, count]) => `${count - (before.get(name) ?? 0)} × ${name}`).join(', ')}`,
    )
  }
}

function counts(): Map<string, number> {
  const found = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo())
    if (watched.has(name)) found.set(name, (found.get(name) ?? 0) + 1)
  return found
}
