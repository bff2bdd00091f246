import type { ContainerStatus, Pod, PodFailurePolicy, PodFailurePolicyRule } from '@binnacle/resources'

/** What a job's pod failure policy makes of a failed pod. */
export interface PodFailure {
  /** The failure counts towards the limits. */
  readonly counts: boolean
  /** Of the rule that matches; undefined where none does. */
  readonly action?: string
  /** Why the whole job fails, where it does. */
  readonly failsJob?: string
}

/** The first rule that matches decides (kube-controller-manager `pod_failure_policy.go`). */
export function matchPodFailurePolicy(policy: PodFailurePolicy | undefined, pod: Pod): PodFailure {
  for (const [index, rule] of (policy?.rules ?? []).entries()) {
    const what = matchOf(rule, pod)
    if (what === undefined) continue
    const { action } = rule
    if (action === 'Ignore') return { counts: false, action }
    if (action === 'Count' || action === 'FailIndex') return { counts: true, action }
    if (action === 'FailJob')
      return { counts: true, action, failsJob: `${what} matching ${action} rule at index ${index}` }
  }
  return { counts: true }
}

// What matches, in words; undefined where nothing does.
function matchOf(rule: PodFailurePolicyRule, pod: Pod): string | undefined {
  const name = `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`
  if (rule.onExitCodes !== undefined) {
    const { containerName, operator, values } = rule.onExitCodes
    const matches = ({ name: container, state }: ContainerStatus): boolean => {
      const code = state?.terminated?.exitCode
      if (code === undefined || code === 0 || (containerName !== undefined && containerName !== container)) return false
      return operator === 'In' ? values.includes(code) : operator === 'NotIn' && !values.includes(code)
    }
    const found = pod.status?.containerStatuses?.find(matches) ?? pod.status?.initContainerStatuses?.find(matches)
    return found === undefined
      ? undefined
      : `Container ${found.name} for pod ${name} failed with exit code ${found.state?.terminated?.exitCode}`
  }
  const condition = pod.status?.conditions?.find(({ type, status }) =>
    rule.onPodConditions?.some((pattern) => pattern.type === type && (pattern.status ?? 'True') === status),
  )
  return condition === undefined ? undefined : `Pod ${name} has condition ${condition.type}`
}
