import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { builtInRegistry, type CertificateSigningRequest, certificateSigningRequests } from '@binnacle/resources'
import {
  BasicConstraintsExtension,
  type Extension,
  type JsonGeneralName,
  PemConverter,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
  cryptoProvider,
} from '@peculiar/x509'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { csrApprovingController } from '../csr-approving/reconcile.ts'
import { csrCleaner } from '../csr-cleaner/clean.ts'
import { csrSigningController } from './reconcile.ts'
import { type SigningAuthority, usagesOf, validityOf } from './signing-policy.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const beginMs = Date.UTC(2026, 0, 1)
const kubelet = [{ O: ['system:nodes'] }, { CN: ['system:node:n1'] }]
const clientUsages = ['digital signature', 'client auth']
const servingUsages = ['digital signature', 'key encipherment', 'server auth']

let authority: SigningAuthority
let bench: ControllerBench
let allowed: string[]

beforeAll(async () => {
  cryptoProvider.set(webcrypto as never)
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=test-ca',
    serialNumber: '01',
    notBefore: new Date(beginMs - 1000),
    notAfter: new Date(beginMs + 10 * 365 * 24 * 3600_000),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  })
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  authority = { certificate: certificate.toString('pem'), key: PemConverter.encode(der, 'PRIVATE KEY') }
})
beforeEach(() => {
  vi.useFakeTimers({ now: beginMs, toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  allowed = ['selfnodeclient']
  bench = new ControllerBench({
    controllers: () => [csrApprovingController(builtInRegistry()), csrSigningController(authority)],
    runnables: () => [csrCleaner()],
  })
  answerReviews(bench)
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

// What an API server answers to reviews; the cluster in memory knows no rights.
function answerReviews({ cluster }: ControllerBench): void {
  const create = cluster.create.bind(cluster)
  vi.spyOn(cluster, 'create').mockImplementation(async (resource, object, options) => {
    if (resource.kind !== 'SubjectAccessReview') return await create(resource, object, options)
    const { subresource } = (object as unknown as { spec: { resourceAttributes: { subresource: string } } }).spec
      .resourceAttributes
    return { ...object, status: { allowed: allowed.includes(subresource) } }
  })
}

async function pemOf(name: Record<string, string[]>[], names: JsonGeneralName[]): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const extensions: Extension[] = names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]
  const request = await Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: algorithm,
    extensions,
  })
  return request.toString('pem')
}

interface Wanted {
  readonly signerName: string
  readonly usages: string[]
  readonly name?: Record<string, string[]>[]
  readonly names?: JsonGeneralName[]
  readonly username?: string
  readonly approved?: boolean
  readonly expirationSeconds?: number
}

async function ask(wanted: Wanted): Promise<CertificateSigningRequest> {
  const { signerName, usages, name = kubelet, names = [], username = 'system:node:n1', expirationSeconds } = wanted
  const request = Buffer.from(await pemOf(name, names)).toString('base64')
  const approval = { type: 'Approved', status: 'True', reason: 'Test', lastUpdateTime: '2026-01-01T00:00:00Z' }
  bench.cluster.seed(certificateSigningRequests, {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'csr' },
    spec: { request, signerName, usages, username, ...(expirationSeconds === undefined ? {} : { expirationSeconds }) },
    status: { conditions: wanted.approved === true ? [approval] : [] },
  })
  await bench.start()
  // Signing is the work of other threads, for which fake time does not wait.
  await vi
    .waitFor(() => (isFinished() ? undefined : Promise.reject(new Error('pending'))), { timeout: 200 })
    .catch(() => undefined)
  await bench.settle()
  return bench.only(certificateSigningRequests)
}

function isFinished(): boolean {
  const { status } = bench.only(certificateSigningRequests)
  return Boolean(status?.certificate) || status?.conditions?.some(({ type }) => type === 'Failed') === true
}

const issued = ({ status }: CertificateSigningRequest): X509Certificate =>
  new X509Certificate(Buffer.from(status?.certificate ?? '', 'base64').toString())
const conditionsOf = ({ status }: CertificateSigningRequest) =>
  (status?.conditions ?? []).map(({ type, reason, message }) => `${type} ${reason} ${message ?? ''}`.trim())
const client = 'kubernetes.io/kube-apiserver-client'

describe('validityOf', () => {
  const day = 24 * 3600
  it.each([
    ['a year by default', undefined, 365 * day - 300],
    ['a year at most', 800 * day, 365 * day - 300],
    ['ten minutes at least', 60, 600],
    ['what is asked for', 3600, 3600],
    ['five minutes less where it is long', 10 * 3600, 10 * 3600 - 300],
  ])('is %s', (_, asked, seconds) => {
    const { notBefore, notAfter } = validityOf(asked, Number.POSITIVE_INFINITY, beginMs)
    expect(notBefore.getTime()).toBe(beginMs - 300_000)
    expect((notAfter.getTime() - beginMs) / 1000).toBe(seconds)
  })

  it('ends with the authority', () => {
    expect(validityOf(undefined, beginMs + 5000, beginMs).notAfter.getTime()).toBe(beginMs + 5000)
  })
})

describe('usagesOf', () => {
  it('refuses what there is not', () => {
    expect(() => usagesOf(['client auth', 'fishing'])).toThrow('unrecognized usage values: "fishing"')
  })
})

describe('requests of kubelets', () => {
  const wanted = { signerName: 'kubernetes.io/kube-apiserver-client-kubelet', usages: clientUsages }

  it('for a client certificate of their own are approved and signed', async () => {
    const request = await ask(wanted)
    expect(conditionsOf(request)).toEqual([
      'Approved AutoApproved Auto approving self kubelet client certificate after SubjectAccessReview.',
    ])
    const certificate = issued(request)
    expect(
      await certificate.verify({ publicKey: new X509Certificate(authority.certificate), signatureOnly: true }),
    ).toBe(true)
    expect(certificate.subject).toBe('O=system:nodes, CN=system:node:n1')
  })

  it('for another node are approved where the requester may bring nodes in', async () => {
    allowed = ['nodeclient']
    expect(conditionsOf(await ask({ ...wanted, username: 'system:bootstrap:abc' }))).toEqual([
      'Approved AutoApproved Auto approving kubelet client certificate after SubjectAccessReview.',
    ])
  })

  it('for another node wait for a person otherwise', async () => {
    expect(conditionsOf(await ask({ ...wanted, username: 'mallory' }))).toEqual([])
  })

  it('with names that a client needs not wait for a person', async () => {
    expect(conditionsOf(await ask({ ...wanted, names: [{ type: 'dns', value: 'evil' }] }))).toEqual([])
  })

  it('for a serving certificate wait for a person, then are signed with their names', async () => {
    const serving = { signerName: 'kubernetes.io/kubelet-serving', usages: servingUsages }
    const names: JsonGeneralName[] = [
      { type: 'dns', value: 'n1' },
      { type: 'ip', value: '10.0.0.1' },
    ]
    const certificate = issued(await ask({ ...serving, names, approved: true }))
    const found = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items.map(({ value }) => value)
    expect(found).toEqual(['n1', '10.0.0.1'])
  })
})

describe('the signing controller', () => {
  it('signs for the time that is asked for', async () => {
    const name = [{ CN: ['ann'] }]
    const request = await ask({
      signerName: client,
      usages: clientUsages,
      name,
      approved: true,
      expirationSeconds: 3600,
    })
    expect(issued(request).notAfter.getTime()).toBe(beginMs + 3600_000)
  })

  it('signs nothing that is not approved', async () => {
    expect((await ask({ signerName: client, usages: clientUsages })).status?.certificate).toBeUndefined()
  })

  it('leaves other signers their requests', async () => {
    const request = await ask({ signerName: 'example.com/signer', usages: clientUsages, approved: true })
    expect(conditionsOf(request)).toEqual(['Approved Test'])
  })

  it.each<[string, Omit<Wanted, 'approved'>, string]>([
    [
      'a client that wants to be a server',
      { signerName: client, usages: ['server auth'] },
      'invalid usage for client certificate: server auth',
    ],
    [
      'a serving certificate without a name',
      { signerName: 'kubernetes.io/kubelet-serving', usages: servingUsages },
      'DNS or IP subjectAltName is required',
    ],
    [
      'a kubelet of another organization',
      { signerName: 'kubernetes.io/kubelet-serving', usages: servingUsages, name: [{ CN: ['system:node:n1'] }] },
      'subject organization is not system:nodes',
    ],
  ])('says that it does not sign for %s', async (_, wanted, message) => {
    const request = await ask({ ...wanted, approved: true })
    expect(conditionsOf(request)).toContain(`Failed SignerValidationFailure ${message}`)
    expect(request.status?.certificate).toBeUndefined()
  })
})

describe('the cleaner', () => {
  const count = (): number => bench.cluster.all(certificateSigningRequests).length
  const usages = clientUsages

  it('deletes a request an hour after it was answered', async () => {
    await ask({ signerName: client, usages, approved: true })
    await bench.pass(3600_000)
    expect(count()).toBe(1)
    await bench.pass(3600_000)
    expect(count()).toBe(0)
  })

  it('deletes a request that nobody has decided on for a day', async () => {
    await ask({ signerName: client, usages })
    await bench.pass(23 * 3600_000)
    expect(count()).toBe(1)
    await bench.pass(2 * 3600_000)
    expect(count()).toBe(0)
  })
})

describe('requests of kubelets', () => {
  /** Requests are approved and signed, and go when nobody needs them any more. */
  const scenario: Scenario = {
    controllers: () => [csrApprovingController(builtInRegistry()), csrSigningController(authority)],
    runnables: () => [csrCleaner()],
    compares: [certificateSigningRequests],
    // Keys and serial numbers are chance.
    ignores: ['request', 'certificate'],
    async run(story) {
      answerReviews(story)
      const request = Buffer.from(await pemOf(kubelet, [])).toString('base64')
      const seed = (name: string, signerName: string): unknown =>
        story.cluster.seed(certificateSigningRequests, {
          apiVersion: 'certificates.k8s.io/v1',
          kind: 'CertificateSigningRequest',
          metadata: { name },
          spec: { request, signerName, usages: clientUsages, username: 'system:node:n1' },
        })
      seed('old', 'kubernetes.io/kube-apiserver-client-kubelet')
      seed('waiting', 'kubernetes.io/kube-apiserver-client')
      await story.start()
      await story.pass(2 * 3600_000)
      seed('new', 'kubernetes.io/kube-apiserver-client-kubelet')
      await story.settle()
      await story.settle()
    },
  }

  it('end the same wherever the controllers are killed', () => expectSameEndWhereverKilled(scenario))
  it('end the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2]))
})
