/** What tests of custom kinds begin with. */
import type { CustomResourceDefinition } from './generated/types.ts'

/** What a test may want of the definition of CronTabs that it gets. */
export interface CronTabOptions {
  readonly group?: string
  /** Besides `v1`, which is stored. */
  readonly versions?: readonly object[]
  /** Members of the version `v1`, in place of the usual. */
  readonly version?: object
  readonly names?: object
  readonly spec?: object
}

const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      description: 'What is to run, and when.',
      required: ['cronSpec'],
      properties: {
        cronSpec: {
          type: 'string',
          description: 'When it runs, as cron writes it.',
          pattern: '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$',
        },
        image: { type: 'string' },
        replicas: { type: 'integer', minimum: 1, maximum: 10, default: 1 },
        ports: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['port'],
          items: {
            type: 'object',
            required: ['port'],
            properties: { port: { type: 'integer' }, name: { type: 'string' } },
          },
        },
        extra: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
    status: {
      type: 'object',
      properties: { replicas: { type: 'integer' }, labelSelector: { type: 'string' } },
    },
  },
}

/** A CustomResourceDefinition of CronTabs, as Kubernetes' documentation has it: with a schema, columns, and both subresources. */
export function cronTabDefinition(options: CronTabOptions = {}): CustomResourceDefinition {
  const { group = 'stable.example.com', versions = [], version = {}, names = {}, spec = {} } = options
  const v1 = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: schema },
    subresources: {
      status: {},
      scale: {
        specReplicasPath: '.spec.replicas',
        statusReplicasPath: '.status.replicas',
        labelSelectorPath: '.status.labelSelector',
      },
    },
    additionalPrinterColumns: [
      { name: 'Spec', type: 'string', jsonPath: '.spec.cronSpec', description: 'When it runs.' },
      { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
    ...version,
  }
  const all = { plural: 'crontabs', singular: 'crontab', kind: 'CronTab', shortNames: ['ct'], ...names }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${all.plural}.${group}` },
    spec: { group, scope: 'Namespaced', names: all, versions: [v1, ...versions], ...spec },
  } as CustomResourceDefinition
}

/** The same as its controller leaves it when its names are accepted. */
export function established(crd: CustomResourceDefinition): CustomResourceDefinition {
  const { names } = crd.spec
  const acceptedNames = { singular: names.kind.toLowerCase(), listKind: `${names.kind}List`, ...names }
  return {
    ...crd,
    metadata: { uid: `uid-${crd.metadata.name}`, generation: 1, ...crd.metadata },
    status: {
      acceptedNames,
      storedVersions: crd.spec.versions.filter(({ storage }) => storage).map(({ name }) => name),
      ...crd.status,
      conditions: [
        { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
        {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        },
      ],
    },
  }
}
