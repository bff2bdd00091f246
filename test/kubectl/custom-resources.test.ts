import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { cronTabDefinition, type CronTabOptions } from '@binnacle/resources/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, kubectlPath, type Product, startProduct } from '../fixtures/product.ts'

/** Custom resources as people use them with kubectl: defined, made, shown, explained, changed, scaled, collected, deleted. */

let product: Product
let folder: string

beforeAll(async () => {
  if (kubectlPath === undefined) return
  folder = mkdtempSync(path.join(tmpdir(), 'binnacle-custom-'))
  product = startProduct(['--simulated-nodes', '1', '--no-dashboard'])
  await eventually(() => product.kubectl('get', 'serviceaccount', 'default'))
}, 240_000)
afterAll(() => {
  product?.remove()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

const kubectl = (command: string, ...more: string[]): Promise<string> => product.kubectl(...command.split(' '), ...more)
const refusal = (command: string, ...more: string[]): Promise<string> =>
  kubectl(command, ...more).then(
    (output) => `not refused: ${output}`,
    (error: Error) => error.message,
  )
const json = async (command: string): Promise<any> => JSON.parse(await kubectl(`${command} -o json`))

function manifest(name: string, object: object): string {
  const file = path.join(folder, `${name}.json`)
  writeFileSync(file, JSON.stringify(object))
  return file
}

const cronTab = (name: string, metadata: object = {}, spec: object = {}): object => ({
  apiVersion: 'stable.example.com/v1',
  kind: 'CronTab',
  metadata: { name, ...metadata },
  spec: { cronSpec: '* * * * */5', image: 'my-image', ...spec },
})
const ownedBy = (kind: string, name: string, uid: string, apiVersion = 'v1'): object => ({
  ownerReferences: [{ apiVersion, kind, name, uid }],
})

/** Defines CronTabs, and waits until they are served. */
async function define(options: CronTabOptions = {}): Promise<void> {
  const crd = cronTabDefinition(options)
  await kubectl('apply -f', manifest('crd', crd))
  await kubectl('wait --for=condition=Established --timeout=60s', `crd/${crd.metadata.name}`)
}

describe.skipIf(kubectlPath === undefined)('a custom kind', () => {
  it('is defined, and its objects are made, shown and explained', async () => {
    await define()
    expect(await kubectl('apply -f', manifest('a', cronTab('a')))).toBe('crontab.stable.example.com/a created\n')
    expect(await kubectl('apply -f', manifest('a', cronTab('a')))).toBe('crontab.stable.example.com/a unchanged\n')
    expect((await kubectl('get ct')).replace(/\d+s\n/, 'AGE\n')).toBe(
      ['NAME   SPEC          REPLICAS   AGE', 'a      * * * * */5   1          AGE\n'].join('\n'),
    )
    expect(await kubectl('explain crontab.spec.cronSpec')).toMatch(
      /FIELD: cronSpec <string>\n[\s\S]*When it runs, as cron writes it\./,
    )
    expect(await kubectl('api-resources --api-group=stable.example.com --no-headers')).toMatch(
      /^crontabs +ct +stable\.example\.com\/v1 +true +CronTab\n$/,
    )
    const { metadata } = await json('get crontab a --show-managed-fields')
    expect(metadata.managedFields[0]).toMatchObject({
      apiVersion: 'stable.example.com/v1',
      manager: expect.any(String),
    })
  })

  it('refuses what its schema does not allow, in the words of Kubernetes', async () => {
    const wrong = manifest('wrong', cronTab('wrong', {}, { cronSpec: 'never', replicas: 99 }))
    const message = await refusal('apply -f', wrong)
    expect(message).toContain('The CronTab "wrong" is invalid:')
    expect(message).toContain('spec.cronSpec: Invalid value: "never": spec.cronSpec in body should match \'^(\\d+|')
    expect(message).toContain(
      'spec.replicas: Invalid value: 99: spec.replicas in body should be less than or equal to 10',
    )
    expect(await refusal('apply -f', manifest('unknown', cronTab('unknown', {}, { colour: 'red' })))).toContain(
      'strict decoding error: unknown field "spec.colour"',
    )
  })

  it('is patched, applied by several, and scaled', async () => {
    await kubectl('patch ct a --type=merge -p', '{"spec":{"image":"other"}}')
    expect(await refusal('patch ct a -p', '{}')).toContain('application/strategic-merge-patch+json is not supported')
    const ports = manifest('ports', {
      apiVersion: 'stable.example.com/v1',
      kind: 'CronTab',
      metadata: { name: 'a' },
      spec: { ports: [{ port: 80 }] },
    })
    expect(await kubectl('apply --server-side --field-manager=ports -f', ports)).toBe(
      'crontab.stable.example.com/a serverside-applied\n',
    )
    expect(await kubectl('scale ct/a --replicas=3')).toBe('crontab.stable.example.com/a scaled\n')
    expect((await json('get ct a')).spec).toEqual({
      cronSpec: '* * * * */5',
      image: 'other',
      replicas: 3,
      ports: [{ port: 80 }],
    })
    await kubectl('patch ct a --subresource=status --type=merge -p', '{"status":{"replicas":3},"spec":{"replicas":9}}')
    expect(await json('get ct a')).toMatchObject({ spec: { replicas: 3 }, status: { replicas: 3 } })
  })

  it('is served again after a restart', async () => {
    product.stop()
    product.restart()
    await eventually(async () => expect(await kubectl('get ct -o name')).toBe('crontab.stable.example.com/a\n'))
  }, 240_000)

  it('is watched', async () => {
    const seen = kubectl('wait --for=jsonpath={.spec.image}=watched --timeout=60s ct/a')
    await kubectl('patch ct a --type=merge -p', '{"spec":{"image":"watched"}}')
    expect(await seen).toBe('crontab.stable.example.com/a condition met\n')
  })

  it('is held to its rules in CEL', async () => {
    const spec = {
      type: 'object',
      properties: { cronSpec: { type: 'string' }, image: { type: 'string' }, replicas: { type: 'integer' } },
      'x-kubernetes-validations': [
        { rule: 'self.replicas <= 3', message: 'three are enough' },
        {
          rule: 'self.image == oldSelf.image',
          fieldPath: '.image',
          reason: 'FieldValueForbidden',
          message: 'it stays',
        },
      ],
    }
    const names = { plural: 'ruledtabs', singular: 'ruledtab', kind: 'RuledTab', shortNames: [] }
    const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } }
    await define({ names, version: { schema, subresources: {} } })
    const ruled = (more: object) => manifest('ruled', { ...cronTab('ruled', {}, more), kind: 'RuledTab' })
    expect(await refusal('apply -f', ruled({ replicas: 4 }))).toContain(
      'The RuledTab "ruled" is invalid: spec: Invalid value: three are enough',
    )
    await kubectl('apply -f', ruled({ replicas: 3 }))
    expect(await refusal('apply -f', ruled({ replicas: 3, image: 'other' }))).toContain(
      'spec.image: Forbidden: it stays',
    )
    const wrong = cronTabDefinition({ names, version: { schema, subresources: {} } })
    spec['x-kubernetes-validations'][0] = { rule: 'self.replica <= 3', message: '' }
    expect(await refusal('apply -f', manifest('wrong-rule', wrong))).toContain(
      'compilation failed: No such key: replica',
    )
  })

  it('changes with its definition', async () => {
    const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
    const v2 = { name: 'v2', served: true, storage: false, schema: { openAPIV3Schema: schema } }
    await define({ versions: [v2], names: { shortNames: ['ct', 'cron'] } })
    await eventually(async () => {
      await kubectl('api-resources --cached=false')
      expect((await json('get crontabs.v2.stable.example.com a')).apiVersion).toBe('stable.example.com/v2')
      expect(await kubectl('get cron -o name')).toBe('crontab.stable.example.com/a\n')
    })
  })
})

describe.skipIf(kubectlPath === undefined)('with custom objects', () => {
  it('the garbage collector works in both directions', async () => {
    await kubectl('apply -f', manifest('owner', cronTab('owner')))
    const { uid } = (await json('get ct owner')).metadata
    const metadata = { name: 'owned', ...ownedBy('CronTab', 'owner', uid, 'stable.example.com/v1') }
    await kubectl('apply -f', manifest('owned', { apiVersion: 'v1', kind: 'ConfigMap', metadata }))
    await kubectl('create configmap root')
    const root = (await json('get configmap root')).metadata.uid
    await kubectl('apply -f', manifest('leaf', cronTab('leaf', ownedBy('ConfigMap', 'root', root))))
    await kubectl('delete ct owner')
    await kubectl('delete configmap root')
    await eventually(async () => {
      expect(await kubectl('get configmap owned --ignore-not-found')).toBe('')
      expect(await kubectl('get ct leaf --ignore-not-found')).toBe('')
    })
  })

  it('a quota counts them', async () => {
    await kubectl('create namespace few')
    await kubectl('create quota one -n few --hard=count/crontabs.stable.example.com=1')
    await eventually(async () => {
      const { status } = await json('get quota one -n few')
      expect(status.used).toEqual({ 'count/crontabs.stable.example.com': '0' })
    })
    await kubectl('apply -n few -f', manifest('first', cronTab('first')))
    expect(await refusal('apply -n few -f', manifest('second', cronTab('second')))).toContain('exceeded quota: one')
    await kubectl('delete ct first -n few')
    await eventually(() => kubectl('apply -n few -f', manifest('second', cronTab('second'))))
  })

  it('a namespace is deleted, and says what holds it back', async () => {
    await kubectl('create namespace gone')
    await kubectl('apply -n gone -f', manifest('plain', cronTab('plain')))
    await kubectl('apply -n gone -f', manifest('held', cronTab('held', { finalizers: ['example.com/wait'] })))
    await kubectl('delete namespace gone --wait=false')
    await eventually(async () => {
      const { status } = await json('get namespace gone')
      const remaining = status.conditions.find(({ type }: { type: string }) => type === 'NamespaceContentRemaining')
      expect(remaining.message).toBe(
        'Some resources are remaining: crontabs.stable.example.com has 1 resource instances',
      )
    })
    await kubectl('patch ct held -n gone --type=json -p', '[{"op":"remove","path":"/metadata/finalizers"}]')
    await kubectl('wait --for=delete namespace/gone --timeout=60s')
  }, 120_000)

  it('a List is validated by kubectl itself', async () => {
    const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'listed' }, data: { a: '1' } }
    const list = (items: object[]): string => manifest('list', { apiVersion: 'v1', kind: 'List', items })
    const apply = 'apply --validate=true -f'
    expect(await kubectl(apply, list([configMap, cronTab('listed', {}, { extra: { any: [1] } })]))).toBe(
      'configmap/listed created\ncrontab.stable.example.com/listed created\n',
    )
    const wrong = list([{ ...configMap, dataa: {} }, cronTab('listed', {}, { colour: 'red' })])
    const message = await refusal(apply, wrong)
    expect(message).toContain('ValidationError(ConfigMap): unknown field "dataa" in io.k8s.api.core.v1.ConfigMap')
    expect(message).toContain(
      'ValidationError(CronTab.spec): unknown field "colour" in com.example.stable.v1.CronTab.spec',
    )
  })

  it('two definitions do not get the same name', async () => {
    const names = { plural: 'crons', singular: 'cron', kind: 'Cron', shortNames: ['ct'] }
    await kubectl('apply -f', manifest('second-crd', cronTabDefinition({ names })))
    const reason = 'get crd crons.stable.example.com -o jsonpath={.status.conditions[0].reason}'
    await eventually(async () => expect(await kubectl(reason)).toBe('ShortNamesConflict'))
  })

  it('a definition goes with all of them', async () => {
    await kubectl('delete crd crontabs.stable.example.com --timeout=60s')
    await eventually(async () =>
      expect(await refusal('get crontabs')).toMatch(
        /could not find the requested resource|doesn't have a resource type/,
      ),
    )
    await kubectl('wait --for=condition=Established --timeout=60s crd/crons.stable.example.com')
    await define({ names: { shortNames: [], singular: 'crontabone' } })
    await eventually(async () => expect(await kubectl('get crontabs.stable.example.com -A -o name')).toBe(''))
  }, 120_000)
})
