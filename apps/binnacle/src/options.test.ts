import { describe, expect, it } from 'vitest'
import { PlainError, parseOptions } from './options.ts'

describe('parseOptions', () => {
  it('has the documented defaults', () => {
    expect(parseOptions([], '/srv/app')).toMatchObject({
      dataDir: '/srv/app/.binnacle',
      port: 6443,
      databaseUrl: undefined,
      node: 'simulated',
      install: true,
      simulatedNodes: undefined,
      simulatedDevices: 0,
      dashboard: true,
      detach: false,
    })
  })

  it('takes every option', () => {
    const args = [
      '--data-dir',
      'd',
      '--port',
      '0',
      '--database-url',
      'postgres://h/db',
      '--scheduler-config',
      'scheduler.yaml',
      '--node',
      'real',
      '--node-name',
      'box',
      '--no-install',
      '--cri-socket',
      '/run/c.sock',
      '--simulated-nodes',
      '3',
      '--simulated-devices',
      '4',
      '--no-dashboard',
      '--detach',
    ]
    expect(parseOptions(args, '/srv')).toMatchObject({
      dataDir: '/srv/d',
      port: 0,
      databaseUrl: 'postgres://h/db',
      schedulerConfig: '/srv/scheduler.yaml',
      node: 'real',
      nodeName: 'box',
      install: false,
      criSocket: '/run/c.sock',
      simulatedNodes: 3,
      simulatedDevices: 4,
      dashboard: false,
      detach: true,
    })
  })

  it('leaves this machine alone unless it is asked for, beside simulated nodes or without', () => {
    expect(parseOptions(['--simulated-nodes', '3'], '/').node).toBe('simulated')
    expect(parseOptions(['--simulated-nodes', '3', '--node', 'auto'], '/').node).toBe('auto')
  })

  it.each([
    [['--port', 'x'], "--port takes a whole number from 0 to 65535, not 'x'."],
    [['--port', '70000'], "--port takes a whole number from 0 to 65535, not '70000'."],
    [['--database-url', 'mysql://x'], "--database-url takes a URL that begins with postgres://, not 'mysql://x'."],
    [['--node', 'virtual'], "--node takes real, simulated or auto, not 'virtual'."],
    [['--node-name', 'No Name'], "--node-name takes lower case letters, digits, '-' and '.', not 'No Name'."],
    [['--colour'], "Unknown option '--colour'. See 'npm start -- --help'."],
  ])('refuses %j with one sentence', (args, message) => {
    expect(() => parseOptions(args, '/')).toThrow(new PlainError(message))
  })
})
