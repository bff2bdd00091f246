import { limitRanges, persistentVolumeClaims, type Pod, pods, type ResourceDefinition } from '@binnacle/resources'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from '../test-server.ts'

let test: TestServer
let namespace = ''
let count = 0

beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => await test.stop())
beforeEach(async () => {
  namespace = `limits-${++count}`
  await test.createNamespace(namespace)
})

const limit = async (...limits: object[]) =>
  await test.create(limitRanges, { metadata: { name: 'limits', namespace }, spec: { limits } })
const pod = (resources: object = {}, spec: object = {}) => ({
  metadata: { name: 'p', namespace },
  spec: { containers: [{ name: 'a', image: 'i', resources }], ...spec },
})
const why = async (body: object): Promise<string> => {
  const { code, message } = await refusal(test.create(pods, body))
  expect(code).toBe(403)
  return (message ?? '').replace('pods "p" is forbidden: ', '')
}

describe('LimitRanges', () => {
  it('give containers what they do not name, and say so', async () => {
    await limit({ type: 'Container', default: { cpu: '2', memory: '1Gi' }, defaultRequest: { cpu: '500m' } })
    const initContainers = [{ name: 'i', image: 'i', resources: { limits: { memory: '2Gi' } } }]
    const { metadata, spec } = (await test.create(pods, pod({ requests: { cpu: '1' } }, { initContainers }))) as Pod
    expect(spec?.containers[0]?.resources).toEqual({
      limits: { cpu: '2', memory: '1Gi' },
      requests: { cpu: '1', memory: '1Gi' },
    })
    expect(spec?.initContainers?.[0]?.resources).toEqual({
      limits: { cpu: '2', memory: '2Gi' },
      requests: { cpu: '500m', memory: '2Gi' },
    })
    expect(metadata.annotations?.['kubernetes.io/limit-ranger']).toBe(
      'LimitRanger plugin set: memory request for container a; cpu, memory limit for container a; cpu request for init container i; cpu limit for init container i',
    )
  })

  it('default their own defaults from maximum and minimum', async () => {
    const made = await limit({ type: 'Container', max: { cpu: '2' }, min: { cpu: '1', memory: '1Mi' } })
    expect(made.spec?.limits[0]).toMatchObject({
      default: { cpu: '2' },
      defaultRequest: { cpu: '2', memory: '1Mi' },
    })
  })

  it.each([
    [{ requests: { cpu: '50m' } }, 'minimum cpu usage per Container is 100m, but request is 50m'],
    [{ requests: { cpu: '100m' }, limits: { cpu: '3' } }, 'maximum cpu usage per Container is 2, but limit is 3'],
  ])('bound what containers ask for: %j', async (resources, message) => {
    await limit({ type: 'Container', min: { cpu: '100m' }, max: { cpu: '2' } })
    expect(await why(pod(resources))).toBe(message)
  })

  it('bound how far limits may be above requests', async () => {
    await limit({ type: 'Container', maxLimitRequestRatio: { cpu: '2' } })
    expect(await why(pod())).toBe(
      'cpu max limit to request ratio per Container is 2, but no request is specified or request is 0',
    )
    expect(await why(pod({ requests: { cpu: '1' } }))).toBe(
      'cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0',
    )
    expect(await why(pod({ requests: { cpu: '1' }, limits: { cpu: '2500m' } }))).toBe(
      'cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000',
    )
    await test.create(pods, pod({ requests: { cpu: '1' }, limits: { cpu: '2' } }))
  })

  it('bound whole pods', async () => {
    await limit({ type: 'Pod', max: { cpu: '1' }, min: { memory: '1Gi' } })
    const containers = ['a', 'b'].map((name) => ({ name, image: 'i', resources: { limits: { cpu: '600m' } } }))
    expect(await why(pod({}, { containers }))).toBe(
      '[minimum memory usage per Pod is 1Gi.  No request is specified, maximum cpu usage per Pod is 1, but limit is 1200m]',
    )
    expect(await why(pod({ limits: { memory: '1Gi' } }))).toBe('maximum cpu usage per Pod is 1.  No limit is specified')
  })

  it('bound claims', async () => {
    await limit({ type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } })
    const claim = (storage: string) => ({
      metadata: { name: 'c', namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
    })
    expect((await refusal(test.create(persistentVolumeClaims, claim('3Gi')))).message).toBe(
      'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi',
    )
    expect((await refusal(test.create(persistentVolumeClaims, claim('1Mi')))).message).toContain(
      'minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi',
    )
    await test.create(persistentVolumeClaims, claim('2Gi'))
  })

  it('say nothing of later changes of a pod but resizes', async () => {
    await test.create(pods, pod({ requests: { cpu: '1' }, limits: { cpu: '1', memory: '1Gi' } }))
    await limit({ type: 'Container', max: { cpu: '2' } })
    const patch = async (body: Record<string, unknown>, subresource?: string) =>
      await test.server.patch(
        test.request,
        pods as ResourceDefinition<any>,
        { namespace, name: 'p' },
        { type: 'strategic', body },
        { subresource },
      )
    await patch({ metadata: { labels: { a: 'b' } } })
    const resources = { requests: { cpu: '3' }, limits: { cpu: '3' } }
    const resize = patch({ spec: { containers: [{ name: 'a', resources }] } }, 'resize')
    expect((await refusal(resize)).message).toContain('maximum cpu usage per Container is 2, but limit is 3')
  })

  it('must not contradict themselves', async () => {
    const item = { type: 'Container', min: { cpu: '3' }, max: { cpu: '2' }, default: { cpu: '2' } }
    const { code, details } = await refusal(limit(item))
    expect(code).toBe(422)
    expect(details?.causes?.map((cause) => `${cause.field}: ${cause.message}`)).toContain(
      'spec.limits[0].min[cpu]: Invalid value: "3": min value 3 is greater than max value 2',
    )
    const ofPod = await refusal(limit({ type: 'Pod', default: { cpu: '1' } }))
    expect(ofPod.message).toContain("spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'")
  })
})
