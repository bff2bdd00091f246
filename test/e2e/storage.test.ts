import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Product, eventually, kubectlPath, startProduct } from '../fixtures/product.ts'

/** Storage as a person meets it: claims of a StatefulSet on a new cluster, made, enlarged and deleted without any set-up. */

let product: Product

beforeAll(() => {
  product = startProduct(['--simulated-nodes', '3', '--no-dashboard'])
}, 240_000)
afterAll(() => product?.remove())

const statefulSet = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'db' },
  spec: {
    replicas: 3,
    serviceName: 'db',
    selector: { matchLabels: { app: 'db' } },
    template: {
      metadata: { labels: { app: 'db' } },
      spec: {
        containers: [{ name: 'db', image: 'postgres:17', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
      },
    },
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      },
    ],
  },
}

const get = async (...args: string[]) => JSON.parse(await product.kubectl('get', ...args, '-o', 'json'))

describe.skipIf(kubectlPath === undefined)('storage with kubectl', () => {
  it('gives each pod of a StatefulSet a volume on its node', async () => {
    const file = path.join(product.dataDir, 'stateful-set.json')
    writeFileSync(file, JSON.stringify(statefulSet))
    await product.kubectl('apply', '-f', file)
    await product.kubectl('rollout', 'status', 'statefulset/db', '--timeout=90s')
    const pods = (await get('pods', '-l', 'app=db')).items
    const claims = (await get('pvc')).items
    const volumes = (await get('pv')).items
    expect(claims.map((claim: any) => [claim.metadata.name, claim.status.phase, claim.spec.storageClassName])).toEqual([
      ['data-db-0', 'Bound', 'standard'],
      ['data-db-1', 'Bound', 'standard'],
      ['data-db-2', 'Bound', 'standard'],
    ])
    for (const pod of pods) {
      const claim = claims.find((each: any) => each.metadata.name === `data-${pod.metadata.name}`)
      const volume = volumes.find((each: any) => each.metadata.name === claim.spec.volumeName)
      const [term] = volume.spec.nodeAffinity.required.nodeSelectorTerms
      expect([pod.status.phase, term.matchExpressions[0].values]).toEqual(['Running', [pod.spec.nodeName]])
    }
  })

  it('brings a pod back to the node of its volume', async () => {
    const before = await get('pod', 'db-1')
    await product.kubectl('delete', 'pod', 'db-1')
    await eventually(async () => {
      const { metadata, spec, status } = await get('pod', 'db-1')
      expect(metadata.uid).not.toBe(before.metadata.uid)
      expect([status.phase, spec.nodeName]).toEqual(['Running', before.spec.nodeName])
    })
  })

  it('enlarges a volume when its claim asks for more', async () => {
    const body = JSON.stringify({ spec: { resources: { requests: { storage: '2Gi' } } } })
    await product.kubectl('patch', 'pvc', 'data-db-0', '-p', body)
    await eventually(async () => expect((await get('pvc', 'data-db-0')).status.capacity.storage).toBe('2Gi'))
  })

  it('keeps a claim while a pod uses it, and deletes its volume after that', async () => {
    const { volumeName } = (await get('pvc', 'data-db-2')).spec
    await product.kubectl('delete', 'pvc', 'data-db-2', '--wait=false')
    expect(await product.kubectl('get', 'pvc', 'data-db-2')).toContain('Terminating')
    await product.kubectl('scale', 'statefulset/db', '--replicas=2')
    await eventually(async () => {
      await expect(product.kubectl('get', 'pvc', 'data-db-2')).rejects.toThrow('not found')
      await expect(product.kubectl('get', 'pv', volumeName)).rejects.toThrow('not found')
    })
  })

  it('tells what a claim without a consumer waits for', async () => {
    const claim = { ...statefulSet.spec.volumeClaimTemplates[0], apiVersion: 'v1', kind: 'PersistentVolumeClaim' }
    const file = path.join(product.dataDir, 'claim.json')
    writeFileSync(file, JSON.stringify({ ...claim, metadata: { name: 'idle' } }))
    await product.kubectl('apply', '-f', file)
    await eventually(async () =>
      expect(await product.kubectl('describe', 'pvc', 'idle')).toContain(
        'waiting for first consumer to be created before binding',
      ),
    )
  })
})
