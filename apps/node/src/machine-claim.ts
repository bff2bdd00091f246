import { createServer, type Server } from 'node:net'

/** A name that exists once in each network of the machine, and ends with the process that has it (unix(7): abstract sockets). */
const claimName = '\0binnacle-node-agent'

/**
 * Claims this machine, or the network namespace that the process is in: routes and tables of nftables are its only node's.
 * @returns what gives the claim up
 * @throws Error when another agent has it
 */
export async function claimMachine(): Promise<() => void> {
  const server: Server = createServer((socket) => socket.destroy())
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', ({ code, message }: NodeJS.ErrnoException) =>
    reject(
      new Error(code === 'EADDRINUSE' ? 'this machine is already a node: another node agent runs on it' : message),
    ),
  )
  server.listen(claimName, resolve)
  await promise
  server.unref()
  return () => void server.close()
}
