import { describe, expect, it } from 'vitest'
import { applyStrategicMergePatch } from './strategic-merge-patch.ts'
import { lookup, workloadSchema } from './testing-schemas.ts'

type Json = Record<string, unknown>

function patched(document: Json, patch: Json): unknown {
  const before = structuredClone([document, patch])
  const result = applyStrategicMergePatch(document, patch, workloadSchema, lookup)
  expect([document, patch]).toEqual(before)
  return result
}
const patchedSpec = (spec: Json, patch: Json): unknown => (patched({ spec }, { spec: patch }) as { spec: Json }).spec
const patchedPod = (template: Json, patch: Json): unknown =>
  (patchedSpec({ template }, { template: patch }) as { template: Json }).template
const named = (...names: string[]) => names.map((name) => ({ name }))
const env = (...names: string[]) => ({ containers: [{ name: 'c', env: named(...names) }] })

describe('members', () => {
  const cases: [name: string, spec: Json, patch: Json, result: Json][] = [
    ['are set', { replicas: 1 }, { replicas: 2 }, { replicas: 2 }],
    ['are added', { replicas: 1 }, { paused: true }, { replicas: 1, paused: true }],
    ['are removed by null', { replicas: 1, paused: true }, { paused: null }, { replicas: 1 }],
    ['that are missing are left missing by null', {}, { paused: null }, {}],
    [
      'are merged deep',
      { template: { nodeSelector: { a: '1' } } },
      { template: { nodeSelector: { b: '2' } } },
      { template: { nodeSelector: { a: '1', b: '2' } } },
    ],
    [
      'of maps are removed by null',
      { template: { nodeSelector: { a: '1', b: '2' } } },
      { template: { nodeSelector: { a: null } } },
      { template: { nodeSelector: { b: '2' } } },
    ],
    [
      'of maps of objects are merged by the structure of these',
      { byZone: { a: { type: 'x', limit: 1 } } },
      { byZone: { a: { limit: 2 } } },
      { byZone: { a: { type: 'x', limit: 2 } } },
    ],
    [
      'without a merge strategy replace lists',
      { strategy: { keys: ['a', 'b'] } },
      { strategy: { keys: ['c'] } },
      { strategy: { keys: ['c'] } },
    ],
    [
      'with the strategy replace replace maps',
      { whole: { type: 'x', limit: 1 } },
      { whole: { limit: 2 } },
      { whole: { limit: 2 } },
    ],
    [
      'of free form are merged as in a merge patch',
      { anything: { a: 1, b: [1] } },
      { anything: { b: [2], c: 3 } },
      { anything: { a: 1, b: [2], c: 3 } },
    ],
    ['that are new come without nulls', {}, { strategy: { type: 'x', limit: null } }, { strategy: { type: 'x' } }],
    ['of another type are replaced', { maxSurge: 1 }, { maxSurge: '25%' }, { maxSurge: '25%' }],
  ]
  it.each(cases)('%s', (_, spec, patch, result) => {
    expect(patchedSpec(spec, patch)).toEqual(result)
  })
})

describe('$patch', () => {
  it('replaces a map', () => {
    expect(patchedSpec({ strategy: { type: 'a', limit: 1 } }, { strategy: { $patch: 'replace', type: 'b' } })).toEqual({
      strategy: { type: 'b' },
    })
  })
  it('empties a map', () => {
    expect(patchedSpec({ strategy: { type: 'a' } }, { strategy: { $patch: 'delete' } })).toEqual({ strategy: {} })
  })
  it('leaves a map out that is not there', () => {
    expect(patchedSpec({}, { strategy: { $patch: 'delete' } })).toEqual({})
  })
  it('replaces a list', () => {
    expect(patchedPod({ containers: named('a', 'b') }, { containers: [{ name: 'c' }, { $patch: 'replace' }] })).toEqual(
      { containers: named('c') },
    )
  })
  it('deletes an element', () => {
    expect(patchedPod({ containers: named('a', 'b', 'c') }, { containers: [{ name: 'b', $patch: 'delete' }] })).toEqual(
      { containers: named('a', 'c') },
    )
  })
  it('deletes nothing that is not there', () => {
    expect(patchedPod({ containers: named('a') }, { containers: [{ name: 'b', $patch: 'delete' }] })).toEqual({
      containers: named('a'),
    })
  })
  const refused: [template: Json, message: string][] = [
    [{ $patch: 'merge' }, 'unknown patch type: merge in map: {"$patch":"merge"}'],
    [{ $patch: 'other' }, 'unknown patch type: other in map: {"$patch":"other"}'],
    [{ containers: [{ $patch: 'merge', name: 'a' }] }, 'merging lists cannot yet be specified in the patch'],
    [
      { containers: [{ $patch: 'other', name: 'a' }] },
      'unknown patch type: other in map: {"$patch":"other","name":"a"}',
    ],
    [{ containers: [{ $patch: 'delete' }] }, 'map: {"$patch":"delete"} does not contain declared merge key: name'],
    [{ containers: [{ image: 'x' }] }, 'map: {"image":"x"} does not contain declared merge key: name'],
    [{ containers: ['a'] }, 'list element types are not identical: [[{"name":"a"}],["a"]]'],
  ]
  it.each(refused)('is refused in %j', (template, message) => {
    expect(() => patchedPod({ containers: named('a') }, template)).toThrow(
      expect.objectContaining({ code: 400, message }),
    )
  })
})

describe('lists with a merge key', () => {
  it('merge the element of the same key', () => {
    const result = patchedPod(
      {
        containers: [
          { name: 'a', image: 'x', args: ['1'] },
          { name: 'b', image: 'y' },
        ],
      },
      { containers: [{ name: 'b', image: 'z' }] },
    )
    expect(result).toEqual({
      containers: [
        { name: 'a', image: 'x', args: ['1'] },
        { name: 'b', image: 'z' },
      ],
    })
  })
  it('put elements of new keys first, as upstream does, without nulls and directives in them', () => {
    const added = {
      name: 'b',
      image: null,
      $retainKeys: ['name'],
      env: [{ name: 'X' }],
      '$setElementOrder/env': named('X'),
    }
    expect(patchedPod({ containers: named('a') }, { containers: [added] })).toEqual({
      containers: [{ name: 'b', env: [{ name: 'X' }] }, { name: 'a' }],
    })
  })
  it('take numbers for keys', () => {
    const container = (ports: Json[]) => ({ containers: [{ name: 'c', ports }] })
    expect(
      patchedPod(
        container([{ containerPort: 80 }, { containerPort: 443 }]),
        container([{ containerPort: 443, name: 'tls' }]),
      ),
    ).toEqual(container([{ containerPort: 80 }, { containerPort: 443, name: 'tls' }]))
  })
  it('that are not there yet take the elements of the patch', () => {
    expect(patchedPod({}, { containers: [{ name: 'a' }, { name: 'b', $patch: 'delete' }] })).toEqual({
      containers: named('a'),
    })
  })
  it('keep the order of the patch for its elements, and of the server for the others', () => {
    expect(patchedPod(env('A', 'B', 'C', 'D'), env('D', 'B'))).toEqual(env('A', 'C', 'D', 'B'))
  })
})

describe('lists of primitives that merge', () => {
  const meta = (finalizers: string[], patch: Json): unknown =>
    (patched({ metadata: { finalizers } }, { metadata: patch }) as { metadata: Json }).metadata
  it('are united', () => {
    expect(meta(['a', 'b'], { finalizers: ['b', 'c'] })).toEqual({ finalizers: ['a', 'b', 'c'] })
  })
  it('lose what $deleteFromPrimitiveList names', () => {
    expect(meta(['a', 'b', 'c'], { '$deleteFromPrimitiveList/finalizers': ['b', 'x'] })).toEqual({
      finalizers: ['a', 'c'],
    })
  })
  it('are not made by $deleteFromPrimitiveList', () => {
    expect(
      (patched({ metadata: {} }, { metadata: { '$deleteFromPrimitiveList/finalizers': ['b'] } }) as Json)['metadata'],
    ).toEqual({})
  })
  it('take an order, an addition and a deletion at once', () => {
    const patch = {
      '$setElementOrder/finalizers': ['d', 'a'],
      '$deleteFromPrimitiveList/finalizers': ['b'],
      finalizers: ['d'],
    }
    expect(meta(['a', 'b', 'c'], patch)).toEqual({ finalizers: ['d', 'a', 'c'] })
  })
  it('refuse a deletion that is no list', () => {
    expect(() => meta(['a'], { '$deleteFromPrimitiveList/finalizers': 'a' })).toThrow(
      'invalid patch format of primitive list',
    )
  })
})

describe('$setElementOrder', () => {
  const cases: [name: string, server: string[], order: string[], change: Json[], result: string[]][] = [
    ['turns the order around', ['A', 'B', 'C'], ['C', 'B', 'A'], [], ['C', 'B', 'A']],
    ['puts a new element in its place', ['A', 'B'], ['A', 'N', 'B'], named('N'), ['A', 'N', 'B']],
    ['puts a new element first', ['A', 'B'], ['N', 'A', 'B'], named('N'), ['N', 'A', 'B']],
    [
      'keeps an element of the server before the one that it stood before',
      ['S', 'A', 'B'],
      ['A', 'B'],
      [],
      ['S', 'A', 'B'],
    ],
    ['keeps an element of the server between', ['A', 'S', 'B'], ['A', 'N', 'B'], named('N'), ['A', 'N', 'S', 'B']],
    ['keeps an element of the server last', ['A', 'B', 'S'], ['B', 'A'], [], ['B', 'A', 'S']],
    ['lets the order of the patch win', ['A', 'S', 'B'], ['B', 'A'], [], ['S', 'B', 'A']],
    [
      'keeps several of the server in their order',
      ['S1', 'A', 'S2', 'B', 'S3'],
      ['B', 'A'],
      [],
      ['S1', 'S2', 'B', 'A', 'S3'],
    ],
    ['goes with a deletion', ['A', 'B', 'C'], ['C', 'A'], [{ name: 'B', $patch: 'delete' }], ['C', 'A']],
    ['ignores names that are nowhere', ['A'], ['X', 'A'], [], ['A']],
  ]
  it.each(cases)('%s', (_, server, order, change, result) => {
    const patch = {
      containers: [
        { name: 'c', '$setElementOrder/env': named(...order), ...(change.length === 0 ? {} : { env: change }) },
      ],
    }
    expect(patchedPod(env(...server), patch)).toEqual(env(...result))
  })

  it('orders a list that is new', () => {
    const patch = { '$setElementOrder/containers': named('a', 'b'), containers: named('a', 'b') }
    expect(patchedPod({}, patch)).toEqual({ containers: named('a', 'b') })
  })
  it('without the list anywhere changes nothing', () => {
    expect(patchedPod({}, { '$setElementOrder/containers': named('a') })).toEqual({})
  })
  it('is what kubectl apply sends for a changed image', () => {
    const patch = {
      '$setElementOrder/containers': named('app', 'sidecar'),
      containers: [{ name: 'app', image: 'app:2' }],
    }
    const live = {
      containers: [
        { name: 'injected', image: 'i' },
        { name: 'app', image: 'app:1' },
        { name: 'sidecar', image: 's' },
      ],
    }
    expect(patchedPod(live, patch)).toEqual({
      containers: [
        { name: 'injected', image: 'i' },
        { name: 'app', image: 'app:2' },
        { name: 'sidecar', image: 's' },
      ],
    })
  })
  it('refuses a patch in another order', () => {
    const patch = { '$setElementOrder/containers': named('a', 'b'), containers: named('b', 'a') }
    expect(() => patchedPod({ containers: named('a') }, patch)).toThrow(
      /^The order in patch list:\n.*\n doesn't match \$setElementOrder list:/s,
    )
  })
  it('refuses a patch with an element that the order does not name', () => {
    const patch = { '$setElementOrder/containers': named('a'), containers: named('x') }
    expect(() => patchedPod({ containers: named('a') }, patch)).toThrow("doesn't match $setElementOrder list")
  })
  it('refuses an order that is no list', () => {
    expect(() => patchedPod({}, { '$setElementOrder/containers': 'a' })).toThrow(
      'invalid patch format of setElementOrder list',
    )
  })
})

describe('$retainKeys', () => {
  it('drops what it does not name', () => {
    const result = patchedSpec(
      { strategy: { type: 'RollingUpdate', limit: 3 } },
      { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
    )
    expect(result).toEqual({ strategy: { type: 'Recreate' } })
  })
  it('works in elements of lists', () => {
    const result = patchedPod(
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/x' } }] },
    )
    expect(result).toEqual({ volumes: [{ name: 'v', hostPath: { path: '/x' } }] })
  })
  it('is refused when it does not name what the patch sets', () => {
    expect(() => patchedSpec({ strategy: { type: 'a' } }, { strategy: { $retainKeys: ['limit'], type: 'b' } })).toThrow(
      'invalid patch format of retainKeys',
    )
  })
})

it('refuses a patch that is no object', () => {
  expect(() => applyStrategicMergePatch({}, [], workloadSchema, lookup)).toThrow('invalid JSON document')
})
