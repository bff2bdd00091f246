import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import {
  bindCompletedAnnotation,
  boundByControllerAnnotation,
  provisionedByAnnotation,
  selectedNodeAnnotation,
} from '../../volumes/volume-annotations.ts'
import { aClaim, aStorageClass, aVolume } from '../../volumes/volume-objects.ts'
import { type ClaimPlan, type ClaimView, planClaim, planReclaim, planVolume, type VolumePlan } from './plan.ts'

interface Around {
  readonly volumes?: readonly PersistentVolume[]
  readonly classes?: readonly StorageClass[]
  readonly defaultClassName?: string
  readonly pods?: readonly string[]
}

function viewOf({ volumes = [], classes = [], defaultClassName, pods = [] }: Around): ClaimView {
  return {
    volumes,
    takenVolumes: new Set(['taken']),
    volume: (name) => volumes.find((volume) => volume.metadata.name === name),
    storageClass: (name) => classes.find((storageClass) => storageClass.metadata.name === name),
    defaultClassName,
    unscheduledPods: () => pods,
  }
}

function outline(plan: ClaimPlan): string {
  switch (plan.kind) {
    case 'bind':
      return `bind ${plan.volume.metadata.name}`
    case 'pend':
      return plan.event === undefined ? 'pend' : `pend ${plan.event.reason}: ${plan.event.message}`
    case 'setClass':
      return `class ${plan.className}`
    case 'provision':
      return `provision ${plan.provisioner}`
    default:
      return `${plan.kind} ${plan.event.reason}: ${plan.event.message}`
  }
}

const standard = aStorageClass()
const annotated = (...names: string[]) => ({ annotations: Object.fromEntries(names.map((name) => [name, 'yes'])) })
const refTo = (claim: PersistentVolumeClaim, uid = claim.metadata.uid) => ({
  kind: 'PersistentVolumeClaim',
  namespace: 'default',
  name: claim.metadata.name,
  ...(uid === undefined ? {} : { uid }),
})
const sized = (storage: string) => ({ capacity: { storage } })

const unbound: [fact: string, PersistentVolumeClaim, Around, string][] = [
  [
    'takes the smallest volume that is large enough',
    aClaim(),
    {
      volumes: [
        aVolume('tiny', { spec: sized('1Mi') }),
        aVolume('big', { spec: sized('9Gi') }),
        aVolume('fit', { spec: sized('2Gi') }),
      ],
    },
    'bind fit',
  ],
  [
    'prefers a volume with fewer access modes to a smaller one',
    aClaim(),
    {
      volumes: [
        aVolume('many', { spec: { accessModes: ['ReadWriteOnce', 'ReadOnlyMany'] } }),
        aVolume('one', { spec: sized('5Gi') }),
      ],
    },
    'bind one',
  ],
  [
    'takes the volume reserved for it before any other',
    aClaim(),
    {
      volumes: [
        aVolume('small'),
        aVolume('mine', { spec: { ...sized('50Gi'), claimRef: { namespace: 'default', name: 'data' } } }),
      ],
    },
    'bind mine',
  ],
  [
    'takes no volume reserved for another',
    aClaim(),
    { volumes: [aVolume('theirs', { spec: { claimRef: { namespace: 'default', name: 'other' } } })] },
    'cannotProvision ProvisioningFailed: storageclass.storage.k8s.io "manual" not found',
  ],
  [
    'takes no volume of the same name but an older claim',
    aClaim(),
    { volumes: [aVolume('old', { spec: { claimRef: refTo(aClaim(), 'gone') } })], classes: [aStorageClass('manual')] },
    'pend WaitForFirstConsumer: waiting for first consumer to be created before binding',
  ],
  [
    'takes only volumes whose labels it selects',
    aClaim('data', { spec: { selector: { matchLabels: { disk: 'ssd' } } } }),
    { volumes: [aVolume('a'), aVolume('b', { metadata: { labels: { disk: 'ssd' } } })] },
    'bind b',
  ],
  [
    'takes no volume that is released, being deleted, of another mode, class or attributes, or just taken',
    aClaim('data', { spec: { storageClassName: '' } }),
    {
      volumes: [
        aVolume('a', { spec: { storageClassName: '' }, status: { phase: 'Released' } }),
        aVolume('b', { spec: { storageClassName: '' }, metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }),
        aVolume('c', { spec: { storageClassName: '', volumeMode: 'Block' } }),
        aVolume('d'),
        aVolume('e', { spec: { storageClassName: '', volumeAttributesClassName: 'gold' } }),
        aVolume('taken', { spec: { storageClassName: '' } }),
      ],
    },
    'pend FailedBinding: no persistent volumes available for this claim and no storage class is set',
  ],
  [
    'gets the default class when it names none',
    { ...aClaim(), spec: { accessModes: ['ReadWriteOnce'] } },
    { defaultClassName: 'standard' },
    'class standard',
  ],
  [
    'keeps to having no class when it says so',
    aClaim('data', { spec: { storageClassName: '' } }),
    { defaultClassName: 'standard' },
    'pend FailedBinding: no persistent volumes available for this claim and no storage class is set',
  ],
  [
    'waits for its first consumer',
    aClaim('data', { spec: { storageClassName: 'standard' } }),
    { classes: [standard] },
    'pend WaitForFirstConsumer: waiting for first consumer to be created before binding',
  ],
  [
    'tells the pod it waits for',
    aClaim('data', { spec: { storageClassName: 'standard' } }),
    { classes: [standard], pods: ['a'] },
    'pend WaitForPodScheduled: waiting for pod a to be scheduled',
  ],
  [
    'tells the pods it waits for',
    aClaim('data', { spec: { storageClassName: 'standard' } }),
    { classes: [standard], pods: ['a', 'b'] },
    'pend WaitForPodScheduled: waiting for pods a,b to be scheduled',
  ],
  [
    'leaves available volumes to the scheduler while it waits for a consumer',
    aClaim(),
    { classes: [aStorageClass('manual')], volumes: [aVolume()] },
    'pend WaitForFirstConsumer: waiting for first consumer to be created before binding',
  ],
  [
    'is provisioned once a node is selected',
    aClaim('data', { metadata: annotated(selectedNodeAnnotation), spec: { storageClassName: 'standard' } }),
    { classes: [standard] },
    'provision binnacle.dev/local-path',
  ],
  [
    'is provisioned at once by an immediate class',
    aClaim(),
    { classes: [aStorageClass('manual', { provisioner: 'csi.example.com', volumeBindingMode: 'Immediate' })] },
    'provision csi.example.com',
  ],
  [
    'cannot be provisioned by a class without provisioner',
    aClaim(),
    {
      classes: [
        aStorageClass('manual', { provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'Immediate' }),
      ],
    },
    'cannotProvision ProvisioningFailed: no volume plugin matched name: kubernetes.io/no-provisioner',
  ],
]

const named = (spec: object = {}, metadata: object = {}) =>
  aClaim('data', { metadata, spec: { volumeName: 'pv', ...spec } })
const preBound: [fact: string, PersistentVolumeClaim, Around, string][] = [
  ['waits for a volume that is not there', named(), {}, 'pend'],
  ['takes the volume that it names', named(), { volumes: [aVolume('other'), aVolume()] }, 'bind pv'],
  [
    'refuses a volume that is too small',
    named(),
    { volumes: [aVolume('pv', { spec: sized('1Mi') })] },
    'pend VolumeMismatch: Cannot bind to requested volume "pv": requested PV is too small',
  ],
  [
    'refuses a volume of another class',
    named({ storageClassName: 'x' }),
    { volumes: [aVolume()] },
    'pend VolumeMismatch: Cannot bind to requested volume "pv": storageClassName does not match',
  ],
  [
    'refuses a volume of another mode',
    named({ volumeMode: 'Block' }),
    { volumes: [aVolume()] },
    'pend VolumeMismatch: Cannot bind to requested volume "pv": incompatible volumeMode',
  ],
  [
    'refuses a volume without its access mode',
    named({ accessModes: ['ReadWriteMany'] }),
    { volumes: [aVolume()] },
    'pend VolumeMismatch: Cannot bind to requested volume "pv": incompatible accessMode',
  ],
  [
    'finishes with a volume that refers to it',
    named(),
    { volumes: [aVolume('pv', { spec: { claimRef: refTo(aClaim()) } })] },
    'bind pv',
  ],
  [
    'waits for a volume that is reserved for another',
    named(),
    { volumes: [aVolume('pv', { spec: { claimRef: { namespace: 'x', name: 'y' } } })] },
    'pend',
  ],
  [
    "is broken when the binder itself had bound it to another claim's volume",
    named({}, annotated(boundByControllerAnnotation)),
    { volumes: [aVolume('pv', { spec: { claimRef: { namespace: 'x', name: 'y' } } })] },
    'broken FailedBinding: volume "pv" already bound to a different claim.',
  ],
]

const bound = (spec: object = {}) => aClaim('data', { metadata: annotated(bindCompletedAnnotation), spec })
const completed: [fact: string, PersistentVolumeClaim, Around, string][] = [
  [
    'is lost without a volume name',
    bound(),
    {},
    'lose ClaimLost: Bound claim has lost reference to PersistentVolume. Data on the volume is lost!',
  ],
  [
    'is lost without its volume',
    bound({ volumeName: 'pv' }),
    {},
    'lose ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!',
  ],
  [
    "is lost when its volume is another claim's",
    bound({ volumeName: 'pv' }),
    { volumes: [aVolume('pv', { spec: { claimRef: refTo(aClaim('other')) } })] },
    'lose ClaimMisbound: Two claims are bound to the same volume, this one is bound incorrectly',
  ],
  ['binds a volume again that forgot it', bound({ volumeName: 'pv' }), { volumes: [aVolume()] }, 'bind pv'],
  [
    'makes sure of everything that a binding writes',
    bound({ volumeName: 'pv' }),
    { volumes: [aVolume('pv', { spec: { claimRef: refTo(aClaim()) } })] },
    'bind pv',
  ],
]

describe('a claim', () => {
  it.each([...unbound, ...preBound, ...completed])('%s', (_, claim, around, expected) => {
    expect(outline(planClaim(claim, viewOf(around)))).toBe(expected)
  })
})

const referring = (fields: Parameters<typeof aVolume>[1] = {}) =>
  aVolume('pv', { ...fields, spec: { claimRef: refTo(aClaim()), ...fields.spec } })
const spare = { persistentVolumeReclaimPolicy: 'Delete' }
const volumePlans: [
  fact: string,
  PersistentVolume,
  PersistentVolumeClaim | undefined,
  VolumePlan['kind'] | 'Available' | 'Bound',
][] = [
  ['is available without a claim', aVolume(), undefined, 'Available'],
  [
    'is available while it is only reserved',
    aVolume('pv', { spec: { claimRef: { namespace: 'default', name: 'data' } } }),
    undefined,
    'Available',
  ],
  ['is reclaimed when its claim is gone', referring(), undefined, 'reclaim'],
  ['leaves it to its claim to finish', referring(), aClaim(), 'leave'],
  ['is bound when its claim names it', referring(), aClaim('data', { spec: { volumeName: 'pv' } }), 'Bound'],
  ['is unbound when its claim has another', referring(), aClaim('data', { spec: { volumeName: 'x' } }), 'unbind'],
  [
    'is reclaimed when it was made for a claim that has another',
    referring({ metadata: annotated(provisionedByAnnotation), spec: spare }),
    aClaim('data', { spec: { volumeName: 'x' } }),
    'reclaim',
  ],
]

describe('a volume', () => {
  it.each(volumePlans)('%s', (_, volume, claim, expected) => {
    const plan = planVolume(volume, claim)
    expect(plan.kind === 'phase' ? plan.phase : plan.kind).toBe(expected)
  })

  it('tells both sides when one is a device and the other a file system', () => {
    const plan = planVolume(referring(), aClaim('data', { spec: { volumeMode: 'Block' } }))
    expect(plan).toMatchObject({
      kind: 'leave',
      mismatch: {
        onVolume: {
          message:
            'Cannot bind PersistentVolume to requested PersistentVolumeClaim "data" due to incompatible volumeMode.',
        },
        onClaim: {
          message:
            'Cannot bind PersistentVolume "pv" to requested PersistentVolumeClaim due to incompatible volumeMode.',
        },
      },
    })
  })

  it.each([
    ['Retain', {}, undefined],
    ['Delete', annotated(provisionedByAnnotation), undefined],
    [
      'Delete',
      {},
      'VolumeFailedDelete: error getting deleter volume plugin for volume "pv": no deletable volume plugin matched',
    ],
    ['Recycle', {}, 'VolumeFailedRecycle: No recycler plugin found for the volume!'],
  ])('with the policy %s and metadata %j is reclaimed with the failure %s', (policy, metadata, expected) => {
    const failure = planReclaim(aVolume('pv', { metadata, spec: { persistentVolumeReclaimPolicy: policy } }))
    expect(failure && `${failure.reason}: ${failure.message}`).toBe(expected)
  })
})
