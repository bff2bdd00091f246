import { builtInRegistry, CustomKinds } from '@binnacle/resources'
import { cronTabDefinition, established } from '@binnacle/resources/testing'
import { describe, expect, it } from 'vitest'
import { OpenApi } from './openapi.ts'
import { encodeOpenApiV2 } from './openapi-protobuf.ts'

describe('OpenAPI', () => {
  it('describes every group and version that is served, in both forms', () => {
    const registry = builtInRegistry()
    const openApi = new OpenApi(registry)
    const { paths } = JSON.parse(openApi.index().bytes.toString()) as { paths: Record<string, object> }
    const groups = registry.served.map(({ group, version }) =>
      group === '' ? `api/${version}` : `apis/${group}/${version}`,
    )
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(groups))
    for (const name of Object.keys(paths)) expect(openApi.document(name), name).toBeDefined()
    expect(JSON.parse(openApi.v2().bytes.toString()).definitions).toHaveProperty([
      'io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetricsList',
    ])
  })

  it('describes custom kinds as they come, change and go', () => {
    const registry = builtInRegistry()
    const openApi = new OpenApi(registry)
    const kinds = new CustomKinds(registry)
    const name = 'apis/stable.example.com/v1'
    const apps = openApi.document('apis/apps/v1')
    expect(openApi.document(name)).toBeUndefined()
    kinds.replace([established(cronTabDefinition())])
    const document = JSON.parse(String(openApi.document(name)?.bytes)) as any
    const { 'com.example.stable.v1.CronTab': cronTab, ...others } = document.components.schemas
    expect(cronTab.properties.spec.properties.cronSpec.description).toBe('When it runs, as cron writes it.')
    expect(cronTab['x-kubernetes-group-version-kind']).toEqual([
      { group: 'stable.example.com', version: 'v1', kind: 'CronTab' },
    ])
    expect(Object.keys(others)).toContain('com.example.stable.v1.CronTabList')
    const patch = document.paths['/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}'].patch
    expect(Object.keys(patch.requestBody.content)).toEqual([
      'application/json-patch+json',
      'application/merge-patch+json',
      'application/apply-patch+yaml',
    ])
    expect(JSON.parse(openApi.index().bytes.toString()).paths).toHaveProperty([name])
    expect(openApi.document('apis/apps/v1')).toBe(apps)
    const changed = established(cronTabDefinition({ version: { schema: { openAPIV3Schema: { type: 'object' } } } }))
    kinds.replace([{ ...changed, metadata: { ...changed.metadata, generation: 2 } }])
    expect(String(openApi.document(name)?.bytes)).not.toContain('as cron writes it')
    kinds.replace([])
    expect(openApi.document(name)).toBeUndefined()
    expect(JSON.parse(openApi.index().bytes.toString()).paths).not.toHaveProperty([name])
  })

  it('says no more of custom kinds in version 2 than kubectl understands', () => {
    const registry = builtInRegistry()
    new CustomKinds(registry).replace([established(cronTabDefinition())])
    const { definitions } = JSON.parse(new OpenApi(registry).v2().bytes.toString())
    const { extra, ports } = definitions['com.example.stable.v1.CronTab'].properties.spec.properties
    expect(extra).toEqual({ 'x-kubernetes-preserve-unknown-fields': true })
    expect(ports).toMatchObject({ type: 'array', 'x-kubernetes-list-map-keys': ['port'] })
  })
})

describe('OpenAPI as protobuf', () => {
  it('has names, values and extensions where gnostic has them', () => {
    const document = {
      swagger: '2.0',
      definitions: { A: { type: 'object', required: ['b'], 'x-y': [1], properties: { b: { maxLength: 300 } } } },
    }
    const text = (number: number, value: string): number[] => [number * 8 + 2, value.length, ...Buffer.from(value)]
    const part = (tag: number[], bytes: number[]): number[] => [...tag, bytes.length, ...bytes]
    const property = [...text(1, 'b'), ...part([0x12], [0x58, 0xac, 0x02])]
    const extension = [...text(1, 'x-y'), ...part([0x12], text(2, '[1]'))]
    const schema = [
      ...part([0xb2, 0x01], text(1, 'object')),
      ...[0x9a, 0x01, 1, ...Buffer.from('b')],
      ...part([0xfa, 0x01], extension),
      ...part([0xca, 0x01], part([0x0a], property)),
    ]
    const named = [...text(1, 'A'), ...part([0x12], schema)]
    expect([...encodeOpenApiV2(document)]).toEqual([...text(1, '2.0'), ...part([0x4a], part([0x0a], named))])
  })
})
