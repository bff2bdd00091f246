import { configMaps, type Pod, pods, type Secret, secrets, serviceAccounts } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { legacyTokenCleaner } from './clean.ts'
import { verdictOn } from './plan.ts'

const nowMs = Date.UTC(2030, 0, 1)

function aToken(labels: Record<string, string> = {}, over: Partial<Secret['metadata']> = {}): Secret {
  const annotations = { 'kubernetes.io/service-account.name': 'robot' }
  const metadata = {
    namespace: 'default',
    name: 'token',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels,
    annotations,
  }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...metadata, ...over },
    type: 'kubernetes.io/service-account-token',
  } as Secret
}
const account = (...names: string[]) => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { namespace: 'default', name: 'robot' },
  secrets: names.map((name) => ({ name })),
})
function mounting(volume: object): Pod {
  const pod = aPod()
  return { ...pod, spec: { ...pod.spec, volumes: [{ name: 'v', ...volume }] } as NonNullable<Pod['spec']> }
}

describe('verdictOn', () => {
  const used = 'kubernetes.io/legacy-token-last-used'
  const invalid = 'kubernetes.io/legacy-token-invalid-since'
  it.each<[string, Secret, string]>([
    ['never used', aToken(), 'invalidate'],
    ['used long ago', aToken({ [used]: '2028-06-01' }), 'invalidate'],
    ['used this year', aToken({ [used]: '2029-06-01' }), 'keep'],
    ['new', aToken({}, { creationTimestamp: '2029-06-01T00:00:00Z' }), 'keep'],
    ['invalid for less than a year', aToken({ [invalid]: '2029-06-01' }), 'keep'],
    ['invalid for more than a year', aToken({ [invalid]: '2028-06-01' }), 'delete'],
    ['invalid but used again', aToken({ [invalid]: '2028-06-01', [used]: '2029-06-01' }), 'keep'],
  ])('on a token that is %s is to %3$s it', (_, secret, verdict) => {
    expect(verdictOn({ secret, account: account('token'), pods: [], nowMs })).toBe(verdict)
  })

  it('is to keep what people have made', () => {
    expect(verdictOn({ secret: aToken(), account: account('other'), pods: [], nowMs })).toBe('keep')
    expect(verdictOn({ secret: aToken(), account: undefined, pods: [], nowMs })).toBe('keep')
  })

  it.each([
    ['by itself', { secret: { secretName: 'token' } }],
    ['among others', { projected: { sources: [{ secret: { name: 'token' } }] } }],
  ])('is to keep what a pod mounts %s', (_, volume) => {
    expect(verdictOn({ secret: aToken(), account: account('token'), pods: [mounting(volume)], nowMs })).toBe('keep')
  })
})

describe('the cleaner of old tokens', () => {
  let bench: ControllerBench
  beforeEach(() => {
    vi.useFakeTimers({ now: nowMs })
    bench = new ControllerBench({ controllers: [], runnables: () => [legacyTokenCleaner()] })
    bench.cluster.seed(secrets, aToken())
    bench.cluster.seed(serviceAccounts, account('token'))
    bench.cluster.seed(pods, aPod())
  })
  afterEach(async () => {
    await bench.stop()
    vi.useRealTimers()
  })
  const track = (since: string): unknown =>
    bench.cluster.seed(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' },
      data: { since },
    })

  it('makes an unused token invalid, and deletes it a year later', async () => {
    track('2026-01-01')
    await bench.start()
    expect(bench.only(secrets).metadata.labels).toEqual({ 'kubernetes.io/legacy-token-invalid-since': '2030-01-01' })
    vi.setSystemTime(nowMs + 366 * 24 * 3600_000)
    await bench.pass(24 * 3600_000)
    expect(bench.cluster.all(secrets)).toEqual([])
  })

  it.each([[undefined], ['2029-06-01']])('does nothing while use has been noted since %s', async (since) => {
    if (since !== undefined) track(since)
    await bench.start()
    expect(bench.only(secrets).metadata.labels).toEqual({})
  })
})
