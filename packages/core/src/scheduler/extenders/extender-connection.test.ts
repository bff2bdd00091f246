import 'reflect-metadata'
import { type webcrypto as crypto, webcrypto } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { BasicConstraintsExtension, cryptoProvider, PemConverter, X509CertificateGenerator } from '@peculiar/x509'
import { SubjectAlternativeNameExtension, type X509Certificate } from '@peculiar/x509'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { extenderOf, type ExtenderDocument } from '../configuration/extenders-section.ts'
import { ExtenderConnection } from './extender-connection.ts'
import { ExtenderServer } from './extender-server.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

interface Identity {
  readonly certificate: X509Certificate
  readonly keys: crypto.CryptoKeyPair
  readonly cert: string
  readonly key: string
}

async function identity(name: string, issuer?: Identity): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    serialNumber: name === 'authority' ? '01' : '02',
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    extensions: [
      new BasicConstraintsExtension(issuer === undefined),
      new SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
    ],
  })
  const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return { certificate, keys, cert: certificate.toString('pem'), key }
}

let authority: Identity
let served: Identity
let directory: string
let server: ExtenderServer | undefined
let connection: ExtenderConnection | undefined

beforeAll(async () => {
  cryptoProvider.set(webcrypto as never)
  authority = await identity('authority')
  served = await identity('extender.example.com', authority)
  directory = mkdtempSync(path.join(tmpdir(), 'extender-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))
afterEach(async () => {
  connection?.close()
  await server?.stop()
})

const base64 = (text: string): string => Buffer.from(text).toString('base64')

async function ask(document: ExtenderDocument, tls?: Identity): Promise<unknown> {
  server ??= await ExtenderServer.startNew(tls)
  server.answers.filter = () => ({ NodeNames: [] })
  const urlPrefix = server.url(tls === undefined ? 'http' : 'https')
  connection = new ExtenderConnection(extenderOf({ urlPrefix, ...document }))
  return await connection.post('filter', {}, new AbortController().signal)
}

describe('over HTTPS', () => {
  afterEach(() => void (server = undefined))

  it('an extender without an authority is trusted', async () => {
    expect(await ask({ enableHTTPS: true }, served)).toEqual({ NodeNames: [] })
  })

  it('one with an authority is trusted when that has signed its certificate, and the name fits', async () => {
    const tlsConfig = { caData: base64(authority.cert), serverName: 'extender.example.com' }
    expect(await ask({ enableHTTPS: true, tlsConfig }, served)).toEqual({ NodeNames: [] })
  })

  it('authority, certificate and key may be files', async () => {
    const files = { caFile: authority.cert, certFile: served.cert, keyFile: served.key }
    const tlsConfig: Record<string, string> = { serverName: 'extender.example.com' }
    for (const [name, text] of Object.entries(files)) {
      tlsConfig[name] = path.join(directory, name)
      writeFileSync(tlsConfig[name], text)
    }
    expect(await ask({ enableHTTPS: true, tlsConfig }, served)).toEqual({ NodeNames: [] })
  })

  it('one that another authority has signed is not trusted, nor is one of another name', async () => {
    const other = await identity('authority')
    const unknown = { caData: base64(other.cert), serverName: 'extender.example.com' }
    await expect(ask({ enableHTTPS: true, tlsConfig: unknown }, served)).rejects.toThrow(
      /^Post "https:.*\/scheduler\/filter": /,
    )
    const tlsConfig = { caData: base64(authority.cert), serverName: 'other.example.com' }
    await expect(ask({ enableHTTPS: true, tlsConfig }, served)).rejects.toThrow(/altnames/)
  })

  it('without HTTPS being asked for, certificates are checked', async () => {
    await expect(ask({}, served)).rejects.toThrow('x509: certificate signed by unknown authority')
    expect(await ask({ tlsConfig: { insecure: true } }, served)).toEqual({ NodeNames: [] })
  })

  it('what cannot be used is refused at once', () => {
    const made = (tlsConfig: object) => () => new ExtenderConnection(extenderOf({ enableHTTPS: true, tlsConfig }))
    expect(made({ insecure: true, caData: base64('x') })).toThrow(
      'specifying a root certificates file with the insecure flag is not allowed',
    )
    expect(made({ caFile: path.join(directory, 'missing') })).toThrow(/ENOENT/)
    expect(made({ certData: base64('x') })).toThrow('both a certificate and its key are needed')
  })
})

describe('a connection', () => {
  afterEach(() => void (server = undefined))

  it('asks once more when the extender has just closed it', async () => {
    await ask({})
    if (server !== undefined) server.hangsUpOnce = true
    expect(await connection?.post('filter', {}, new AbortController().signal)).toEqual({ NodeNames: [] })
  })

  it('does not ask again when the extender hangs up on the first question', async () => {
    server = await ExtenderServer.startNew()
    server.hangsUpOnce = true
    await expect(ask({})).rejects.toThrow(/^Post "http:.*": EOF$/)
  })

  it('takes an empty answer for none', async () => {
    await ask({})
    if (server !== undefined) server.answers.filter = () => undefined
    await expect(connection?.post('filter', {}, new AbortController().signal)).rejects.toThrow(/^EOF$/)
  })

  it('has to be to an address over HTTP', async () => {
    await expect(ask({ urlPrefix: 'ftp://127.0.0.1' })).rejects.toThrow(
      /^Post "ftp:\/\/127\.0\.0\.1\/filter": unsupported protocol scheme/,
    )
  })
})
