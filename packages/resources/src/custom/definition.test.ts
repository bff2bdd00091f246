import type { KubernetesObject } from '@binnacle/apimachinery'
import { describe, expect, it } from 'vitest'
import { builtInRegistry } from '../registry.ts'
import { cronTabDefinition, type CronTabOptions, established } from '../testing.ts'
import { CustomKinds } from './custom-kinds.ts'
import { type CustomDefinition, customDefinitions } from './definition.ts'

const definitions = (options: CronTabOptions = {}): readonly CustomDefinition[] =>
  customDefinitions(established(cronTabDefinition(options)))
const only = (options: CronTabOptions = {}): CustomDefinition => definitions(options)[0] as CustomDefinition
const cronTab = (spec: object, status?: object): any => ({
  apiVersion: 'stable.example.com/v1',
  kind: 'CronTab',
  metadata: { name: 'a', namespace: 'default' },
  spec,
  ...(status === undefined ? {} : { status }),
})
const second = { name: 'v2', served: true, storage: false, schema: { openAPIV3Schema: { type: 'object' } } }

describe('the definition of a custom kind', () => {
  it('has the shape of a built-in one', () => {
    expect(only()).toMatchObject({
      group: 'stable.example.com',
      version: 'v1',
      kind: 'CronTab',
      listKind: 'CronTabList',
      plural: 'crontabs',
      singular: 'crontab',
      shortNames: ['ct'],
      scope: 'Namespaced',
      storageName: 'crontabs.stable.example.com',
      storageVersion: 'v1',
      hasGeneration: true,
      subresources: { status: true, scale: { specReplicasPath: '.spec.replicas' }, others: [] },
    })
  })

  it('is there for each served version once its names are accepted', () => {
    expect(customDefinitions(cronTabDefinition())).toEqual([])
    expect(definitions({ versions: [second] }).map(({ version }) => version)).toEqual(['v1', 'v2'])
    expect(definitions({ versions: [{ ...second, served: false }] }).map(({ version }) => version)).toEqual(['v1'])
  })

  it('warns of finalizers that another writer could take too', () => {
    const object = cronTab({})
    object.metadata.finalizers = ['cleanup.example.com', 'foregroundDeletion', 'example.com/cleanup']
    expect(only().strategy.warnings?.(object)).toEqual([
      'metadata.finalizers: "cleanup.example.com": prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers',
    ])
    expect(only().strategy.warnings?.(cronTab({}))).toEqual([])
  })

  it('shows the columns that its author wants, and the age where that is none', () => {
    const object = { ...cronTab({ cronSpec: '* * * * *', replicas: 3 }) }
    object.metadata.creationTimestamp = '2026-01-01T00:00:00Z'
    const nowMs = Date.parse('2026-01-01T00:01:30Z')
    const cells = (definition: CustomDefinition) =>
      definition.printerColumns.map((column) => [column.name, column.value(object, nowMs)])
    expect(cells(only())).toEqual([
      ['Name', 'a'],
      ['Spec', '* * * * *'],
      ['Replicas', 3],
      ['Age', '90s'],
    ])
    expect(cells(only({ version: { additionalPrinterColumns: [] } }))).toEqual([
      ['Name', 'a'],
      ['Age', '90s'],
    ])
    expect(only().printerColumns[2]?.description).toBe(
      'Custom resource definition column (in JSONPath format): .spec.replicas',
    )
  })

  it('reads a body with defaults, without what its schema does not have', () => {
    const decoded = only().custom.decode({
      ...cronTab({ cronSpec: '* * * * *', image: null, colour: 'red', extra: { any: 1 } }),
      metadata: { name: 'a', nickname: 'b' },
    })
    expect(decoded).toEqual({
      value: {
        ...cronTab({ cronSpec: '* * * * *', replicas: 1, extra: { any: 1 } }),
        metadata: { name: 'a' },
      },
      unknownFields: ['metadata.nickname', 'spec.colour'],
      typeError: undefined,
    })
  })

  it('refuses metadata of another structure, as the decoder words it', () => {
    const { typeError } = only().custom.decode({ metadata: { labels: 'none' } })
    expect(typeError).toBe(
      'json: cannot unmarshal string into Go struct field ObjectMeta.labels of type map[string]string',
    )
  })

  it('validates new and changed objects, and a status by itself', () => {
    const { strategy } = only()
    const bad = cronTab({ cronSpec: 'never', replicas: 0 })
    expect(strategy.validateCreate?.(bad).map(({ field }) => field)).toEqual(['spec.cronSpec', 'spec.replicas'])
    expect(strategy.validateUpdate?.({ ...bad, metadata: { name: 'a', labels: { x: 'y' } } }, bad)).toEqual([])
    expect(strategy.validateStatusUpdate?.(cronTab({}, { replicas: 'x' }), cronTab({}))).toEqual([
      {
        type: 'FieldValueTypeInvalid',
        field: 'status.replicas',
        message: 'Invalid value: "string": replicas in body must be of type integer: "string"',
      },
      {
        type: 'FieldValueInvalid',
        field: '.status.replicas',
        message: 'Invalid value: 0: .status.replicas accessor error: x is of the type string, expected int64',
      },
    ])
  })

  it('asks its rules once the structure is right', () => {
    const spec = {
      type: 'object',
      required: ['cronSpec'],
      properties: { cronSpec: { type: 'string' }, replicas: { type: 'integer' } },
      'x-kubernetes-validations': [{ rule: 'self.replicas < 3', message: 'too many' }],
    }
    const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } }
    const errors = (object: object) =>
      only({ version: { schema, subresources: {} } })
        .strategy.validateCreate?.(cronTab(object))
        .map(({ field, message }) => `${field}: ${message}`)
    expect(errors({ cronSpec: 'x', replicas: 1 })).toEqual([])
    expect(errors({ cronSpec: 'x', replicas: 3 })).toEqual(['spec: Invalid value: too many'])
    expect(errors({ replicas: 3 })).toEqual([
      'spec.cronSpec: Required value',
      '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
    ])
  })

  it('reads what was stored in another version, and before the schema was changed', () => {
    const [v1, v2] = definitions({ versions: [{ ...second, schema: only().custom.schema }] })
    const stored = { ...cronTab({ cronSpec: '* * * * *', gone: 1 }), apiVersion: 'stable.example.com/v2' }
    const read = (definition: CustomDefinition | undefined): KubernetesObject | undefined =>
      definition?.convert?.fromStorage(stored)
    expect(read(v1)).toEqual(cronTab({ cronSpec: '* * * * *', replicas: 1 }))
    expect(read(v2)?.apiVersion).toBe('stable.example.com/v2')
    expect(read(v1)).toBe(read(v1))
    expect(v2?.convert?.toStorage(stored)).toEqual({ ...stored, apiVersion: 'stable.example.com/v1' })
  })

  it('warns of a version that is deprecated, by its own words or with the one to take instead', () => {
    const old = { name: 'v1beta1', served: true, storage: false, deprecated: true, schema: second.schema }
    const warning = (version: object) => definitions({ versions: [version] })[1]?.custom.deprecationWarning
    expect(warning(old)).toBe('stable.example.com/v1beta1 CronTab is deprecated; use stable.example.com/v1 CronTab')
    expect(warning({ ...old, deprecationWarning: 'do not' })).toBe('do not')
    expect(only().custom.deprecationWarning).toBeUndefined()
  })
})

describe('the custom kinds of a registry', () => {
  it('come, change in place, and go with their definitions', () => {
    const registry = builtInRegistry()
    const kinds = new CustomKinds(registry)
    let changes = 0
    const end = registry.onChange(() => changes++)
    const find = () => registry.byResource('stable.example.com', 'v1', 'crontabs')
    const crd = established(cronTabDefinition())
    kinds.replace([crd])
    const first = find()
    expect(registry.byKind('stable.example.com', 'v1', 'CronTab')).toBe(first)
    expect(registry.byStorageName('crontabs.stable.example.com')).toBe(first)
    expect(registry.served.at(-1)).toBe(first)
    kinds.replace([{ ...crd, metadata: { ...crd.metadata, resourceVersion: '9' } }])
    expect(changes).toBe(1)
    const renamed = established(cronTabDefinition({ names: { shortNames: ['cron'] } }))
    kinds.replace([{ ...renamed, metadata: { ...renamed.metadata, generation: 2 } }])
    expect(find()).toBe(first)
    expect(first?.shortNames).toEqual(['cron'])
    expect(registry.schemas(String(first?.schema.name))).toBe(first?.schema)
    kinds.replace([])
    expect([find(), registry.generation, changes]).toEqual([undefined, 3, 3])
    expect(() => registry.schemas(String(first?.schema.name))).toThrow('no schema is called')
    end()
    kinds.replace([crd])
    expect(changes).toBe(3)
  })

  it('of a definition that was made anew are others', () => {
    const registry = builtInRegistry()
    const kinds = new CustomKinds(registry)
    const crd = established(cronTabDefinition())
    kinds.replace([crd])
    const before = registry.byResource('stable.example.com', 'v1', 'crontabs')
    kinds.replace([{ ...crd, metadata: { ...crd.metadata, uid: 'another' } }])
    expect(registry.byResource('stable.example.com', 'v1', 'crontabs')).not.toBe(before)
  })

  it("never stand in a version that is Kubernetes' own", () => {
    const registry = builtInRegistry()
    new CustomKinds(registry).replace([established(cronTabDefinition({ group: 'networking.k8s.io' }))])
    expect(registry.byResource('networking.k8s.io', 'v1', 'crontabs')).toBeUndefined()
  })
})
