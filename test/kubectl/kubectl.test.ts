import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, kubectlPath, type Product, startProduct } from '../fixtures/product.ts'

/** What people do with kubectl all day, each command as they type it. */

let product: Product
let folder: string

beforeAll(async () => {
  if (kubectlPath === undefined) return
  folder = mkdtempSync(path.join(tmpdir(), 'binnacle-kubectl-'))
  product = startProduct(['--simulated-nodes', '3', '--no-dashboard'])
  await eventually(() => product.kubectl('get', 'serviceaccount', 'default'))
}, 240_000)
afterAll(() => {
  product?.remove()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

const kubectl = (command: string, ...more: string[]): Promise<string> => product.kubectl(...command.split(' '), ...more)
const refusal = (command: string, ...more: string[]): Promise<string> =>
  kubectl(command, ...more).then(
    (output) => `not refused: ${output}`,
    (error: Error) => error.message,
  )
const json = async (command: string): Promise<any> => JSON.parse(await kubectl(`${command} -o json`))

/** Writes a manifest and gives its path. */
function manifest(name: string, object: object): string {
  const file = path.join(folder, `${name}.json`)
  writeFileSync(file, JSON.stringify(object))
  return file
}

const labels = (app: string) => ({ app })
function deployment(name: string, spec: { replicas?: number; image?: string } = {}): string {
  const { image = 'nginx:1.27', ...rest } = spec
  return manifest(name, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      ...rest,
      selector: { matchLabels: labels(name) },
      template: { metadata: { labels: labels(name) }, spec: { containers: [{ name: 'web', image }] } },
    },
  })
}
const configMap = (name: string, data: Record<string, string>): string =>
  manifest(name, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data })

describe.skipIf(kubectlPath === undefined)('kubectl apply --server-side', () => {
  it('creates, says nothing is new, and prunes what is left out', async () => {
    const apply = 'apply --server-side -f'
    expect(await kubectl(apply, configMap('ssa', { a: '1', b: '1' }))).toBe('configmap/ssa serverside-applied\n')
    const { metadata } = await json('get configmap ssa')
    expect(await kubectl(apply, configMap('ssa', { a: '1', b: '1' }))).toBe('configmap/ssa serverside-applied\n')
    expect((await json('get configmap ssa')).metadata.resourceVersion).toBe(metadata.resourceVersion)
    await kubectl(apply, configMap('ssa', { a: '1' }))
    expect((await json('get configmap ssa')).data).toEqual({ a: '1' })
  })

  it('shows who owns what', async () => {
    const { metadata } = await json('get configmap ssa --show-managed-fields')
    expect(metadata.managedFields).toEqual([
      {
        manager: 'kubectl',
        operation: 'Apply',
        apiVersion: 'v1',
        time: expect.any(String),
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:data': { 'f:a': {} } },
      },
    ])
  })

  it('stops at what others own, and takes it with --force-conflicts', async () => {
    const file = configMap('ssa', { a: '2' })
    const apply = 'apply --server-side --field-manager=other'
    const conflict = await refusal(`${apply} -f`, file)
    expect(conflict).toContain('Apply failed with 1 conflict: conflict with "kubectl": .data.a')
    expect(conflict).toContain('Please review the fields above--they currently have other managers.')
    await kubectl(`${apply} --force-conflicts -f`, file)
    expect((await json('get configmap ssa')).data).toEqual({ a: '2' })
  })

  it('takes over from client-side apply', async () => {
    await kubectl('apply -f', deployment('migrated', { replicas: 1 }))
    expect(await kubectl('apply --server-side -f', deployment('migrated', { replicas: 2 }))).toBe(
      'deployment.apps/migrated serverside-applied\n',
    )
    const { spec, metadata } = await json('get deployment migrated --show-managed-fields')
    expect(spec.replicas).toBe(2)
    const appliers = metadata.managedFields.filter(({ operation }: { operation: string }) => operation === 'Apply')
    expect(appliers.map(({ manager }: { manager: string }) => manager).sort()).toEqual([
      'kubectl',
      'kubectl-last-applied',
    ])
    expect(metadata.managedFields.map(({ manager }: { manager: string }) => manager)).not.toContain(
      'kubectl-client-side-apply',
    )
  })

  it('shows a difference without making it', async () => {
    // What its controller still reports would be a difference, too.
    await kubectl('rollout status deployment migrated')
    const difference = await refusal('diff --server-side -f', deployment('migrated', { replicas: 3 }))
    // diff ends with 1 where there is a difference; its text is on standard output, which the error does not carry.
    expect(difference).not.toContain('not refused')
    expect((await json('get deployment migrated')).spec.replicas).toBe(2)
    expect(await kubectl('diff --server-side -f', deployment('migrated', { replicas: 2 }))).toBe('')
  })
})

describe.skipIf(kubectlPath === undefined)('kubectl', () => {
  it('edits with an editor', async () => {
    await kubectl('create configmap edited --from-literal=colour=blue')
    const editor = process.env['KUBE_EDITOR']
    process.env['KUBE_EDITOR'] = 'sed -i s/blue/green/'
    try {
      expect(await kubectl('edit configmap edited')).toBe('configmap/edited edited\n')
    } finally {
      if (editor === undefined) delete process.env['KUBE_EDITOR']
      else process.env['KUBE_EDITOR'] = editor
    }
    expect((await json('get configmap edited')).data).toEqual({ colour: 'green' })
  })

  it('says once what a field selector cannot select', async () => {
    expect(await refusal('get pods --field-selector=spec.colour=blue')).toContain(
      'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "", field selector "spec.colour=blue": field label not supported: spec.colour\n',
    )
  })

  it('explains fields with the quotes that their documentation has', async () => {
    expect(await kubectl('explain deployment.spec.strategy.type')).toContain('Can be "Recreate" or "RollingUpdate"')
  })

  it('says why it cannot run a command where there are no containers', async () => {
    await kubectl('run shell --image=busybox:1.36')
    await kubectl('wait pod/shell --for=condition=Ready --timeout=60s')
    const exec = await refusal('exec shell -- true')
    expect(exec).toContain('exec of "shell": its node has no container runtime (a simulated node)')
  })

  it('patches in each of the three ways, and through scale', async () => {
    await kubectl('create -f', deployment('patched'))
    const patch = (type: string, body: unknown): Promise<string> =>
      kubectl(`patch deployment patched --type=${type} -p`, JSON.stringify(body))
    await patch('strategic', {
      spec: { template: { spec: { containers: [{ name: 'web', env: [{ name: 'A', value: '1' }] }] } } },
    })
    await patch('merge', { spec: { replicas: 2 } })
    await patch('json', [{ op: 'add', path: '/metadata/labels', value: { colour: 'blue' } }])
    await kubectl('patch deployment patched --subresource=scale --type=merge -p', '{"spec":{"replicas":3}}')
    const { metadata, spec } = await json('get deployment patched')
    expect(metadata.labels).toEqual({ colour: 'blue' })
    expect([spec.replicas, spec.template.spec.containers[0].image]).toEqual([3, 'nginx:1.27'])
    expect(spec.template.spec.containers[0].env).toEqual([{ name: 'A', value: '1' }])
  })

  it('deletes owners with their dependents, without them, or after them', async () => {
    const pods = async (app: string): Promise<string[]> =>
      (await json(`get pods -l app=${app}`)).items.map((pod: any) => pod.metadata.name)
    for (const name of ['background', 'orphan', 'foreground']) {
      await kubectl('create -f', deployment(name, { replicas: 2 }))
      await kubectl(`rollout status deployment/${name} --timeout=60s`)
    }
    await kubectl('delete deployment foreground --cascade=foreground --timeout=60s')
    expect(await pods('foreground')).toEqual([])
    await kubectl('delete deployment orphan --cascade=orphan')
    expect((await json('get replicasets -l app=orphan')).items).toHaveLength(1)
    expect(await pods('orphan')).toHaveLength(2)
    await kubectl('delete deployment background')
    await eventually(async () => expect(await pods('background')).toEqual([]))
  })

  it('drains a node, and lets it be used again', async () => {
    await kubectl('drain sim-0 --ignore-daemonsets --delete-emptydir-data --force --timeout=60s')
    expect((await json('get pods -A --field-selector=spec.nodeName=sim-0')).items).toEqual([])
    expect(await kubectl('get node sim-0')).toContain('Ready,SchedulingDisabled')
    await kubectl('uncordon sim-0')
    await kubectl('taint node sim-0 colour=blue:NoSchedule')
    expect((await json('get node sim-0')).spec.taints).toEqual([{ key: 'colour', value: 'blue', effect: 'NoSchedule' }])
    await kubectl('taint node sim-0 colour-')
    expect((await json('get node sim-0')).spec.taints).toBeUndefined()
  })

  it('waits for conditions, fields and ends', async () => {
    await kubectl('run waited --image=busybox:1.36')
    expect(await kubectl('wait pod/waited --for=condition=Ready --timeout=60s')).toBe('pod/waited condition met\n')
    expect(await kubectl('wait pod/waited --for=jsonpath={.status.phase}=Running --timeout=60s')).toContain('met')
    await kubectl('delete pod waited --wait=false')
    // It says nothing when the pod is gone already.
    await kubectl('wait pod/waited --for=delete --timeout=60s')
    expect(await refusal('get pod waited')).toContain('pods "waited" not found')
  })
})

describe.skipIf(kubectlPath === undefined)('what kubectl is refused or warned of', () => {
  it('is a pod that breaks the standard of its namespace', async () => {
    await kubectl('create namespace hardened')
    await kubectl('label namespace hardened pod-security.kubernetes.io/enforce=restricted')
    expect(await refusal('run plain -n hardened --image=nginx')).toMatch(
      /pods "plain" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false \(container "plain" must set securityContext\.allowPrivilegeEscalation=false\)/,
    )
    expect(await refusal('label namespace hardened --overwrite pod-security.kubernetes.io/enforce=strict')).toContain(
      'must be one of privileged, baseline, restricted',
    )
  })

  it('is what a policy does not allow', async () => {
    const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }
    const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': 'policed' } }
    const policy = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: 'short' },
      spec: {
        matchConstraints: { resourceRules: [rule], namespaceSelector },
        validations: [{ expression: 'object.data.all(key, size(object.data[key]) <= 3)', message: 'values are short' }],
      },
    }
    const binding = {
      ...policy,
      kind: 'ValidatingAdmissionPolicyBinding',
      spec: { policyName: 'short', validationActions: ['Deny'] },
    }
    await kubectl('create namespace policed')
    await kubectl('apply -f', manifest('policy', policy))
    await kubectl('apply -f', manifest('binding', binding))
    await kubectl('create configmap fits -n policed --from-literal=a=abc')
    expect(await refusal('create configmap long -n policed --from-literal=a=abcd')).toContain(
      `configmaps "long" is forbidden: ValidatingAdmissionPolicy 'short' with binding 'short' denied request: values are short`,
    )
    await kubectl('delete validatingadmissionpolicybinding short')
    await kubectl('create configmap long -n policed --from-literal=a=abcd')
  })
})
