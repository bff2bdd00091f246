import type { ContainerStatus, Pod } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { loggedContainer, runningContainer } from './container-lookup.ts'

const pod = (status: Partial<ContainerStatus>): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  status: {
    initContainerStatuses: [
      {
        name: 'setup',
        image: '',
        imageID: '',
        ready: true,
        restartCount: 0,
        containerID: 'containerd://init',
        state: { terminated: { exitCode: 0, containerID: 'containerd://init' } },
      },
    ],
    containerStatuses: [{ name: 'app', image: '', imageID: '', ready: true, restartCount: 0, ...status }],
  },
})
const exited = (id: string) => ({
  terminated: { exitCode: 1, ...(id === '' ? {} : { containerID: `containerd://${id}` }) },
})
const running = { containerID: 'containerd://now', state: { running: {} } }

describe('loggedContainer', () => {
  it.each([
    ['the one that runs', running, false, 'now'],
    ['the one before it', { ...running, lastState: exited('old') }, true, 'old'],
    ['the one that has ended', { state: exited('now') }, false, 'now'],
    ['the one before, when the last could not start', { state: exited(''), lastState: exited('old') }, false, 'old'],
    [
      'the one before, while the next waits',
      { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: exited('old') },
      false,
      'old',
    ],
  ] as const)('is %s', (_, status, previous, expected) => {
    expect(loggedContainer(pod(status), 'app', previous)).toBe(expected)
  })

  it('may be an init container', () => {
    expect(loggedContainer(pod({}), 'setup', false)).toBe('init')
  })

  it.each([
    [running, true, 'previous terminated container "app" in pod "web" not found'],
    [{ state: exited('') }, false, 'container "app" in pod "web" is terminated'],
    [
      { state: { waiting: { reason: 'ContainerCreating' } } },
      false,
      'container "app" in pod "web" is waiting to start: ContainerCreating',
    ],
    [
      { state: { waiting: { reason: 'ErrImagePull' } } },
      false,
      `container "app" in pod "web" is waiting to start: image can't be pulled`,
    ],
    [
      { state: { waiting: { reason: 'ImagePullBackOff' } } },
      false,
      'container "app" in pod "web" is waiting to start: trying and failing to pull image',
    ],
    [{}, false, 'container "app" in pod "web" is waiting to start - no logs yet'],
  ] as const)('says why there is none: %j, previous %s', (status, previous, message) => {
    expect(() => loggedContainer(pod(status), 'app', previous)).toThrow(message)
  })

  it('says that the kubelet does not know it yet', () => {
    expect(() => loggedContainer(pod({}), 'other', false)).toThrow('container "other" in pod "web" is not available')
  })
})

describe('runningContainer', () => {
  it('is the one that runs', () => {
    expect(runningContainer(pod(running), 'app')).toBe('now')
    expect(() => runningContainer(pod({ state: exited('now') }), 'app')).toThrow('container not found ("app")')
  })
})
