import { describe, expect, it } from 'vitest'
import { parseOptions } from './options.ts'
import { defaultSimulation } from './simulated/simulation-options.ts'

const server = ['--server', 'https://127.0.0.1:6443', '--ca', 'ca.crt']

describe('the options of the node agent', () => {
  it('have defaults for everything but the server', () => {
    expect(parseOptions(server).simulation).toEqual(defaultSimulation)
  })

  it('are read from the command line', () => {
    const { simulation, seed, connection } = parseOptions([
      ...server,
      '--client-cert',
      'c',
      '--client-key',
      'k',
      '--simulated',
      '500',
      '--seed',
      '7',
      '--start-delay-ms',
      '5',
      '--ready-delay-ms',
      '1..9',
      '--failure-rate',
      '0.25',
      '--cpu',
      '500m',
    ])
    expect(simulation).toMatchObject({
      nodes: 500,
      cpu: '500m',
      failureRate: 0.25,
      startDelay: { fromMs: 5, toMs: 5 },
      readyDelay: { fromMs: 1, toMs: 9 },
    })
    expect([seed, connection.clientCertFile, connection.clientKeyFile]).toEqual([7, 'c', 'k'])
  })

  it.each([
    [[], '--server must be the URL of the API server'],
    [['--server', 'https://127.0.0.1'], '--ca must name the file of the authority that the server is to be trusted by'],
    [[...server, '--client-cert', 'c'], '--client-cert and --client-key belong together'],
    [[...server, '--simulated', 'many'], '--simulated must be a whole number, not many'],
    [[...server, '--failure-rate', '2'], '--failure-rate must be a share from 0 to 1, not 2'],
    [[...server, '--memory', 'much'], '--memory must be a quantity such as 32 or 256Gi, not much'],
    [[...server, '--start-delay-ms', '9..1'], '9..1 is not a time in milliseconds such as 500 or 200..800'],
  ])('that are wrong are told of in one sentence (%j)', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message)
  })
})
