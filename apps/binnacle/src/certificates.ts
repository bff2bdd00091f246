import 'reflect-metadata'
import { webcrypto, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import * as x509 from '@peculiar/x509'
import { exportPKCS8 } from 'jose'
import { type DataDirectory, writePrivateFile } from './data-directory.ts'

/**
 * The cluster's own certificate authority and what it signs. Made once and kept; a certificate is made again when it would end within
 * {@link renewBeforeMs} or (the server's) when the machine's addresses have changed.
 */

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const yearMs = 365 * 24 * 3600 * 1000
const renewBeforeMs = 30 * 24 * 3600 * 1000

/** Who a client certificate names: a user (CN) and its groups (O). */
interface Subject {
  readonly user: string
  readonly groups: readonly string[]
}

const clients: Record<string, Subject> = {
  admin: { user: 'kubernetes-admin', groups: ['system:masters'] },
  // Who the API server is to node agents; kubeadm's names.
  'apiserver-kubelet-client': { user: 'kube-apiserver-kubelet-client', groups: ['kubeadm:cluster-admins'] },
  'simulated-nodes': { user: 'system:simulated-nodes', groups: ['system:nodes'] },
}

interface Authority {
  readonly certificate: x509.X509Certificate
  readonly key: webcrypto.CryptoKey
}

/** Makes sure that every key and certificate that Binnacle needs is in the data directory and valid. `nodeName`: of this machine. */
export async function ensureCertificates(directory: DataDirectory, nodeName: string): Promise<void> {
  x509.cryptoProvider.set(webcrypto as never)
  const authority = await ensureAuthority(directory)
  await ensureServerCertificate(directory, authority, 'apiserver', [{ CN: ['binnacle-apiserver'] }])
  const nodeUser = `system:node:${nodeName}`
  // Of the node agent on this machine; those of other machines are signed on request.
  await ensureServerCertificate(directory, authority, 'kubelet', [{ O: ['system:nodes'] }, { CN: [nodeUser] }])
  for (const [name, subject] of Object.entries({ ...clients, node: { user: nodeUser, groups: ['system:nodes'] } }))
    await ensureClientCertificate(directory, authority, name, subject)
  await ensureServiceAccountKey(directory)
  ensureAdminToken(directory)
}

async function ensureAuthority(directory: DataDirectory): Promise<Authority> {
  const keyFile = directory.pki('ca.key')
  if (existsSync(keyFile) && existsSync(directory.caCertificate)) {
    const certificate = new x509.X509Certificate(readFileSync(directory.caCertificate, 'utf8'))
    return { certificate, key: await readKey(keyFile) }
  }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(16).toString('hex'),
    name: 'CN=binnacle-ca',
    ...validity(10 * yearMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  writePrivateFile(keyFile, await pemOf(keys.privateKey))
  writePrivateFile(directory.caCertificate, `${certificate.toString('pem')}\n`)
  return { certificate, key: keys.privateKey }
}

async function ensureServerCertificate(
  directory: DataDirectory,
  authority: Authority,
  file: string,
  name: x509.JsonName,
): Promise<void> {
  const names = serverNames()
  const wanted = [...name.flatMap(({ CN = [] }) => CN), ...names.map(({ type, value }) => `${type}:${value}`)].join(',')
  const namesFile = directory.pki(`${file}.names`)
  const current = existsSync(namesFile) ? readFileSync(namesFile, 'utf8') : ''
  if (current === wanted && isFresh(directory.pki(`${file}.crt`))) return
  await sign(directory, authority, {
    file,
    name,
    usage: x509.ExtendedKeyUsage.serverAuth,
    extensions: [new x509.SubjectAlternativeNameExtension(names)],
  })
  writePrivateFile(namesFile, wanted)
}

// The addresses under which kubectl, pods and browsers may reach the API: this machine's, and the Service `kubernetes`.
function serverNames(): x509.JsonGeneralName[] {
  const dns = [
    'localhost',
    hostname(),
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
  ]
  const addresses = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter((entry) => !entry.address.includes('%')).map((entry) => entry.address),
  )
  return [
    ...[...new Set(dns)].map((value) => ({ type: 'dns' as const, value })),
    ...[...new Set(['127.0.0.1', '::1', '10.96.0.1', ...addresses.filter((address) => !address.startsWith('fe80:'))])]
      .sort()
      .map((value) => ({ type: 'ip' as const, value })),
  ]
}

async function ensureClientCertificate(
  directory: DataDirectory,
  authority: Authority,
  file: string,
  subject: Subject,
): Promise<void> {
  const certificate = directory.pki(`${file}.crt`)
  if (isFresh(certificate) && userOf(certificate) === subject.user) return
  const name = [...subject.groups.map((group) => ({ O: [group] })), { CN: [subject.user] }]
  await sign(directory, authority, { file, name, usage: x509.ExtendedKeyUsage.clientAuth, extensions: [] })
}

interface SignRequest {
  readonly file: string
  readonly name: x509.JsonName
  readonly usage: x509.ExtendedKeyUsage
  readonly extensions: readonly x509.Extension[]
}

async function sign(directory: DataDirectory, authority: Authority, request: SignRequest): Promise<void> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomBytes(16).toString('hex'),
    subject: request.name,
    issuer: authority.certificate.subject,
    ...validity(yearMs),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: authority.key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension([request.usage]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.certificate),
      ...request.extensions,
    ],
  })
  writePrivateFile(directory.pki(`${request.file}.key`), await pemOf(keys.privateKey))
  writePrivateFile(directory.pki(`${request.file}.crt`), `${certificate.toString('pem')}\n`)
}

async function ensureServiceAccountKey(directory: DataDirectory): Promise<void> {
  const file = directory.pki('service-account.key')
  if (existsSync(file)) return
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  writePrivateFile(file, await pemOf(keys.privateKey))
}

// The admin's bearer token, beside the certificate in the kubeconfig: for GraphQL clients and the dashboard's sign-in.
function ensureAdminToken(directory: DataDirectory): void {
  if (!existsSync(directory.adminToken))
    writePrivateFile(directory.adminToken, `${randomBytes(32).toString('base64url')}\n`)
  const token = readFileSync(directory.adminToken, 'utf8').trim()
  writePrivateFile(directory.pki('tokens.csv'), `${token},kubernetes-admin,kubernetes-admin,"system:masters"\n`)
}

// A minute in the past, so that a client whose clock is a little behind accepts it.
function validity(lifeMs: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now()
  return { notBefore: new Date(now - 60_000), notAfter: new Date(now + lifeMs) }
}

function isFresh(file: string): boolean {
  if (!existsSync(file)) return false
  return new x509.X509Certificate(readFileSync(file, 'utf8')).notAfter.getTime() > Date.now() + renewBeforeMs
}

function userOf(file: string): string | undefined {
  return new x509.X509Certificate(readFileSync(file, 'utf8')).subjectName.getField('CN')[0]
}

async function readKey(file: string): Promise<webcrypto.CryptoKey> {
  const der = x509.PemConverter.decodeFirst(readFileSync(file, 'utf8'))
  return await webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign'])
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  return `${(await exportPKCS8(key as never)).trim()}\n`
}
