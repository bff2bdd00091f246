import { describe, expect, it } from 'vitest'
import { bytesToFree, ImageCollector, type KnownImage, planRemoval } from './image-gc.ts'

const image = (id: string, more: Partial<KnownImage> = {}): KnownImage => ({
  ...{ id, bytes: 100, detectedAtMs: 0, usedAtMs: 0, isInUse: false },
  ...more,
})

describe('how much is to be freed', () => {
  it.each([
    [{ capacity: 1000, available: 500 }, 0],
    [{ capacity: 1000, available: 151 }, 49],
    [{ capacity: 1000, available: 150 }, 50],
    [{ capacity: 1000, available: 160 }, 0],
    [{ capacity: 1000, available: 0 }, 200],
    [{ capacity: 0, available: 0 }, 0],
  ])('of %j is %d', (disk, bytes) => {
    expect(bytesToFree(disk)).toBe(bytes)
  })
})

describe('the images that are removed', () => {
  const now = 1_000_000
  it.each<[string, KnownImage[], number, string[]]>([
    ['none while nothing is wanted', [image('a')], 0, []],
    ['those unused the longest first', [image('a', { usedAtMs: 9 }), image('b', { usedAtMs: 5 })], 50, ['b']],
    ['of those never used the oldest', [image('a', { detectedAtMs: 9 }), image('b', { detectedAtMs: 5 })], 50, ['b']],
    ['as many as it takes', [image('a'), image('b'), image('c')], 101, ['a', 'b']],
    ['none in use', [image('a', { isInUse: true }), image('b')], 500, ['b']],
    ['none that has just come', [image('a', { detectedAtMs: now - 60_000 }), image('b')], 500, ['b']],
  ])('are %s', (_, images, bytes, expected) => {
    expect(planRemoval(images, bytes, now).map(({ id }) => id)).toEqual(expected)
  })
})

it('removes what no container uses once the disk is full, but the image of sandboxes never', async () => {
  let nowMs = 0
  let images = ['used', 'old', 'pause'].map((id) => ({ id, size: '300', repoTags: [`${id}:1`] }))
  let containers = [{ imageRef: 'used' }]
  const collector = new ImageCollector(
    {
      listImages: async () => images,
      listContainers: async () => containers,
      removeImage: async (id) => void (images = images.filter((each) => each.id !== id)),
      disk: async () => ({ capacity: 1000, available: 1000 - 300 * images.length }),
    },
    'pause:1',
    () => nowMs,
  )
  // Everything has just come.
  expect(await collector.collect()).toEqual({ wanted: 100, freed: 0 })
  nowMs = 200_000
  expect(await collector.collect()).toEqual({ wanted: 100, freed: 300 })
  expect(images.map(({ id }) => id)).toEqual(['used', 'pause'])
  containers = []
  expect(await collector.collect()).toEqual({ wanted: 0, freed: 0 })
})
