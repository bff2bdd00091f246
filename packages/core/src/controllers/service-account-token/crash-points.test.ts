import { generateKeyPairSync } from 'node:crypto'
import { configMaps, type Secret, secrets, serviceAccounts } from '@binnacle/resources'
import { describe, it } from 'vitest'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { legacyTokenCleaner } from '../legacy-token-cleaner/clean.ts'
import { legacyTokenSigner } from './legacy-token.ts'
import { serviceAccountTokenController } from './reconcile.ts'

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const sign = legacyTokenSigner(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
const dayMs = 24 * 3600_000

const aToken = (name: string, account: string): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace: 'default', name, annotations: { 'kubernetes.io/service-account.name': account } },
  type: 'kubernetes.io/service-account-token',
})

/** Tokens are filled; an account goes, and its token with it; an unused token grows old, becomes invalid, and goes. */
const scenario: Scenario = {
  controllers: () => [serviceAccountTokenController(sign, 'authority')],
  runnables: () => [legacyTokenCleaner()],
  compares: [secrets, serviceAccounts],
  // As upstream, who has missed a deletion cannot tell a reference that is left over from one that waits for its Secret.
  ignores: ['secrets', 'token', 'kubernetes.io/service-account.uid', 'kubernetes.io/legacy-token-invalid-since'],
  async run(bench) {
    const { cluster } = bench
    cluster.seed(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' },
      data: { since: '2024-01-01' },
    })
    for (const [name, references] of Object.entries({ robot: [{ name: 'auto' }], temporary: [] }))
      cluster.seed(serviceAccounts, {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { namespace: 'default', name },
        secrets: references,
      })
    for (const [name, account] of [
      ['auto', 'robot'],
      ['manual', 'robot'],
      ['temporary-token', 'temporary'],
    ] as const)
      cluster.seed(secrets, aToken(name, account))
    await bench.start()
    cluster.remove(serviceAccounts, { namespace: 'default', name: 'temporary' })
    await bench.pass(10_000)
    cluster.change(secrets, { namespace: 'default', name: 'manual' }, (secret) => void delete secret.data?.['token'])
    await bench.pass(10_000)
    for (let step = 0; step < 3; step++) await bench.pass(300 * dayMs)
  },
}

describe('tokens of ServiceAccounts', () => {
  it('end the same wherever the controllers are killed', () => expectSameEndWhereverKilled(scenario))
  it('end the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3]))
})
