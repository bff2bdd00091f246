import type { FieldSchema, ObjectSchema, ScalarType, SchemaLookup, TypeRef } from './schema.ts'

/** A small world of schemas for tests: a workload with a pod's spec in it, shaped as the generated ones are. */

type Extra = Partial<Omit<FieldSchema, 'name' | 'type'>>

const scalar = (name: ScalarType): TypeRef => ({ kind: 'scalar', scalar: name })
const object = (name: string): TypeRef => ({ kind: 'object', name: `io.k8s.api.${name}` })
const list = (of: TypeRef): TypeRef => ({ kind: 'list', of })
const map = (of: TypeRef): TypeRef => ({ kind: 'map', of })
const mergedBy = (patchMergeKey: string): Extra => ({ patchStrategy: ['merge'], patchMergeKey })
const set: Extra = { patchStrategy: ['merge'] }

function schema(
  name: string,
  fields: Record<string, TypeRef | [TypeRef, Extra]>,
  extra: Partial<ObjectSchema> = {},
): ObjectSchema {
  const list = Object.entries(fields).map(([field, entry]): FieldSchema => {
    const [type, more] = Array.isArray(entry) ? entry : [entry, {}]
    return { name: field, type, description: '', required: false, ...more }
  })
  return {
    name: `io.k8s.api.${name}`,
    description: '',
    fields: list,
    byName: new Map(list.map((field) => [field.name, field])),
    ...extra,
  }
}

const string = scalar('string')
const schemas = [
  schema('apps.v1.Workload', {
    apiVersion: string,
    kind: string,
    metadata: object('meta.v1.ObjectMeta'),
    spec: object('apps.v1.WorkloadSpec'),
  }),
  schema('meta.v1.ObjectMeta', {
    name: string,
    creationTimestamp: scalar('time'),
    labels: map(string),
    finalizers: [list(string), set],
    ownerReferences: [list(object('meta.v1.OwnerReference')), mergedBy('uid')],
  }),
  schema('meta.v1.OwnerReference', { uid: string, name: string }),
  schema('apps.v1.WorkloadSpec', {
    replicas: scalar('int32'),
    seed: scalar('int64'),
    ratio: scalar('double'),
    paused: scalar('boolean'),
    maxSurge: scalar('intOrString'),
    renewTime: scalar('microTime'),
    caBundle: scalar('bytes'),
    anything: scalar('json'),
    strategy: [object('apps.v1.Strategy'), { patchStrategy: ['retainKeys'] }],
    whole: [object('apps.v1.Strategy'), { patchStrategy: ['replace'] }],
    byZone: map(object('apps.v1.Strategy')),
    template: object('core.v1.PodSpec'),
  }),
  schema('apps.v1.Strategy', { type: string, limit: scalar('int32'), keys: list(string) }),
  schema('core.v1.PodSpec', {
    containers: [list(object('core.v1.Container')), mergedBy('name')],
    volumes: [list(object('core.v1.Volume')), { patchStrategy: ['merge', 'retainKeys'], patchMergeKey: 'name' }],
    nodeSelector: map(string),
  }),
  schema('core.v1.Container', {
    name: string,
    image: string,
    args: list(string),
    env: [list(object('core.v1.EnvVar')), mergedBy('name')],
    ports: [list(object('core.v1.ContainerPort')), mergedBy('containerPort')],
    limits: map(scalar('quantity')),
  }),
  schema('core.v1.EnvVar', { name: string, value: string }),
  schema('core.v1.ContainerPort', { name: string, containerPort: scalar('int32') }),
  schema('core.v1.Volume', { name: string, emptyDir: object('core.v1.Free'), hostPath: object('core.v1.Free') }),
  schema('core.v1.Free', {}, { preserveUnknownFields: true }),
]
const byName = new Map(schemas.map((entry) => [entry.name, entry]))

/** Finds one of the schemas. */
export const lookup: SchemaLookup = (name) => {
  const found = byName.get(name)
  if (found === undefined) throw new Error(`no schema ${name}`)
  return found
}

/** The workload. */
export const workloadSchema: ObjectSchema = lookup('io.k8s.api.apps.v1.Workload')
