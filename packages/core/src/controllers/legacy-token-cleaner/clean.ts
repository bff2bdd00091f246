import { formatTime, keyOf, parseTime } from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { configMaps, pods, type Secret, secrets, serviceAccounts } from '@binnacle/resources'
import type { ReconcileContext, Runnable } from '../../controller.ts'
import { periodically } from '../../periodic.ts'
import { accountNameOf } from '../service-account-token/plan.ts'
import { invalidSinceLabel, unusedMs, verdictOn } from './plan.ts'

const everyMs = 24 * 3600_000
/** Says since when the API server notes the use of tokens. */
const trackingKey = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' }

/** Makes tokens in Secrets invalid that nobody has used for a year, and deletes them a year later. */
export function legacyTokenCleaner(): Runnable {
  return periodically({
    name: 'legacy-serviceaccount-token-cleaner',
    reads: [secrets, serviceAccounts, pods, configMaps],
    everyMs,
    async pass(context) {
      const since = parseTime(context.informer(configMaps).get(trackingKey)?.data?.['since'])
      // Before that time nobody knows which tokens were used.
      if (Number.isNaN(since) || since + unusedMs > context.nowMs()) return
      const writes = [...context.informer(secrets).all()].flatMap((secret) => writeFor(secret, context) ?? [])
      // What could not be written is found again by the next pass.
      if (writes.length > 0) await context.client.writeAll(writes, { atomic: false })
    },
  })
}

function writeFor(secret: Secret, context: ReconcileContext): BatchWrite | undefined {
  const name = accountNameOf(secret)
  if (name === undefined) return undefined
  const { namespace = '', uid = '', resourceVersion = '' } = secret.metadata
  const nowMs = context.nowMs()
  const account = context.informer(serviceAccounts).get({ namespace, name })
  switch (verdictOn({ secret, account, pods: context.informer(pods).inNamespace(namespace), nowMs })) {
    case 'keep':
      return undefined
    case 'invalidate': {
      const labels = { ...secret.metadata.labels, [invalidSinceLabel]: formatTime(nowMs).slice(0, 10) }
      return { verb: 'update', resource: secrets, object: { ...secret, metadata: { ...secret.metadata, labels } } }
    }
    case 'delete':
      return {
        verb: 'delete',
        resource: secrets,
        key: keyOf(secret),
        options: { preconditions: { uid, resourceVersion } },
      }
  }
}
