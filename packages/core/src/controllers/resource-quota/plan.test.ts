import type { KubernetesObject } from '@binnacle/apimachinery'
import {
  configMaps,
  persistentVolumeClaims,
  pods,
  type ResourceDefinition,
  type ResourceQuota,
  secrets,
  services,
} from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { isOutOfDate, planStatus } from './plan.ts'

const nowMs = Date.UTC(2026, 0, 1)

function aQuota(hard: Record<string, string>, rest: Partial<NonNullable<ResourceQuota['spec']>> = {}): ResourceQuota {
  return {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'q', namespace: 'default' },
    spec: { hard, ...rest },
  }
}

let names = 0
const object = (spec: object, rest: object = {}): KubernetesObject =>
  ({ metadata: { name: `o${++names}`, namespace: 'default' }, spec, ...rest }) as unknown as KubernetesObject
const pod = (resources: object = {}, spec: object = {}, rest: object = {}) =>
  object({ containers: [{ name: 'c', image: 'i', resources }], ...spec }, rest)

const used = (
  hard: Record<string, string>,
  resource: ResourceDefinition<any>,
  objects: readonly KubernetesObject[],
  rest: Partial<NonNullable<ResourceQuota['spec']>> = {},
) => planStatus(aQuota(hard, rest), [{ resource, objects }], nowMs)?.used

describe('planStatus', () => {
  it.each([
    [
      'requests and limits of pods, under both of their names',
      { cpu: '9', 'requests.cpu': '9', 'limits.memory': '9Gi', 'requests.memory': '1Gi', pods: '9' },
      [pod({ requests: { cpu: '250m', memory: '128Mi' }, limits: { memory: '1Gi' } }), pod({ requests: { cpu: '1' } })],
      { cpu: '1250m', 'requests.cpu': '1250m', 'limits.memory': '1Gi', 'requests.memory': '128Mi', pods: '2' },
    ],
    [
      'huge pages, devices and ephemeral storage',
      {
        'hugepages-2Mi': '9Gi',
        'requests.hugepages-2Mi': '9Gi',
        'requests.example.com/gpu': '9',
        'ephemeral-storage': '9Gi',
      },
      [pod({ requests: { 'hugepages-2Mi': '4Mi', 'example.com/gpu': '2', 'ephemeral-storage': '1Gi' } })],
      {
        'hugepages-2Mi': '4Mi',
        'requests.hugepages-2Mi': '4Mi',
        'requests.example.com/gpu': '2',
        'ephemeral-storage': '1Gi',
      },
    ],
    [
      'the greater of init containers and containers, and overhead',
      { cpu: '9' },
      [
        pod(
          { requests: { cpu: '1' } },
          {
            initContainers: [{ name: 'i', resources: { requests: { cpu: '3' } } }],
            overhead: { cpu: '100m' },
          },
        ),
      ],
      { cpu: '3100m' },
    ],
    [
      'ended pods as objects only',
      { pods: '9', 'count/pods': '9', cpu: '9' },
      [pod({ requests: { cpu: '1' } }), pod({ requests: { cpu: '1' } }, {}, { status: { phase: 'Succeeded' } })],
      { pods: '1', 'count/pods': '2', cpu: '1' },
    ],
    ['nothing as zero', { pods: '3', cpu: '1' }, [], { pods: '0', cpu: '0' }],
  ])('counts %s', (_name, hard, objects, expected) => {
    expect(used(hard, pods, objects)).toEqual(expected)
  })

  it('no longer counts a pod that should have ended: its node may be lost', () => {
    const going = (secondsAgo: number) =>
      ({
        metadata: {
          name: `p${secondsAgo}`,
          deletionTimestamp: new Date(nowMs - secondsAgo * 1000).toISOString(),
          deletionGracePeriodSeconds: 30,
        },
        spec: { containers: [] },
      }) as unknown as KubernetesObject
    expect(used({ pods: '9' }, pods, [going(29), going(31)])).toEqual({ pods: '1' })
  })

  it.each([
    ['ClusterIP', {}, { services: '1', 'services.nodeports': '0', 'services.loadbalancers': '0' }],
    ['NodePort', {}, { services: '1', 'services.nodeports': '2', 'services.loadbalancers': '0' }],
    ['LoadBalancer', {}, { services: '1', 'services.nodeports': '2', 'services.loadbalancers': '1' }],
    [
      'LoadBalancer',
      { allocateLoadBalancerNodePorts: false },
      { services: '1', 'services.nodeports': '1', 'services.loadbalancers': '1' },
    ],
  ])('counts the ports of a %s Service with %j', (type, rest, expected) => {
    const ports = [{ port: 80, nodePort: 30_080 }, { port: 81 }]
    const hard = { services: '9', 'services.nodeports': '9', 'services.loadbalancers': '9' }
    expect(used(hard, services, [object({ type, ports, ...rest })])).toEqual(expected)
  })

  it('counts claims and their storage in whole bytes, in all and by class', () => {
    const claim = (storage: string, storageClassName?: string, allocated?: string) =>
      object(
        { resources: { requests: { storage } }, storageClassName },
        allocated === undefined ? {} : { status: { allocatedResources: { storage: allocated } } },
      )
    const hard = {
      persistentvolumeclaims: '9',
      'requests.storage': '9Gi',
      'gold.storageclass.storage.k8s.io/requests.storage': '9Gi',
      'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '9',
    }
    expect(
      used(hard, persistentVolumeClaims, [claim('1Gi', 'gold'), claim('500m'), claim('1Gi', 'gold', '2Gi')]),
    ).toEqual({
      persistentvolumeclaims: '3',
      'requests.storage': '3221225473',
      'gold.storageclass.storage.k8s.io/requests.storage': '3Gi',
      'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '2',
    })
  })

  it('counts objects of any resource', () => {
    const hard = { secrets: '9', 'count/secrets': '9', 'count/configmaps': '9' }
    const counted = [
      { resource: secrets, objects: [object({}), object({})] },
      { resource: configMaps, objects: [object({})] },
    ]
    expect(planStatus(aQuota(hard), counted, nowMs)?.used).toEqual({
      secrets: '2',
      'count/secrets': '2',
      'count/configmaps': '1',
    })
  })

  const some = {
    plain: pod(),
    burstable: pod({ requests: { cpu: '1' } }),
    limited: pod({}, { activeDeadlineSeconds: 10 }),
    important: pod({ requests: { cpu: '1' } }, { priorityClassName: 'high' }),
    nosy: pod(
      { requests: { cpu: '1' } },
      { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ namespaces: ['a'] }] } } },
    ),
  }
  it.each([
    [{ scopes: ['Terminating'] }, '1'],
    [{ scopes: ['NotTerminating'] }, '4'],
    [{ scopes: ['BestEffort'] }, '2'],
    [{ scopes: ['NotBestEffort'] }, '3'],
    [{ scopes: ['NotBestEffort', 'NotTerminating'] }, '3'],
    [{ scopes: ['PriorityClass'] }, '1'],
    [{ scopes: ['CrossNamespacePodAffinity'] }, '1'],
    [{ scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] } }, '1'],
    [
      { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'NotIn', values: ['high'] }] } },
      '4',
    ],
    [{ scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'DoesNotExist' }] } }, '4'],
  ])('counts the pods within %j', (rest, count) => {
    expect(used({ pods: '9' }, pods, Object.values(some), rest)).toEqual({ pods: count })
  })

  it('counts the claims that name, have, or are on their way to an attributes class', () => {
    const claims = [
      object({ volumeAttributesClassName: 'fast' }),
      object({}, { status: { currentVolumeAttributesClassName: 'fast' } }),
      object({}, { status: { modifyVolumeStatus: { targetVolumeAttributesClassName: 'fast' } } }),
      object({ volumeAttributesClassName: 'slow' }),
      object({}),
    ]
    const matchExpressions = [{ scopeName: 'VolumeAttributesClass', operator: 'In', values: ['fast'] }]
    const hard = { persistentvolumeclaims: '9' }
    expect(used(hard, persistentVolumeClaims, claims, { scopeSelector: { matchExpressions } })).toEqual({
      persistentvolumeclaims: '3',
    })
  })

  it('keeps what is used of a resource that nothing here counts, and drops what is no longer limited', () => {
    const quota = aQuota({ 'count/widgets.example.com': '5', pods: '1' })
    quota.status = { hard: {}, used: { 'count/widgets.example.com': '3', secrets: '7' } }
    expect(planStatus(quota, [{ resource: pods, objects: [] }], nowMs)).toEqual({
      hard: { 'count/widgets.example.com': '5', pods: '1' },
      used: { 'count/widgets.example.com': '3', pods: '0' },
    })
  })

  it('changes nothing where the status is right, however its amounts are written', () => {
    const quota = aQuota({ cpu: '2' })
    quota.status = { hard: { cpu: '2' }, used: { cpu: '1' } }
    const objects = [pod({ requests: { cpu: '1000m' } })]
    expect(planStatus(quota, [{ resource: pods, objects }], nowMs)).toBeUndefined()
    expect(isOutOfDate(quota)).toBe(false)
    quota.spec = { hard: { cpu: '3' } }
    expect(isOutOfDate(quota)).toBe(true)
  })
})
