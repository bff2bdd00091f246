import { createVerify, generateKeyPairSync } from 'node:crypto'
import { type Secret, secrets, serviceAccounts } from '@binnacle/resources'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { legacyTokenSigner } from './legacy-token.ts'
import { serviceAccountTokenController } from './reconcile.ts'

const key = { namespace: 'default', name: 'robot' }
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const sign = legacyTokenSigner(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: () => [serviceAccountTokenController(sign, 'authority')] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const seedAccount = (references?: { name: string }[]) =>
  bench.cluster.seed(serviceAccounts, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { ...key },
    ...(references === undefined ? {} : { secrets: references }),
  })
const seedSecret = (annotations: Record<string, string> = {}) =>
  bench.cluster.seed(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      namespace: 'default',
      name: 'robot-token',
      annotations: { 'kubernetes.io/service-account.name': 'robot', ...annotations },
    },
    type: 'kubernetes.io/service-account-token',
  } as Secret)
const decoded = (field: string): string =>
  Buffer.from(bench.only(secrets).data?.[field] ?? '', 'base64').toString('utf8')

describe('the service account token controller', () => {
  it('fills a token Secret with token, namespace and authority', async () => {
    const account = seedAccount()
    seedSecret()
    await bench.start()
    expect([decoded('ca.crt'), decoded('namespace')]).toEqual(['authority', 'default'])
    const [header = '', claims = '', signature = ''] = decoded('token').split('.')
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toEqual({
      iss: 'kubernetes/serviceaccount',
      'kubernetes.io/serviceaccount/namespace': 'default',
      'kubernetes.io/serviceaccount/secret.name': 'robot-token',
      'kubernetes.io/serviceaccount/service-account.name': 'robot',
      'kubernetes.io/serviceaccount/service-account.uid': account.metadata.uid,
      sub: 'system:serviceaccount:default:robot',
    })
    const verify = createVerify('sha256').update(`${header}.${claims}`)
    const verified = verify.verify({ key: pair.publicKey, dsaEncoding: 'ieee-p1363' }, signature, 'base64url')
    expect(verified).toBe(true)
    expect(bench.only(secrets).metadata.annotations?.['kubernetes.io/service-account.uid']).toBe(account.metadata.uid)
  })

  it('makes a token again that was taken away, and leaves alone what is there', async () => {
    seedAccount()
    seedSecret()
    await bench.start()
    const first = decoded('token')
    const writes = bench.writesFromHere()
    await bench.pass(60_000)
    expect(writes()).toEqual([])
    bench.cluster.change(secrets, { ...key, name: 'robot-token' }, (secret) => void delete secret.data?.['token'])
    await bench.settle()
    expect(decoded('token').split('.')[1]).toBe(first.split('.')[1])
  })

  it('deletes the Secrets of an account that is deleted', async () => {
    seedAccount()
    seedSecret()
    await bench.start()
    await bench.cluster.delete(serviceAccounts, key)
    await bench.settle()
    expect(bench.cluster.all(secrets)).toEqual([])
  })

  it('deletes the Secret of an account that another has replaced', async () => {
    seedAccount()
    seedSecret({ 'kubernetes.io/service-account.uid': 'another' })
    await bench.start()
    expect(bench.cluster.all(secrets)).toEqual([])
  })

  it('waits for no account: a Secret without one goes', async () => {
    seedSecret()
    await bench.start()
    expect(bench.cluster.all(secrets)).toEqual([])
  })

  it('takes the reference to a deleted Secret out of the account', async () => {
    seedAccount([{ name: 'robot-token' }, { name: 'pull' }])
    seedSecret()
    await bench.start()
    await bench.cluster.delete(secrets, { ...key, name: 'robot-token' })
    await bench.settle()
    expect(bench.only(serviceAccounts).secrets).toEqual([{ name: 'pull' }])
  })

  it('leaves alone Secrets of other types', async () => {
    bench.cluster.seed(secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace: 'default', name: 'plain' },
    } as Secret)
    const writes = bench.writesFromHere()
    await bench.start()
    expect(writes()).toEqual([])
  })
})
