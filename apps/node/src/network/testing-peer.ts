import dgram from 'node:dgram'
import net from 'node:net'
import { createInterface } from 'node:readline'

/**
 * What tests run inside a network namespace: serves and asks there, told so by lines of JSON on its standard input. Servers answer with the name
 * they were given and the address that they see the client at.
 */

/** One order. `ask` answers with what the server said, or with `!` and the error's code. */
export type PeerOrder =
  | { readonly op: 'serve'; readonly protocol: 'tcp' | 'udp'; readonly port: number; readonly name: string }
  | {
      readonly op: 'ask'
      readonly protocol: 'tcp' | 'udp'
      readonly host: string
      readonly port: number
      readonly localPort?: number
      readonly timeoutMs: number
    }

const actions = { serve, ask }

if (process.argv[1] === import.meta.filename)
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const { id, order } = JSON.parse(line) as { id: number; order: PeerOrder }
      void actions[order.op](order as never).then(
        (answer) => process.stdout.write(`${JSON.stringify({ id, answer })}\n`),
        (error: NodeJS.ErrnoException) =>
          process.stdout.write(`${JSON.stringify({ id, answer: `!${error.code ?? error.message}` })}\n`),
      )
    })
    .on('close', () => process.exit(0))

function serve({ protocol, port, name }: Extract<PeerOrder, { op: 'serve' }>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  if (protocol === 'udp') {
    const socket = dgram.createSocket({ type: 'udp6', ipv6Only: false })
    socket.on('error', reject)
    socket.on('message', (_message, from) => socket.send(`${name} ${plain(from.address)}`, from.port, from.address))
    socket.bind(port, () => resolve('serving'))
  } else {
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined)
      socket.end(`${name} ${plain(socket.remoteAddress ?? '')}`)
    })
    server.on('error', reject)
    server.listen(port, () => resolve('serving'))
  }
  return promise
}

const plain = (address: string): string => address.replace(/^::ffff:/, '')

function ask(order: Extract<PeerOrder, { op: 'ask' }>): Promise<string> {
  return order.protocol === 'udp' ? askByDatagram(order) : askByConnection(order)
}

function askByConnection({ host, port, timeoutMs }: Extract<PeerOrder, { op: 'ask' }>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const socket = net.connect({ host, port })
  let text = ''
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('timeout')))
  socket.on('data', (chunk) => (text += String(chunk)))
  socket.on('error', reject)
  socket.on('end', () => resolve(text))
  return promise
}

function askByDatagram({ host, port, localPort, timeoutMs }: Extract<PeerOrder, { op: 'ask' }>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4')
  const timer = setTimeout(() => reject(new Error('timeout')), timeoutMs)
  socket.on('error', reject)
  socket.on('message', (message) => resolve(message.toString()))
  socket.bind(localPort ?? 0, () => socket.connect(port, host, () => socket.send('who')))
  return promise.finally(() => {
    clearTimeout(timer)
    socket.close()
  })
}
