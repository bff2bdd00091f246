import type { Duplex } from 'node:stream'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import type { UpgradeRequest } from '../http/exchange.ts'
import { commandMessageBytesMax } from '../limits.ts'

/** kubectl's port-forward over WebSockets: the bytes of a SPDY connection in binary messages. */
export const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io'

const server = new WebSocketServer({
  noServer: true,
  maxPayload: commandMessageBytesMax,
  perMessageDeflate: false,
  skipUTF8Validation: true,
})
server.on('headers', (headers) => headers.push(`Sec-WebSocket-Protocol: ${tunnelProtocol}`))

/** Completes the WebSocket handshake with the client; gives the connection inside. */
export async function acceptTunnel({ request, socket, head }: UpgradeRequest): Promise<Duplex> {
  // The name has a slash, which RFC 6455 does not allow: `ws` would refuse it. It is put into the answer by hand.
  delete request.headers['sec-websocket-protocol']
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>()
  socket.once('close', () => reject(new Error('the WebSocket handshake failed')))
  server.handleUpgrade(request, socket, head, resolve)
  return createWebSocketStream(await promise)
}
