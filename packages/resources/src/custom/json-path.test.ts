import { expect, it } from 'vitest'
import { compileJsonPath } from './json-path.ts'

const object = {
  spec: {
    replicas: 3,
    'a.b': 'dotted',
    list: [
      { name: 'x', v: 1 },
      { name: 'y', v: 2 },
    ],
  },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Old', status: 'False' },
    ],
  },
}

it.each<[string, unknown[]]>([
  ['.spec.replicas', [3]],
  ['.spec.none', []],
  ['.spec.list[0].name', ['x']],
  ['.spec.list[-1].name', ['y']],
  ['.spec.list[*].name', ['x', 'y']],
  ['.spec.list[0:1].name', ['x']],
  ['.spec.list[5].name', []],
  [".spec['a.b']", ['dotted']],
  ['.spec.a\\.b', ['dotted']],
  ['.status.conditions[?(@.type=="Ready")].status', ['True']],
  [".status.conditions[?(@.type=='Old')].status", ['False']],
  ['.spec.list[?(@.v>1)].name', ['y']],
  ['..name', ['x', 'y']],
])('%s leads to %j', (path, expected) => {
  expect(compileJsonPath(path)?.(object)).toEqual(expected)
})

it('knows what is no path', () => {
  expect(compileJsonPath('.spec[')).toBeUndefined()
})
