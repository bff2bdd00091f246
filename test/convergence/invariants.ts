/**
 * What has to hold of a cluster that nobody disturbs any more, whatever happened to it before. Objects are compared with each other and with what their
 * specs ask for; nothing is known of how they came to be.
 */

/** Where the objects are that are looked at. */
export const collections = {
  namespaces: '/api/v1/namespaces',
  nodes: '/api/v1/nodes',
  pods: '/api/v1/pods',
  services: '/api/v1/services',
  endpoints: '/api/v1/endpoints',
  configMaps: '/api/v1/configmaps',
  serviceAccounts: '/api/v1/serviceaccounts',
  resourceQuotas: '/api/v1/resourcequotas',
  claims: '/api/v1/persistentvolumeclaims',
  volumes: '/api/v1/persistentvolumes',
  deployments: '/apis/apps/v1/deployments',
  replicaSets: '/apis/apps/v1/replicasets',
  statefulSets: '/apis/apps/v1/statefulsets',
  daemonSets: '/apis/apps/v1/daemonsets',
  controllerRevisions: '/apis/apps/v1/controllerrevisions',
  jobs: '/apis/batch/v1/jobs',
  cronJobs: '/apis/batch/v1/cronjobs',
  endpointSlices: '/apis/discovery.k8s.io/v1/endpointslices',
  budgets: '/apis/policy/v1/poddisruptionbudgets',
} as const

/** The name of a collection. */
export type CollectionName = keyof typeof collections
/** Every object of every collection. */
export type Snapshot = Readonly<Record<CollectionName, readonly any[]>>

/** Everything that is wrong with a cluster at rest, in words; empty when nothing is. */
export function problemsOf(snapshot: Snapshot): string[] {
  return [
    ...lifeProblems(snapshot),
    ...podProblems(snapshot),
    ...replicaProblems(snapshot),
    ...setProblems(snapshot),
    ...jobProblems(snapshot),
    ...quotaProblems(snapshot),
    ...endpointProblems(snapshot),
    ...addressProblems(snapshot),
  ]
}

/** What was written between two snapshots, in words. Nodes tell of themselves all the time. */
export function changesBetween(before: Snapshot, after: Snapshot): string[] {
  const versions = (snapshot: Snapshot): Map<string, string> =>
    new Map(
      everything(snapshot)
        .filter(({ collection }) => collection !== 'nodes')
        .map(({ collection, object }) => [`${collection} ${nameOf(object)}`, object.metadata.resourceVersion]),
    )
  const [old, now] = [versions(before), versions(after)]
  const changed = [...now].filter(([name, version]) => old.get(name) !== version).map(([name]) => `${name} was written`)
  return [...changed, ...[...old.keys()].filter((name) => !now.has(name)).map((name) => `${name} is gone`)]
}

const nameOf = ({ metadata }: any): string =>
  metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`

function everything(snapshot: Snapshot): { collection: CollectionName; object: any }[] {
  return Object.entries(snapshot).flatMap(([collection, objects]) =>
    objects.map((object) => ({ collection: collection as CollectionName, object })),
  )
}

function controlledBy(owner: any, objects: readonly any[]): any[] {
  return objects.filter(({ metadata }) =>
    metadata.ownerReferences?.some(({ uid, controller }: any) => uid === owner.metadata.uid && controller === true),
  )
}

const isOver = ({ status }: any): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed'
const isReady = ({ status }: any): boolean =>
  status?.conditions?.some(({ type, status: is }: any) => type === 'Ready' && is === 'True') === true

// Nothing hangs between being and not being, and nothing belongs to what is gone.
function lifeProblems(snapshot: Snapshot): string[] {
  const all = everything(snapshot)
  const byUid = new Map(all.map(({ object }) => [object.metadata.uid, object]))
  const names = new Set(snapshot.namespaces.map(({ metadata }) => metadata.name))
  return all.flatMap(({ collection, object }) => {
    const { deletionTimestamp, namespace, ownerReferences = [] } = object.metadata
    const what = `${collection} ${nameOf(object)}`
    const orphaned = ownerReferences.filter(({ uid, kind, name }: any) => {
      if (kind === 'Node' || kind === 'APIService') return false
      const owner = byUid.get(uid)
      return owner === undefined || owner.metadata.name !== name
    })
    return [
      ...(deletionTimestamp === undefined ? [] : [`${what} never goes`]),
      ...(namespace === undefined || names.has(namespace) ? [] : [`${what} is in no namespace`]),
      ...orphaned.map(({ kind, name }: any) => `${what} is owned by ${kind} ${name}, which is not there`),
    ]
  })
}

function podProblems({ pods, nodes, jobs, volumes, claims }: Snapshot): string[] {
  const nodeNames = new Set(nodes.map(({ metadata }) => metadata.name))
  const running = new Set(jobs.filter(({ status }) => status?.completionTime === undefined).map((j) => j.metadata.uid))
  return [
    ...pods.flatMap((pod) => {
      const what = `pods ${nameOf(pod)}`
      const { nodeName } = pod.spec
      const isTracked = pod.metadata.finalizers?.includes('batch.kubernetes.io/job-tracking') === true
      const isCounted = pod.metadata.ownerReferences?.some(({ uid }: any) => running.has(uid)) === true
      return [
        ...(nodeName === undefined || nodeNames.has(nodeName) ? [] : [`${what} is on ${nodeName}, which is gone`]),
        ...(isOver(pod) || isReady(pod) ? [] : [`${what} is ${pod.status?.phase}, and not ready`]),
        ...(isTracked && !isCounted ? [`${what} waits to be counted by nobody`] : []),
      ]
    }),
    ...claims
      .filter((claim) => isUsed(claim, pods))
      .filter(
        ({ spec, status }) => status?.phase !== 'Bound' || !volumes.some((v) => v.metadata.name === spec.volumeName),
      )
      .map((claim) => `claims ${nameOf(claim)} has no volume`),
    ...volumes
      .filter(({ spec }) => !claims.some(({ metadata }) => metadata.uid === spec.claimRef?.uid))
      .map((volume) => `volumes ${nameOf(volume)} is of no claim`),
  ]
}

// A claim whose pod went before it was placed waits for the next one.
function isUsed({ metadata }: any, pods: readonly any[]): boolean {
  return pods.some(
    (pod) =>
      pod.metadata.namespace === metadata.namespace &&
      pod.spec.volumes?.some((volume: any) => volume.persistentVolumeClaim?.claimName === metadata.name),
  )
}

/** Namespaces in which a quota may keep pods from being made. */
const limited = ({ resourceQuotas }: Snapshot): ReadonlySet<string> =>
  new Set(resourceQuotas.map(({ metadata }) => metadata.namespace))

function replicaProblems(snapshot: Snapshot): string[] {
  const { deployments, replicaSets, pods } = snapshot
  const isLimited = limited(snapshot)
  const sets = replicaSets.flatMap((set) => {
    const owned = controlledBy(set, pods).filter((pod) => !isOver(pod)).length
    const what = `replicaSets ${nameOf(set)}`
    return [
      ...differs(what, 'status.replicas', set.status?.replicas ?? 0, owned),
      ...(isLimited.has(set.metadata.namespace) ? [] : differs(what, 'pods', owned, set.spec.replicas)),
    ]
  })
  const whole = deployments.flatMap((deployment) => {
    const { spec, status = {}, metadata } = deployment
    const what = `deployments ${nameOf(deployment)}`
    const owned = controlledBy(deployment, replicaSets)
    const active = owned.filter((set) => set.spec.replicas > 0)
    const generation = differs(what, 'status.observedGeneration', status.observedGeneration, metadata.generation)
    if (isLimited.has(metadata.namespace)) return generation
    return [
      ...generation,
      ...(active.length > 1 ? [`${what} has ${active.length} ReplicaSets at once`] : []),
      ...['replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas'].flatMap((field) =>
        differs(what, `status.${field}`, status[field] ?? 0, spec.replicas),
      ),
    ]
  })
  return [...sets, ...whole]
}

function differs(what: string, field: string, is: unknown, wanted: unknown): string[] {
  return is === wanted ? [] : [`${what}: ${field} is ${String(is)} instead of ${String(wanted)}`]
}

function setProblems({ statefulSets, daemonSets, pods, claims, nodes }: Snapshot): string[] {
  const stateful = statefulSets.flatMap((set) => {
    const { name, namespace, generation } = set.metadata
    const { replicas, volumeClaimTemplates = [] } = set.spec
    const wanted = Array.from({ length: replicas }, (_, ordinal) => `${name}-${ordinal}`)
    const what = `statefulSets ${nameOf(set)}`
    const names = controlledBy(set, pods).map(({ metadata }) => metadata.name)
    const missing = volumeClaimTemplates.flatMap((template: any) =>
      wanted
        .map((pod) => `${template.metadata.name}-${pod}`)
        .filter((claim) => !claims.some(({ metadata }) => metadata.namespace === namespace && metadata.name === claim)),
    )
    return [
      ...differs(what, 'pods', names.toSorted().join(' '), wanted.toSorted().join(' ')),
      ...differs(what, 'status.readyReplicas', set.status?.readyReplicas ?? 0, replicas),
      ...differs(what, 'status.observedGeneration', set.status?.observedGeneration, generation),
      ...missing.map((claim: string) => `${what} lacks the claim ${claim}`),
    ]
  })
  const daemons = daemonSets.flatMap((set) => {
    const what = `daemonSets ${nameOf(set)}`
    const on = controlledBy(set, pods).map(({ spec }) => spec.nodeName)
    const wanted = nodes.map(({ metadata }) => metadata.name)
    return [
      ...differs(what, 'nodes', on.toSorted().join(' '), wanted.toSorted().join(' ')),
      ...differs(what, 'status.numberReady', set.status?.numberReady, wanted.length),
      ...differs(what, 'status.updatedNumberScheduled', set.status?.updatedNumberScheduled, wanted.length),
    ]
  })
  return [...stateful, ...daemons]
}

const indexAnnotation = 'batch.kubernetes.io/job-completion-index'

function jobProblems({ jobs, cronJobs, pods }: Snapshot): string[] {
  const runs = jobs.flatMap((job) => {
    const what = `jobs ${nameOf(job)}`
    const { completions = 1, completionMode } = job.spec
    const owned = controlledBy(job, pods).filter(({ status }) => status?.phase !== 'Failed')
    const indexes = owned.map(({ metadata }) => metadata.annotations?.[indexAnnotation])
    const isDoubled = completionMode === 'Indexed' && new Set(indexes).size !== indexes.length
    const isFinished = job.status?.conditions?.some(
      ({ type, status }: any) => (type === 'Complete' || type === 'Failed') && status === 'True',
    )
    const { uncountedTerminatedPods: uncounted = {} } = job.status ?? {}
    return [
      ...(isDoubled ? [`${what} has an index twice: ${indexes.toSorted().join(' ')}`] : []),
      ...(isFinished === true ? [] : [`${what} never ends`]),
      ...((job.status?.failed ?? 0) > 0 ? [] : differs(what, 'status.succeeded', job.status?.succeeded, completions)),
      ...((uncounted.succeeded ?? uncounted.failed) === undefined ? [] : [`${what} has pods that are not counted`]),
    ]
  })
  const schedules = cronJobs.flatMap((cronJob) => {
    const owned = controlledBy(cronJob, jobs)
    const times = owned.map(({ metadata }) => metadata.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp'])
    const what = `cronJobs ${nameOf(cronJob)}`
    return [
      ...(new Set(times).size === times.length ? [] : [`${what} has run twice at one time: ${times.join(' ')}`]),
      ...((cronJob.status?.active ?? []).length === 0 ? [] : [`${what} says that a job still runs`]),
    ]
  })
  return [...runs, ...schedules]
}

function quotaProblems({ resourceQuotas, pods, configMaps }: Snapshot): string[] {
  return resourceQuotas.flatMap((quota) => {
    const inQuota = ({ metadata }: any): boolean => metadata.namespace === quota.metadata.namespace
    const counts: Record<string, number> = {
      pods: pods.filter((pod) => inQuota(pod) && !isOver(pod)).length,
      'count/configmaps': configMaps.filter(inQuota).length,
    }
    const what = `resourceQuotas ${nameOf(quota)}`
    return Object.entries(quota.spec.hard as Record<string, string>).flatMap(([name, hard]) => {
      const count = counts[name] ?? 0
      return [
        ...differs(what, `status.used ${name}`, quota.status?.used?.[name], String(count)),
        ...(count > Number(hard) ? [`${what}: ${count} ${name} are more than ${hard}`] : []),
      ]
    })
  })
}

function endpointProblems({ services, pods, endpointSlices, endpoints }: Snapshot): string[] {
  const sorted = (addresses: readonly string[]): string => addresses.toSorted().join(' ')
  return services.flatMap((service) => {
    const { selector } = service.spec
    if (selector === undefined) return []
    const here = ({ metadata }: any): boolean => metadata.namespace === service.metadata.namespace
    const wanted = pods.filter(
      (pod) =>
        here(pod) &&
        isReady(pod) &&
        Object.entries(selector).every(([label, value]) => pod.metadata.labels?.[label] === value),
    )
    const sliced = endpointSlices
      .filter((slice) => here(slice) && slice.metadata.labels?.['kubernetes.io/service-name'] === service.metadata.name)
      .flatMap((slice) => (slice.endpoints ?? []).filter(({ conditions }: any) => conditions?.ready === true))
      .flatMap((endpoint: any) => endpoint.addresses)
    const listed = endpoints
      .filter((object) => here(object) && object.metadata.name === service.metadata.name)
      .flatMap(({ subsets = [] }) => subsets.flatMap(({ addresses = [] }: any) => addresses.map(({ ip }: any) => ip)))
    const addresses = sorted(wanted.map(({ status }) => status.podIP))
    const what = `services ${nameOf(service)}`
    return [
      ...differs(what, 'addresses in EndpointSlices', sorted(sliced), addresses),
      ...differs(what, 'addresses in Endpoints', sorted(listed), addresses),
    ]
  })
}

function addressProblems({ services, pods }: Snapshot): string[] {
  const own = pods.filter((pod) => !isOver(pod) && pod.spec.hostNetwork !== true)
  return [
    ...doubled(own.map((pod) => [pod.status?.podIP, `pods ${nameOf(pod)}`])),
    ...doubled(
      services
        .filter(({ spec }) => spec.clusterIP !== 'None')
        .map((service) => [service.spec.clusterIP, `services ${nameOf(service)}`]),
    ),
    ...doubled(
      services.flatMap((service) =>
        (service.spec.ports ?? [])
          .filter(({ nodePort }: any) => nodePort !== undefined)
          .map(({ nodePort }: any): [string, string] => [`port ${nodePort}`, `services ${nameOf(service)}`]),
      ),
    ),
  ]
}

function doubled(owners: readonly (readonly [address: string | undefined, owner: string])[]): string[] {
  const byAddress = Map.groupBy(owners, ([address]) => address ?? 'no address')
  return [...byAddress]
    .filter(([address, having]) => having.length > 1 || address === 'no address')
    .map(([address, having]) => `${having.map(([, owner]) => owner).join(', ')} have ${address}`)
}
