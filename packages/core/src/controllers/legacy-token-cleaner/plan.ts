import { parseTime } from '@binnacle/apimachinery'
import type { Pod, Secret, ServiceAccount } from '@binnacle/resources'

/** The label by which the API server says on which day a token was used last. */
export const lastUsedLabel = 'kubernetes.io/legacy-token-last-used'
/** The label that makes a token invalid, with the day from which on it is. */
export const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since'
/** How long a token may be unused before it is invalid, and then again before it goes (`--legacy-service-account-token-clean-up-period`). */
export const unusedMs = 365 * 24 * 3600_000

/** What is to become of a token's Secret. */
export type Verdict = 'keep' | 'invalidate' | 'delete'

/** What the verdict on a Secret is found from. */
export interface TokenUse {
  readonly secret: Secret
  /** The account that the token is for, if it is there. */
  readonly account: ServiceAccount | undefined
  /** Pods of the Secret's namespace. */
  readonly pods: readonly Pod[]
  readonly nowMs: number
}

/**
 * Decides (`legacy_serviceaccount_token_cleaner.go`). Only tokens that the cluster once made by itself are cleaned up: those that their account
 * names. What people have made, and what a pod mounts, stays.
 */
export function verdictOn({ secret, account, pods, nowMs }: TokenUse): Verdict {
  const { name, labels = {}, creationTimestamp, deletionTimestamp } = secret.metadata
  const isRecent = (time: string | undefined): boolean => parseTime(time) + unusedMs > nowMs
  if (deletionTimestamp !== undefined || isRecent(creationTimestamp)) return 'keep'
  if (account?.secrets?.some((reference) => reference.name === name) !== true) return 'keep'
  if (pods.some((pod) => mounts(pod, name))) return 'keep'
  if (isRecent(labels[lastUsedLabel])) return 'keep'
  const invalidSinceMs = parseTime(labels[invalidSinceLabel])
  if (Number.isNaN(invalidSinceMs)) return 'invalidate'
  return invalidSinceMs + unusedMs > nowMs ? 'keep' : 'delete'
}

function mounts({ spec }: Pod, secretName: string): boolean {
  return (spec?.volumes ?? []).some(
    (volume) =>
      volume.secret?.secretName === secretName ||
      volume.projected?.sources?.some((source) => source.secret?.name === secretName) === true,
  )
}
