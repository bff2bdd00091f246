import { describe, expect, it } from 'vitest'
import type { AnyObject } from './live-object.ts'
import { referencesOf, relatedTo, selectorText } from './relations.ts'

const object = (kind: string, spec: Record<string, unknown>, rest: Record<string, unknown> = {}): AnyObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '1' },
  spec,
  ...rest,
})

describe('selectorText', () => {
  it('writes labels and expressions as kubectl reads them', () => {
    const selector = {
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['a', 'b'] },
        { key: 'zone', operator: 'NotIn', values: ['x'] },
        { key: 'owned', operator: 'Exists' },
        { key: 'old', operator: 'DoesNotExist' },
      ],
    }
    expect(selectorText(selector)).toBe('app=web,tier in (a,b),zone notin (x),owned,!old')
  })

  it('has no text for an empty selector, which would mean everything', () => {
    expect(selectorText({})).toBeUndefined()
    expect(selectorText(undefined)).toBeUndefined()
  })
})

describe('relatedTo', () => {
  it('finds the ReplicaSets and pods of a Deployment by its selector', () => {
    const related = relatedTo(object('Deployment', { selector: { matchLabels: { app: 'web' } } }))
    expect(related.map(({ resource, namespaces, labelSelector }) => [resource, namespaces, labelSelector])).toEqual([
      ['replicasets.apps', ['shop'], 'app=web'],
      ['pods', ['shop'], 'app=web'],
    ])
  })

  it('finds the pods and slices of a Service, and only slices when it has no selector', () => {
    expect(relatedTo(object('Service', { selector: { app: 'web' } })).map((each) => each.labelSelector)).toEqual([
      'app=web',
      'kubernetes.io/service-name=web',
    ])
    expect(relatedTo(object('Service', {})).map((each) => each.resource)).toEqual(['endpointslices.discovery.k8s.io'])
  })

  it('finds the pods of a node in all namespaces', () => {
    expect(relatedTo(object('Node', {}))).toMatchObject([{ namespaces: [], fieldSelector: 'spec.nodeName=web' }])
  })
})

describe('referencesOf', () => {
  it('names what a pod runs on and takes its configuration from, each once', () => {
    const spec = {
      nodeName: 'sim-1',
      serviceAccountName: 'default',
      containers: [
        {
          envFrom: [{ configMapRef: { name: 'settings' } }, { secretRef: { name: 'keys' } }],
          env: [{ valueFrom: { secretKeyRef: { name: 'keys', key: 'a' } } }, { value: 'plain' }],
        },
      ],
      volumes: [
        { persistentVolumeClaim: { claimName: 'data' } },
        { projected: { sources: [{ configMap: { name: 'root-ca' } }] } },
        { emptyDir: {} },
      ],
    }
    expect(referencesOf(object('Pod', spec)).map(({ role, name }) => `${role} ${name}`)).toEqual([
      'Node sim-1',
      'ServiceAccount default',
      'ConfigMap settings',
      'Secret keys',
      'Claim data',
      'ConfigMap root-ca',
    ])
  })

  it('reads the template of a workload and the job template of a CronJob', () => {
    const template = { spec: { volumes: [{ secret: { secretName: 'keys' } }] } }
    expect(referencesOf(object('Deployment', { template })).map((each) => each.name)).toEqual(['keys'])
    expect(referencesOf(object('CronJob', { jobTemplate: { spec: { template } } })).map((each) => each.name)).toEqual([
      'keys',
    ])
  })

  it('names the target of an autoscaler and the role of a binding', () => {
    const target = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'front' } }
    expect(referencesOf(object('HorizontalPodAutoscaler', target))).toEqual([
      { role: 'Scales', resource: 'deployments.apps', namespace: 'shop', name: 'front' },
    ])
    expect(referencesOf(object('RoleBinding', {}, { roleRef: { kind: 'ClusterRole', name: 'view' } }))).toMatchObject([
      { resource: 'clusterroles.rbac.authorization.k8s.io', namespace: '', name: 'view' },
    ])
  })
})
