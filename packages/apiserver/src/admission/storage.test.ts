import {
  persistentVolumeClaims,
  persistentVolumes,
  type ResourceDefinition,
  storageClasses,
  volumeAttributesClasses,
} from '@binnacle/resources'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from '../test-server.ts'

let test: TestServer
const namespace = 'storage'
const claims = persistentVolumeClaims as ResourceDefinition<any>

beforeAll(async () => {
  test = await startTestServer()
  await test.createNamespace(namespace)
  await test.create(storageClasses, { metadata: { name: 'fixed' }, provisioner: 'x' })
  await test.create(storageClasses, { metadata: { name: 'growing' }, provisioner: 'x', allowVolumeExpansion: true })
})
afterAll(async () => await test.stop())

const claim = (name: string, storageClassName: string) => ({
  metadata: { name, namespace },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName },
})
const patch = async (name: string, body: Record<string, unknown>, subresource?: 'status') =>
  await test.server.patch(
    test.request,
    claims,
    { namespace, name },
    { type: 'merge', body },
    subresource === undefined ? {} : { subresource },
  )
const sized = (storage: string) => ({ spec: { resources: { requests: { storage } } } })
const bound = { status: { phase: 'Bound', capacity: { storage: '1Gi' } } }

describe('storage objects', () => {
  it('get the finalizer that keeps them while they are in use', async () => {
    const created = await test.create(claims, claim('kept', 'fixed'))
    expect(created.metadata.finalizers).toEqual(['kubernetes.io/pvc-protection'])
    const attributes = await test.create(volumeAttributesClasses, {
      metadata: { name: 'gold', finalizers: ['kubernetes.io/vac-protection'] },
      driverName: 'x',
      parameters: { iops: '5' },
    })
    expect(attributes.metadata.finalizers).toEqual(['kubernetes.io/vac-protection'])
    const volume = await test.create(persistentVolumes, {
      metadata: { name: 'pv', finalizers: ['example.com/mine'] },
      spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/data' } },
    })
    expect(volume.metadata.finalizers).toEqual(['example.com/mine', 'kubernetes.io/pv-protection'])
    expect(volume.status?.lastPhaseTransitionTime).toBeDefined()
  })
})

describe('a claim', () => {
  it('cannot ask for more before it is bound', async () => {
    await test.create(claims, claim('early', 'growing'))
    expect(await refusal(patch('early', sized('2Gi')))).toMatchObject({
      code: 403,
      message: 'persistentvolumeclaims "early" is forbidden: Only bound persistent volume claims can be expanded',
    })
  })

  it('cannot ask for more of a class whose volumes do not grow', async () => {
    await test.create(claims, claim('fixed', 'fixed'))
    await patch('fixed', bound, 'status')
    expect((await refusal(patch('fixed', sized('2Gi')))).message).toBe(
      'persistentvolumeclaims "fixed" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
    )
  })

  it('asks for more of a class whose volumes grow, and takes that back as long as it has not got it', async () => {
    await test.create(claims, claim('growing', 'growing'))
    await patch('growing', bound, 'status')
    await patch('growing', sized('3Gi'))
    await patch('growing', sized('2Gi'))
    expect((await refusal(patch('growing', sized('1Gi')))).message).toContain(
      'spec.resources.requests.storage: Forbidden: field can not be less than status.capacity',
    )
  })

  it('keeps what it has asked for', async () => {
    await test.create(claims, claim('frozen', 'fixed'))
    const frozen = 'spec is immutable after creation except resources.requests and volumeAttributesClassName'
    expect((await refusal(patch('frozen', { spec: { accessModes: ['ReadWriteMany'] } }))).message).toContain(frozen)
    expect((await refusal(patch('frozen', { spec: { storageClassName: 'growing' } }))).message).toContain(frozen)
    await patch('frozen', { spec: { volumeName: 'pv', volumeAttributesClassName: 'gold' } })
    expect((await refusal(patch('frozen', { spec: { volumeName: 'other' } }))).message).toContain(frozen)
  })

  it('may be given a class when it named none', async () => {
    const { spec, metadata } = claim('classless', '')
    const { storageClassName: _none, ...rest } = spec
    await test.create(claims, { metadata, spec: rest })
    await patch('classless', { spec: { storageClassName: 'fixed' } })
    expect((await refusal(patch('classless', { spec: { storageClassName: 'growing' } }))).code).toBe(422)
  })
})
