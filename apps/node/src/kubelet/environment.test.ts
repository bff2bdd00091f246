import type { Service } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { expand, serviceVariables } from './environment.ts'
import type { Pod } from './pod.ts'

describe('expand', () => {
  it.each([
    ['$(A)', '1'],
    ['$$(A)', '$(A)'],
    ['$(NONE)', '$(NONE)'],
    ['a$(A)b$(A)', 'a1b1'],
    ['$A', '$A'],
    ['$(A', '$(A'],
    ['100$', '100$'],
  ])('makes %s into %s', (text, expected) => {
    expect(expand(text, new Map([['A', '1']]))).toBe(expected)
  })
})

describe('serviceVariables', () => {
  const pod = { metadata: { name: 'p', namespace: 'shop' }, spec: { containers: [] } } as unknown as Pod
  const service = (namespace: string, name: string, clusterIP: string) =>
    ({
      metadata: { name, namespace },
      spec: { clusterIP, ports: [{ name: 'web-1', port: 80, protocol: 'TCP' }] },
    }) as Service

  it('tells of the services of the namespace, and of the API server', () => {
    const all = [
      service('shop', 'my-db', '10.0.0.5'),
      service('other', 'x', '10.0.0.6'),
      service('default', 'kubernetes', '10.0.0.1'),
    ]
    const variables = Object.fromEntries(serviceVariables(pod, all))
    expect(variables).toMatchObject({
      MY_DB_SERVICE_HOST: '10.0.0.5',
      MY_DB_SERVICE_PORT: '80',
      MY_DB_SERVICE_PORT_WEB_1: '80',
      MY_DB_PORT_80_TCP: 'tcp://10.0.0.5:80',
      KUBERNETES_SERVICE_HOST: '10.0.0.1',
    })
    expect(Object.keys(variables).filter((name) => name.startsWith('X_'))).toEqual([])
  })

  it('leaves out headless services', () => {
    expect(serviceVariables(pod, [service('shop', 'headless', 'None')]).size).toBe(0)
  })
})
