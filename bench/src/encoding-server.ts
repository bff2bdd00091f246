import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { request } from 'node:https'
import type { Address } from './product.ts'
import { serveOrders } from './worker-process.ts'

/** The peer of the list: a server that holds the same objects parsed and encodes them for each request. */

/** Where to get the list from, and the certificate to serve it with. */
export interface EncodingServerSetup {
  readonly from: Address
  readonly path: string
  readonly certificate: string
  readonly key: string
}

await serveOrders(async ({ from, path, certificate, key }: EncodingServerSetup) => {
  const list = JSON.parse(await get(from, path)) as {
    apiVersion: string
    kind: string
    metadata: object
    items: object[]
  }
  const answer: RequestListener = (_incoming, outgoing) => {
    const body = Buffer.from(JSON.stringify(list))
    outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    outgoing.end(body)
  }
  const ports: EncodingPorts = {
    tls: await listen(createTlsServer({ cert: certificate, key, ciphers: 'TLS_AES_128_GCM_SHA256' }, answer)),
    plain: await listen(createServer(answer)),
  }
  return async (): Promise<EncodingPorts> => ports
})

/** Where it listens. */
export interface EncodingPorts {
  readonly tls: number
  readonly plain: number
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)))
}

function get({ port, ca, token }: Address, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' }
    const outgoing = request({ host: '127.0.0.1', port, path, ca, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve(Buffer.concat(chunks).toString()))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}
