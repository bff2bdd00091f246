import { describe, expect, it } from 'vitest'
import { compileDeviceSelector, SelectableDevice } from './device-selector.ts'

const device = new SelectableDevice('gpu.example.com', {
  name: 'gpu-0',
  attributes: {
    model: { string: 'a100' },
    cores: { int: 8 },
    healthy: { bool: true },
    firmware: { version: '1.10.0' },
    'other.example.com/rack': { string: 'r1' },
  },
  capacity: { memory: { value: '80Gi' }, 'other.example.com/lanes': { value: '16' } },
})
const own = 'device.attributes["gpu.example.com"]'
const memory = 'device.capacity["gpu.example.com"].memory'

function evaluated(expression: string): unknown {
  const selector = compileDeviceSelector(expression)
  if ('error' in selector) return `compile: ${selector.error}`
  try {
    return selector.matches(device)
  } catch (error) {
    return `runtime: ${(error as Error).message.split('\n')[0]}`
  }
}

describe('a device selector', () => {
  it.each([
    ['device.driver == "gpu.example.com"', true],
    [`${own}.model == "a100" && ${own}.cores >= 8 && ${own}.healthy`, true],
    [`${own}["model"].startsWith("b")`, false],
    ['device.attributes["other.example.com"].rack == "r1"', true],
    ['device.allowMultipleAllocations', false],
    ['!(device.driver == "other.example.com")', true],
    ['true && !(device.driver == "gpu.example.com" && !(device.driver == "x"))', false],
    [`cel.bind(dra, ${own}, dra.healthy && dra.model == "a100")`, true],
    [`${own}.model in ["a100", "h100"]`, true],
    [`["a100", "h100"].exists(model, model == ${own}.model)`, true],
  ])('reads the device: %s is %s', (expression, expected) => expect(evaluated(expression)).toBe(expected))

  it.each([
    [`${memory}.compareTo(quantity("40Gi")) > 0`, true],
    [`${memory}.isGreaterThan(quantity("80Gi"))`, false],
    [`${memory}.isLessThan(quantity("81Gi"))`, true],
    [`${memory} == quantity("81920Mi")`, true],
    [`${memory}.sub(quantity("80Gi")).sign() == 0`, true],
    ['device.capacity["other.example.com"].lanes.asInteger() == 16', true],
    ['isQuantity("1Gi") && !isQuantity("much")', true],
    ['quantity("500m").isInteger()', false],
    ['quantity("500m").asApproximateFloat() == 0.5', true],
    ['quantity("1").add(2).compareTo(quantity("3")) == 0', true],
  ])('reckons with quantities: %s is %s', (expression, expected) => expect(evaluated(expression)).toBe(expected))

  it.each([
    [`${own}.firmware.compareTo(semver("1.9.0")) > 0`, true],
    [`${own}.firmware.isLessThan(semver("1.10.0-rc.1"))`, false],
    [`${own}.firmware == semver("1.10.0")`, true],
    [`${own}.firmware != semver("1.10.0")`, false],
    [`${own}.firmware.minor() == 10`, true],
    ['semver("v1.2", true).patch() == 0 && !isSemver("v1.2")', true],
    ['semver("1.0.0-alpha.2").isLessThan(semver("1.0.0-alpha.10"))', true],
  ])('orders versions: %s is %s', (expression, expected) => expect(evaluated(expression)).toBe(expected))

  it.each([
    [`${own}.model.upperAscii() == "A100" && ${own}.model.matches("^a[0-9]+$")`, true],
    ['"a-b-c".replace("-", "+", 1) == "a+b-c" && "a-b".replace("-", "") == "ab"', true],
    ['"abc".charAt(1) == "b" && "abc".reverse() == "cba" && "ab12".find("[0-9]+") == "12"', true],
    [`sets.contains(["a100", "h100"], [${own}.model])`, true],
    ['sets.intersects([1], [2]) || sets.equivalent([1, 2], [2, 1, 1])', true],
  ])('knows the functions of strings and sets: %s is %s', (expression, expected) =>
    expect(evaluated(expression)).toBe(expected),
  )

  it.each([
    [`${own}.absent == "x"`, 'runtime: No such key: absent'],
    ['device.attributes["unknown.example.com"].absent', 'runtime: No such key: absent'],
    [`has(${own}.absent) && ${own}.absent == "x"`, false],
    [`has(${own}.model) && "cores" in ${own}`, true],
    ['has(device.attributes["unknown.example.com"].absent)', false],
    ['["gpu.example.com"].exists(domain, has(device.attributes[domain].model))', true],
    ['"unknown.example.com" in device.attributes', false],
    [`${own}.?absent.orValue("none") == "none"`, true],
    [`${own}.model`, 'runtime: expected boolean result'],
    ['has(device.capacity["gpu.example.com"].memory) ? device.driver != "" : false', true],
  ])('takes what is absent for an error unless it is asked for: %s is %s', (expression, expected) =>
    expect(evaluated(expression)).toBe(expected),
  )

  it.each([
    ['device.driver ==', 'compile: Unexpected token: EOF'],
    ['device.name == "x"', 'compile: No such key: name'],
    ['pod.name == "x"', 'compile: Unknown variable: pod'],
    ['device.driver', 'compile: must evaluate to bool or the unknown type, not string'],
    [
      'device.driver.split("").all(a, device.driver.split("").all(b, device.driver.split("").all(c, device.driver.split("").all(d, a + b + c == d))))',
      'compile: too complex, exceeds cost limit',
    ],
  ])('turns down what it cannot compile: %s', (expression, expected) => expect(evaluated(expression)).toBe(expected))
})
