import { builtInRegistry } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { OpenApi } from './openapi.ts'

describe('OpenAPI', () => {
  it('describes every group and version that is served, in both forms', () => {
    const registry = builtInRegistry()
    const openApi = new OpenApi(registry)
    const { paths } = JSON.parse(openApi.index().json.toString()) as { paths: Record<string, object> }
    const groups = registry.served.map(({ group, version }) =>
      group === '' ? `api/${version}` : `apis/${group}/${version}`,
    )
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(groups))
    for (const name of Object.keys(paths)) expect(openApi.document(name), name).toBeDefined()
    expect(JSON.parse(openApi.v2().json.toString()).definitions).toHaveProperty([
      'io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetricsList',
    ])
  })
})
