import type { Pod } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { chosenContainer } from './pod-container.ts'

const pod = (containers: string[], init: string[] = [], ephemeral: string[] = []): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: {
    containers: containers.map((name) => ({ name, image: 'i' })),
    initContainers: init.map((name) => ({ name, image: 'i' })),
    ephemeralContainers: ephemeral.map((name) => ({ name, image: 'i' })),
  },
})

describe('chosenContainer', () => {
  it('is the only one, or the one that is named', () => {
    expect(chosenContainer(pod(['app']), '')).toBe('app')
    expect(chosenContainer(pod(['app', 'log']), 'log')).toBe('log')
    expect(chosenContainer(pod(['app'], ['setup'], ['debug']), 'setup')).toBe('setup')
    expect(chosenContainer(pod(['app'], ['setup'], ['debug']), 'debug')).toBe('debug')
  })

  it.each([
    [pod(['app', 'log']), '', 'a container name must be specified for pod web, choose one of: [app log]'],
    [
      pod(['app', 'log'], ['setup'], ['debug']),
      '',
      'a container name must be specified for pod web, choose one of: [app log] or one of the init containers: [setup] or one of the ephemeral containers: [debug]',
    ],
    [pod(['app']), 'other', 'container other is not valid for pod web'],
  ])('refuses what is not clear: %#', (given, named, message) => {
    expect(() => chosenContainer(given, named)).toThrow(message)
  })
})
