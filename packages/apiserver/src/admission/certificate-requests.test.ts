import {
  type CertificateSigningRequest,
  certificateSigningRequests,
  type ResourceDefinition,
} from '@binnacle/resources'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RequestContext } from '../api-server.ts'
import { refusal, startTestServer, type TestServer } from '../test-server.ts'
import { base64, issuedCertificate, kubeletRequest, mastersRequest } from '../testing-certificates.ts'
import { checkAttestation, checkSigner } from './certificate-requests.ts'

let test: TestServer
let count = 0
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => await test.stop())

const definition = certificateSigningRequests as ResourceDefinition<any>
const good = { request: base64(kubeletRequest), signerName: 'example.com/signer', usages: ['client auth'] }
const create = async (spec: object = {}, rest: object = {}): Promise<CertificateSigningRequest> =>
  (await test.create(definition, {
    metadata: { name: `csr:${++count}` },
    spec: { ...good, ...spec },
    ...rest,
  })) as never
const write = async (made: CertificateSigningRequest, status: object, subresource?: string) => {
  const key = { namespace: '', name: made.metadata.name }
  const body = { ...made, metadata: { name: made.metadata.name }, status }
  const { object } = await test.server.update(test.request, definition, key, body, { subresource })
  return object.parse() as CertificateSigningRequest
}
const condition = (type: string, rest: object = {}) => ({ type, status: 'True', reason: 'Because', ...rest })
const messageOf = async (call: Promise<unknown>): Promise<string> => {
  const { message = '' } = await refusal(call)
  return message.replace(/^CertificateSigningRequest\.certificates\.k8s\.io "csr:\d+" is invalid: /, '')
}

describe('a request for a certificate', () => {
  it('says who makes it, whatever its maker says, and is not approved from the start', async () => {
    const given = { username: 'ann', uid: 'u', groups: ['g'], extra: { a: ['b'] } }
    const made = await create(given, { status: { conditions: [condition('Approved')], certificate: 'eA==' } })
    expect(made.spec).toEqual({ ...good, username: 'admin', groups: ['system:masters', 'system:authenticated'] })
    expect(made.status).toEqual({})
  })

  it('never changes', async () => {
    const made = await create()
    expect((await write({ ...made, spec: { ...made.spec, usages: ['any'] } }, {})).spec).toEqual(made.spec)
  })

  it.each<[object, string]>([
    [
      { request: base64('hello') },
      `spec.request: Invalid value: "${base64('hello')}": PEM block type must be CERTIFICATE REQUEST`,
    ],
    [{ usages: [] }, 'spec.usages: Required value'],
    [{ usages: ['any', 'any'] }, 'spec.usages[1]: Duplicate value: "any"'],
    [{ signerName: '' }, 'spec.signerName: Required value'],
    [
      { signerName: 'kubernetes.io/legacy-unknown' },
      'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
    ],
    [
      { signerName: 'signer' },
      `spec.signerName: Invalid value: "signer": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
    ],
    [
      { signerName: 'example/signer' },
      'spec.signerName: Invalid value: "example": should be a domain with at least two segments separated by dots',
    ],
    [
      { expirationSeconds: 599 },
      'spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)',
    ],
  ])('is refused with %j', async (spec, message) => {
    expect(await messageOf(create(spec))).toBe(message)
  })

  it('names usages that there are, and a signer by valid parts', async () => {
    expect(await messageOf(create({ usages: ['fun'] }))).toMatch(
      /^spec\.usages\[0\]: Unsupported value: "fun": supported values: "any", "cert sign", .*, "timestamping"$/,
    )
    expect(await messageOf(create({ signerName: 'a_b.com/signer' }))).toMatch(
      /^spec\.signerName: Invalid value: "a_b\.com": validating label "a_b": a lowercase RFC 1123 label/,
    )
  })

  it('does not make its holder an administrator', async () => {
    const masters = { request: base64(mastersRequest) }
    expect((await refusal(create({ ...masters, signerName: 'kubernetes.io/kube-apiserver-client' }))).message).toBe(
      `certificatesigningrequests.certificates.k8s.io "csr:${count}" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed`,
    )
    expect((await create(masters)).spec.request).toBe(masters.request)
  })
})

describe('the decision about a request', () => {
  it('is taken by the approval subresource alone, with its times', async () => {
    const made = await create()
    expect(await messageOf(write(made, { conditions: [condition('Approved')] }, 'status'))).toBe(
      'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
    )
    const { status } = await write(made, { conditions: [condition('Approved')] }, 'approval')
    const [approved] = status?.conditions ?? []
    expect(approved).toEqual({
      ...condition('Approved'),
      lastUpdateTime: expect.any(String),
      lastTransitionTime: approved?.lastUpdateTime,
    })
  })

  it('is one', async () => {
    const made = await create()
    expect(await messageOf(write(made, { conditions: [condition('Denied'), condition('Approved')] }, 'approval'))).toBe(
      'status.conditions[1].type: Invalid value: "Approved": Approved and Denied conditions are mutually exclusive',
    )
    expect(await messageOf(write(made, { conditions: [condition('Denied', { status: 'False' })] }, 'approval'))).toBe(
      'status.conditions[0].status: Unsupported value: "False": supported values: "True"',
    )
  })

  it('stays', async () => {
    const made = await write(await create(), { conditions: [condition('Denied')] }, 'approval')
    for (const subresource of ['approval', 'status'])
      expect(await messageOf(write(made, { conditions: [] }, subresource))).toContain(
        'status.conditions: Forbidden: updates may not remove a condition of type "Denied"',
      )
    const other = { conditions: [condition('Denied', { reason: 'Other' }), condition('Failed')] }
    expect((await write(made, other, 'status')).status?.conditions).toMatchObject([
      condition('Denied'),
      condition('Failed'),
    ])
  })
})

describe('the certificate that is issued', () => {
  const certificate = base64(issuedCertificate)

  it('is set once, by the status subresource', async () => {
    const made = await create()
    expect(await messageOf(write(made, { certificate }, 'approval'))).toBe(
      'status.certificate: Forbidden: updates may not set certificate content',
    )
    expect((await write(made, { certificate }, 'status')).status?.certificate).toBe(certificate)
    const again = base64(issuedCertificate + issuedCertificate)
    expect(await messageOf(write(made, { certificate: again }, 'status'))).toBe(
      'status.certificate: Forbidden: updates may not modify existing certificate content',
    )
  })

  it.each([
    ['hello', 'must contain at least one CERTIFICATE PEM block'],
    [kubeletRequest, 'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'],
  ])('is one', async (text, why) => {
    expect(await messageOf(write(await create(), { certificate: base64(text) }, 'status'))).toBe(
      `status.certificate: Invalid value: "<certificate data>": ${why}`,
    )
  })
})

const stranger = { user: { name: 'eve', groups: [] } } as unknown as RequestContext

it('requests are approved and signed by those who may use the signer', () => {
  const old = { metadata: { name: 'r' }, spec: good } as unknown as CertificateSigningRequest
  const approve = () => checkSigner(stranger, old, old, 'approval')
  const sign = (status: object) => () => checkSigner(stranger, { ...old, status } as never, old, 'status')
  const why = 'certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to'
  expect(approve).toThrow(`${why} approve requests with signerName "example.com/signer"`)
  expect(sign({ certificate: 'eA==' })).toThrow(`${why} sign requests with signerName "example.com/signer"`)
  expect(sign({})).not.toThrow()
})

it('bundles of a signer come from those who may speak for it', () => {
  const resource = { group: 'certificates.k8s.io', plural: 'clustertrustbundles', kind: 'ClusterTrustBundle' }
  const attest = (spec: object) => () =>
    checkAttestation(stranger, resource, { metadata: { name: 'b' }, spec } as never)
  expect(attest({ trustBundle: '' })).not.toThrow()
  expect(attest({ trustBundle: '', signerName: 'example.com/signer' })).toThrow(
    'clustertrustbundles.certificates.k8s.io "b" is forbidden: user not permitted to attest for signerName "example.com/signer"',
  )
})
