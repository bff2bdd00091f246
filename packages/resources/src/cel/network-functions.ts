import { isIPv4, isIPv6 } from '@binnacle/apimachinery'
import type { Environment } from '@marcbachmann/cel-js'

/** An address of a network, or a range of addresses (`10.0.0.0/8`), as CEL sees it. */
class CelAddress {
  readonly text: string
  readonly bits: bigint
  readonly family: 4 | 6

  constructor(text: string) {
    this.family = isIPv4(text) ? 4 : 6
    this.bits = this.family === 4 ? bitsOf4(text) : bitsOf6(text)
    this.text = this.family === 4 ? text : text6(this.bits)
  }
}

class CelRange {
  readonly address: CelAddress
  readonly prefixLength: number

  constructor(address: CelAddress, prefixLength: number) {
    this.address = address
    this.prefixLength = prefixLength
  }

  get #shift(): bigint {
    return BigInt((this.address.family === 4 ? 32 : 128) - this.prefixLength)
  }

  contains({ family, bits }: CelAddress): boolean {
    return family === this.address.family && bits >> this.#shift === this.address.bits >> this.#shift
  }

  /** The range with all bits after its prefix cleared. */
  get masked(): CelRange {
    const bits = (this.address.bits >> this.#shift) << this.#shift
    return new CelRange(new CelAddress(this.address.family === 4 ? text4(bits) : text6(bits)), this.prefixLength)
  }

  get text(): string {
    return `${this.address.text}/${this.prefixLength}`
  }
}

const bitsOf4 = (text: string): bigint => text.split('.').reduce((bits, part) => bits * 256n + BigInt(part), 0n)
const text4 = (bits: bigint): string => [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n).join('.')

function bitsOf6(text: string): bigint {
  const [head = '', tail] = text.split('::')
  const groups = (part: string | undefined): string[] => (part ? part.split(':') : [])
  const [first, last] = [groups(head), groups(tail)]
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length
  const all = [...first, ...Array.from({ length: zeros }, () => '0'), ...last]
  return all.reduce((bits, group) => bits * 65_536n + BigInt(`0x${group}`), 0n)
}

// Node's URL parser shortens addresses as RFC 5952 wants them.
function text6(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - 16 * i)) & 65_535n).toString(16))
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}

const isAddress = (text: string): boolean =>
  isIPv4(text) || (isIPv6(text) && !text.includes('.') && !text.includes('%'))

function rangeOf(text: string): CelRange | undefined {
  const [address = '', length = '', ...rest] = text.split('/')
  if (rest.length > 0 || !isAddress(address) || !/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined
  return Number(length) <= (isIPv4(address) ? 32 : 128)
    ? new CelRange(new CelAddress(address), Number(length))
    : undefined
}

function must<T>(value: T | undefined, what: string, text: string): T {
  if (value === undefined) throw new RangeError(`${what} "${text}" parse error during conversion from string`)
  return value
}

/** Declares addresses, ranges and URLs (`k8s.io/apiserver/pkg/cel/library` `ip.go`, `cidr.go`, `urls.go`). */
export function registerNetworkFunctions(environment: Environment): void {
  registerAddresses(environment)
  registerRanges(environment)
  registerUrls(environment)
}

function registerAddresses(environment: Environment): void {
  const addressOf = (text: string): CelAddress =>
    must(isAddress(text) ? new CelAddress(text) : undefined, 'IP Address', text)
  const within = (...ranges: string[]) => {
    const known = ranges.map((range) => rangeOf(range) as CelRange)
    return (address: CelAddress): boolean => known.some((range) => range.contains(address))
  }
  environment
    .registerType('net.IP', CelAddress)
    .registerFunction('ip(string): net.IP', addressOf)
    .registerFunction('isIP(string): bool', isAddress)
    .registerFunction('net.IP.family(): int', ({ family }: CelAddress) => BigInt(family))
    .registerFunction('string(net.IP): string', ({ text }: CelAddress) => text)
    .registerOperator('net.IP == net.IP', (a: CelAddress, b: CelAddress) => a.family === b.family && a.bits === b.bits)
  const checks: Record<string, (address: CelAddress) => boolean> = {
    isLoopback: within('127.0.0.0/8', '::1/128'),
    isUnspecified: within('0.0.0.0/32', '::/128'),
    isLinkLocalUnicast: within('169.254.0.0/16', 'fe80::/10'),
    isLinkLocalMulticast: within('224.0.0.0/24', 'ff02::/16'),
  }
  const isMulticast = within('224.0.0.0/4', 'ff00::/8')
  const isBroadcast = ({ text }: CelAddress): boolean => text === '255.255.255.255'
  checks['isGlobalUnicast'] = (address) =>
    !isMulticast(address) &&
    !isBroadcast(address) &&
    ['isLoopback', 'isUnspecified', 'isLinkLocalUnicast'].every((name) => checks[name]?.(address) === false)
  for (const [name, check] of Object.entries(checks)) environment.registerFunction(`net.IP.${name}(): bool`, check)
}

function registerRanges(environment: Environment): void {
  const of = (text: string): CelRange => must(rangeOf(text), 'network address', text)
  const containsRange = (outer: CelRange, inner: CelRange): boolean =>
    outer.prefixLength <= inner.prefixLength && outer.contains(inner.address)
  environment
    .registerType('net.CIDR', CelRange)
    .registerFunction('cidr(string): net.CIDR', of)
    .registerFunction('isCIDR(string): bool', (text: string) => rangeOf(text) !== undefined)
    .registerFunction('net.CIDR.containsIP(net.IP): bool', (range: CelRange, address: CelAddress) =>
      range.contains(address),
    )
    .registerFunction('net.CIDR.containsIP(string): bool', (range: CelRange, text: string) =>
      range.contains(must(isAddress(text) ? new CelAddress(text) : undefined, 'IP Address', text)),
    )
    .registerFunction('net.CIDR.containsCIDR(net.CIDR): bool', containsRange)
    .registerFunction('net.CIDR.containsCIDR(string): bool', (range: CelRange, text: string) =>
      containsRange(range, of(text)),
    )
    .registerFunction('net.CIDR.ip(): net.IP', ({ address }: CelRange) => address)
    .registerFunction('net.CIDR.masked(): net.CIDR', ({ masked }: CelRange) => masked)
    .registerFunction('net.CIDR.prefixLength(): int', ({ prefixLength }: CelRange) => BigInt(prefixLength))
    .registerFunction('string(net.CIDR): string', ({ text }: CelRange) => text)
    .registerOperator('net.CIDR == net.CIDR', (a: CelRange, b: CelRange) => a.text === b.text)
}

class CelUrl {
  readonly url: URL | undefined
  readonly text: string

  constructor(text: string) {
    this.text = text
    this.url = text.startsWith('/') ? undefined : new URL(text)
  }
}

const isUrl = (text: string): boolean => text.startsWith('/') || (/^[a-zA-Z][\w+.-]*:/.test(text) && URL.canParse(text))

function registerUrls(environment: Environment): void {
  const pathOf = ({ url, text }: CelUrl): string => (url === undefined ? (text.split('?')[0] as string) : url.pathname)
  environment
    .registerType('kubernetes.URL', CelUrl)
    .registerFunction('url(string): kubernetes.URL', (text: string) =>
      must(isUrl(text) ? new CelUrl(text) : undefined, 'URL', text),
    )
    .registerFunction('isURL(string): bool', isUrl)
    .registerFunction('kubernetes.URL.getScheme(): string', ({ url }: CelUrl) => url?.protocol.slice(0, -1) ?? '')
    .registerFunction('kubernetes.URL.getHost(): string', ({ url }: CelUrl) => url?.host ?? '')
    .registerFunction('kubernetes.URL.getHostname(): string', ({ url }: CelUrl) =>
      (url?.hostname ?? '').replace(/^\[|\]$/g, ''),
    )
    .registerFunction('kubernetes.URL.getPort(): string', ({ url }: CelUrl) => url?.port ?? '')
    .registerFunction('kubernetes.URL.getEscapedPath(): string', pathOf)
    .registerFunction('kubernetes.URL.getQuery(): map<string, list<string>>', queryOf)
    .registerOperator('kubernetes.URL == kubernetes.URL', (a: CelUrl, b: CelUrl) => a.text === b.text)
}

function queryOf({ url, text }: CelUrl): Map<string, string[]> {
  const parameters = url?.searchParams ?? new URLSearchParams(text.split('?')[1] ?? '')
  return new Map([...new Set(parameters.keys())].map((name) => [name, parameters.getAll(name)]))
}
