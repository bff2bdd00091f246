import { describe, expect, it } from 'vitest'
import {
  configKeyProblems,
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  envNameProblems,
  generatedName,
  httpHeaderNameProblems,
  ipProblems,
  isIPv4,
  isIPv6,
  labelValueProblems,
  maskTrailingDash,
  pathSegmentProblems,
  percentProblems,
  portNameProblems,
  portNumberProblems,
  qualifiedNameProblems,
  randomSuffix,
  safeEncode,
  wildcardSubdomainProblems,
} from './names.ts'

type Rule = (value: string) => string[]
const long = (length: number): string => 'a'.repeat(length)

const accepted: [name: string, rule: Rule, values: string[]][] = [
  ['a DNS-1123 label', dns1123LabelProblems, ['a', '0', 'a-b', '9a', long(63)]],
  ['a DNS-1123 subdomain', dns1123SubdomainProblems, ['a', 'a.b', 'a-b.c-d', '1.2.3.4', long(253)]],
  ['a DNS-1035 label', dns1035LabelProblems, ['a', 'a1', 'a-1', long(63)]],
  ['a wildcard subdomain', wildcardSubdomainProblems, ['*.a', '*.example.com']],
  ['a qualified name', qualifiedNameProblems, ['a', 'A_b.c-1', 'example.com/name', `${long(253)}/${long(63)}`]],
  ['a label value', labelValueProblems, ['', 'a', 'A.b_c-1', long(63)]],
  ['a config key', configKeyProblems, ['a', 'a.b', '-', '_', '.hidden', long(253)]],
  ['a port name', portNameProblems, ['http', 'a', 'a-1', '80a']],
  ['an environment variable name', envNameProblems, ['A', '1a', 'a.b-c', 'a b']],
  ['a path segment', pathSegmentProblems, ['system:node', 'a b', 'ü']],
  ['a percentage', percentProblems, ['0%', '250%']],
  ['a header name', httpHeaderNameProblems, ['X-Header']],
  ['an IP address', ipProblems, ['10.0.0.1', '::', '::1', '2001:db8::ffff', 'fe80::1:2', '::ffff:1.2.3.4']],
]
describe.each(accepted)('%s', (_, rule, values) => {
  it.each(values)('may be %s', (value) => {
    expect(rule(value)).toEqual([])
  })
})

const refused: [name: string, rule: Rule, values: string[]][] = [
  ['a DNS-1123 label', dns1123LabelProblems, ['', 'A', '-a', 'a-', 'a.b', 'a_b', long(64)]],
  ['a DNS-1123 subdomain', dns1123SubdomainProblems, ['', '.', 'a.', '.a', 'a..b', 'A.b', long(254)]],
  ['a DNS-1035 label', dns1035LabelProblems, ['', '1a', 'a.b', long(64)]],
  ['a wildcard subdomain', wildcardSubdomainProblems, ['*', '*.', 'a.b', 'a.*.b']],
  ['a qualified name', qualifiedNameProblems, ['', '/', '/a', 'a/', 'a/b/c', 'A.com/a', long(64), '_a']],
  ['a label value', labelValueProblems, ['-', 'a b', '.a', long(64)]],
  ['a config key', configKeyProblems, ['', '.', '..', '..a', 'a/b', long(254)]],
  ['a port name', portNameProblems, ['', '80', 'a--b', '-a', 'a-', 'A', long(16)]],
  ['an environment variable name', envNameProblems, ['', 'a=b', 'ü', 'a\n']],
  ['a path segment', pathSegmentProblems, ['.', '..', 'a/b', 'a%b']],
  ['a percentage', percentProblems, ['', '%', '1', '1.5%', '-1%']],
  ['a header name', httpHeaderNameProblems, ['', 'a_b']],
  ['an IP address', ipProblems, ['', '1.2.3', '1.2.3.256', '01.2.3.4', ':::', '1::2::3', 'g::', '1:2:3:4:5:6:7:8:9']],
]
describe.each(refused)('%s', (_, rule, values) => {
  it.each(values)('may not be %s', (value) => {
    expect(rule(value)).not.toEqual([])
  })
})

describe('texts', () => {
  it('name the rule, examples and the expression', () => {
    expect(dns1123LabelProblems('Web')).toEqual([
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ])
    expect(dns1123SubdomainProblems('Web_1')).toEqual([
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ])
  })
  it('say of a label that is a subdomain that it has dots', () => {
    expect(dns1123LabelProblems('a.b')).toEqual(['must not contain dots'])
  })
  it('give the length alone when that is the only problem', () => {
    expect(dns1123LabelProblems(long(64))).toEqual(['must be no more than 63 characters'])
  })
  it('give the range of ports', () => {
    expect(portNumberProblems(0)).toEqual(['must be between 1 and 65535, inclusive'])
    expect(portNumberProblems(65_535)).toEqual([])
  })
})

describe('generated names', () => {
  it('end in five characters without vowels', () => {
    expect(randomSuffix()).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  })
  it('keep within 63 characters', () => {
    expect(generatedName(long(80))).toMatch(/^a{58}[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  })
  it('may end their prefix with a dash', () => {
    expect(maskTrailingDash('web-')).toBe('wea')
    expect(dns1123LabelProblems(maskTrailingDash('web-'))).toEqual([])
  })
  it('take the alphabet of hashes from the same place', () => {
    expect(safeEncode('0123456789')).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{10}$/)
  })
})

describe('addresses', () => {
  it('are of one family', () => {
    expect([isIPv4('10.0.0.1'), isIPv6('10.0.0.1')]).toEqual([true, false])
    expect([isIPv4('fd00::1'), isIPv6('fd00::1')]).toEqual([false, true])
  })
})
