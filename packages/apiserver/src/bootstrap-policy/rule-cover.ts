import type { PolicyRule } from '@binnacle/resources'

/** The rules that grant something which no rule of `owned` grants, cut down to that: one verb on one resource each (rbac validation `Covers`). */
export function uncoveredRules(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(singleRules).filter((rule) => !owned.some((owner) => covers(owner, rule)))
}

// One rule for each verb, group, resource and name, or for each verb and path.
function singleRules({ apiGroups, resources, resourceNames, nonResourceURLs, verbs }: PolicyRule): PolicyRule[] {
  return verbs.flatMap((verb) => [
    ...(apiGroups ?? []).flatMap((group) =>
      (resources ?? []).flatMap((resource): PolicyRule[] => {
        const single = { apiGroups: [group], resources: [resource], verbs: [verb] }
        const names = resourceNames ?? []
        return names.length === 0 ? [single] : names.map((name) => ({ ...single, resourceNames: [name] }))
      }),
    ),
    ...(nonResourceURLs ?? []).map((url): PolicyRule => ({ nonResourceURLs: [url], verbs: [verb] })),
  ])
}

function covers(owner: PolicyRule, single: PolicyRule): boolean {
  const has = (values: readonly string[] | undefined, value: string): boolean =>
    values?.some((one) => one === '*' || one === value) === true
  if (!has(owner.verbs, single.verbs[0] as string)) return false
  const url = single.nonResourceURLs?.[0]
  if (url !== undefined) return owner.nonResourceURLs?.some((pattern) => coversPath(pattern, url)) === true
  const [group, resource, name] = [single.apiGroups?.[0], single.resources?.[0], single.resourceNames?.[0]]
  const [, part] = (resource ?? '').split('/')
  const ownsResource =
    has(owner.resources, resource as string) || (part !== undefined && owner.resources?.includes(`*/${part}`) === true)
  const names = owner.resourceNames ?? []
  return has(owner.apiGroups, group as string) && ownsResource && (names.length === 0 || names.includes(name ?? ''))
}

function coversPath(pattern: string, path: string): boolean {
  return pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)))
}
