import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Product, eventually, kubectlPath, startProduct } from '../fixtures/product.ts'

/** StatefulSets and DaemonSets as kubectl users work with them: rolled out, changed, looked back at, undone. */

let product: Product

beforeAll(() => {
  product = startProduct(['--simulated-nodes', '4', '--no-dashboard'])
}, 240_000)
afterAll(() => product?.remove())

interface Workload {
  readonly file: string
  readonly namespace: string
  readonly name: string
  readonly container: string
  readonly before: string
  readonly after: string
}

const cases: readonly Workload[] = [
  {
    file: 'examples/stateful-set.yaml',
    namespace: 'shop',
    name: 'statefulset/postgres',
    container: 'postgres',
    before: 'postgres:18',
    after: 'postgres:19',
  },
  {
    file: 'examples/daemon-set.yaml',
    namespace: 'monitoring',
    name: 'daemonset/log-collector',
    container: 'collector',
    before: 'fluent-bit:4.0',
    after: 'fluent-bit:4.1',
  },
]

describe.skipIf(kubectlPath === undefined).each(cases)('$name with kubectl', ({ file, namespace, name, ...images }) => {
  const kubectl = (...args: string[]) => product.kubectl('-n', namespace, ...args)
  const rolledOut = () => kubectl('rollout', 'status', name, '--timeout=90s')
  const kind = name.split('/')[0] as string
  const image = async (): Promise<string[]> => {
    const { items } = JSON.parse(await kubectl('get', 'pods', '-o', 'json'))
    const own = items.filter(({ metadata }: any) => metadata.ownerReferences?.[0]?.kind.toLowerCase() === kind)
    return [...new Set<string>(own.map(({ spec }: any) => spec.containers[0].image))]
  }
  const history = async (): Promise<string[]> => {
    const lines = (await kubectl('rollout', 'history', name)).trim().split('\n')
    return lines.filter((line) => /^\d/.test(line)).map((line) => line.trim().replace(/\s+/g, ' '))
  }

  it('rolls out', async () => {
    await product.kubectl('apply', '-f', file)
    await rolledOut()
    expect(await image()).toEqual([images.before])
    expect(await history()).toEqual(['1 <none>'])
  })

  it('rolls a new image out', async () => {
    await kubectl('set', 'image', name, `${images.container}=${images.after}`)
    await rolledOut()
    await eventually(async () => expect(await image()).toEqual([images.after]))
    expect(await history()).toEqual(['1 <none>', '2 <none>'])
    expect(await kubectl('rollout', 'history', name, '--revision=1')).toContain(images.before)
  })

  it('goes back to the revision before', async () => {
    expect(await kubectl('rollout', 'undo', name)).toContain('rolled back')
    await rolledOut()
    await eventually(async () => expect(await image()).toEqual([images.before]))
    expect(await history()).toEqual(['2 <none>', '3 <none>'])
    expect(await kubectl('rollout', 'undo', name)).toContain('rolled back')
    await rolledOut()
    await eventually(async () => expect(await image()).toEqual([images.after]))
  })

  it('restarts', async () => {
    await kubectl('rollout', 'restart', name)
    await rolledOut()
    expect(await history()).toHaveLength(3)
  })
})

describe.skipIf(kubectlPath === undefined)('a StatefulSet that is scaled', () => {
  it('shrinks from the last pod on and keeps the claims', async () => {
    const kubectl = (...args: string[]) => product.kubectl('-n', 'shop', ...args)
    const named = async (kind: string): Promise<string[]> =>
      (await kubectl('get', kind, '-o', 'name')).trim().split('\n')
    const claims = await named('pvc')
    expect(claims).toHaveLength(3)
    await kubectl('scale', 'statefulset/postgres', '--replicas=1')
    await eventually(async () => expect(await named('pods')).toEqual(['pod/postgres-0']))
    expect(await named('pvc')).toEqual(claims)
  })
})
