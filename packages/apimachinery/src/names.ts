/** Rules for names, with the texts of apimachinery's `util/validation`. Each function returns problems; none: valid. */

const dns1123Label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const dns1123LabelText =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character"
const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
const wildcardText =
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
const dns1035Text =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character"
const qualifiedNameText =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
const labelValueText =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"

const label = new RegExp(`^${dns1123Label}$`)
const subdomain = new RegExp(`^${dns1123Label}(\\.${dns1123Label})*$`)
const dns1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/
const qualifiedName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/

const tooLong = (max: number): string => `must be no more than ${max} characters`
// The comma and the two blanks before "or" are upstream's.
const regexText = (text: string, regex: string, ...examples: string[]): string =>
  `${text} (e.g. ${examples.map((example) => `'${example}', `).join(' or ')}regex used for validation is '${regex}')`

/** A DNS-1123 label: Namespace names, container names. */
export function dns1123LabelProblems(value: string): string[] {
  if (value.length <= 63 && label.test(value)) return []
  const problems = value.length > 63 ? [tooLong(63)] : []
  if (label.test(value)) return problems
  if (subdomain.test(value)) problems.push('must not contain dots')
  else problems.push(regexText(dns1123LabelText, dns1123Label, 'my-name', '123-abc'))
  return problems
}

/** A DNS-1123 subdomain: the names of most objects. */
export function dns1123SubdomainProblems(value: string): string[] {
  if (value.length <= 253 && subdomain.test(value)) return []
  const problems = value.length > 253 ? [tooLong(253)] : []
  if (!subdomain.test(value))
    problems.push(regexText(subdomainText, `${dns1123Label}(\\.${dns1123Label})*`, 'example.com'))
  return problems
}

/** A DNS-1123 subdomain that begins with `*.`: hosts of Ingress rules. */
export function wildcardSubdomainProblems(value: string): string[] {
  const problems = value.length > 253 ? [tooLong(253)] : []
  if (!value.startsWith('*.') || !subdomain.test(value.slice(2)))
    problems.push(regexText(wildcardText, `\\*\\.${dns1123Label}(\\.${dns1123Label})*`, '*.example.com'))
  return problems
}

/** What stands for a prefix when a name's rules are checked for `generateName`: a trailing dash is fine there (`maskTrailingDash`). */
export function maskTrailingDash(prefix: string): string {
  return prefix.length > 1 && prefix.endsWith('-') ? `${prefix.slice(0, -2)}a` : prefix
}

/** A percentage, as surge and unavailable amounts take it. */
export function percentProblems(value: string): string[] {
  return /^[0-9]+%$/.test(value)
    ? []
    : [regexText("a valid percent string must be a numeric string followed by an ending '%'", '[0-9]+%', '1%', '93%')]
}

/** The name of an HTTP header. */
export function httpHeaderNameProblems(value: string): string[] {
  return /^[-A-Za-z0-9]+$/.test(value)
    ? []
    : [
        regexText(
          "a valid HTTP header must consist of alphanumeric characters or '-'",
          '[-A-Za-z0-9]+',
          'X-Header-Name',
        ),
      ]
}

/** A DNS-1035 label: Service names. */
export function dns1035LabelProblems(value: string): string[] {
  if (value.length <= 63 && dns1035.test(value)) return []
  const problems = value.length > 63 ? [tooLong(63)] : []
  if (!dns1035.test(value)) problems.push(regexText(dns1035Text, '[a-z]([-a-z0-9]*[a-z0-9])?', 'my-name', 'abc-123'))
  return problems
}

/** A label key, annotation key or finalizer: `[prefix/]name`. */
export function qualifiedNameProblems(value: string): string[] {
  const parts = value.split('/')
  const problems: string[] = []
  let name = value
  if (parts.length > 2) {
    return [
      regexText(
        `a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
        '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]',
        'MyName',
        'my.name',
        '123-abc',
      ) + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ]
  }
  if (parts.length === 2) {
    name = parts[1] as string
    if (parts[0] === '') problems.push('prefix part must be non-empty')
    else problems.push(...dns1123SubdomainProblems(parts[0] as string).map((problem) => `prefix part ${problem}`))
  }
  if (name === '') problems.push('name part must be non-empty')
  else if (name.length > 63) problems.push(`name part ${tooLong(63)}`)
  if (!qualifiedName.test(name))
    problems.push(
      regexText(qualifiedNameText, '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]', 'MyName', 'my.name', '123-abc'),
    )
  return problems
}

/** A label's value. */
export function labelValueProblems(value: string): string[] {
  if (value === '') return []
  const problems = value.length > 63 ? [tooLong(63)] : []
  if (!qualifiedName.test(value))
    problems.push(
      regexText(labelValueText, '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?', 'MyValue', 'my_value', '12345'),
    )
  return problems
}

/** A path segment: what rbac objects may be called. */
export function pathSegmentProblems(value: string): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`]
  return ['/', '%']
    .filter((character) => value.includes(character))
    .map((character) => `may not contain '${character}'`)
}

/** A key of a ConfigMap or Secret. */
export function configKeyProblems(value: string): string[] {
  const problems = value.length > 253 ? [tooLong(253)] : []
  if (!/^[-._a-zA-Z0-9]+$/.test(value))
    problems.push(
      regexText(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        '[-._a-zA-Z0-9]+',
        'key.name',
        'KEY_NAME',
        'key-name',
      ),
    )
  if (value === '.' || value === '..') problems.push(`must not be '${value}'`)
  else if (value.startsWith('..')) problems.push("must not start with '..'")
  return problems
}

/** The name of a port in a container or Service (IANA_SVC_NAME). */
export function portNameProblems(value: string): string[] {
  const problems = value.length > 15 ? ['must be no more than 15 characters'] : []
  if (!/^[-a-z0-9]+$/.test(value))
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(value)) problems.push('must contain at least one letter (a-z)')
  if (value.includes('--')) problems.push('must not contain consecutive hyphens')
  if (/^-|-$/.test(value)) problems.push('must not begin or end with a hyphen')
  return problems
}

/** A port number. */
export function portNumberProblems(value: number): string[] {
  return value >= 1 && value <= 65_535 ? [] : ['must be between 1 and 65535, inclusive']
}

/** The name of an environment variable: any printable ASCII but '='. */
export function envNameProblems(value: string): string[] {
  if (value === '') return ['environment variable name must be non-empty']
  return /^[ -<>-~]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
}

/** An IPv4 or IPv6 address. */
export function ipProblems(value: string): string[] {
  return isIPv4(value) || isIPv6(value) ? [] : ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']
}

/** True for a dotted IPv4 address without leading zeros. */
export function isIPv4(value: string): boolean {
  const parts = value.split('.')
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
}

/** True for an IPv6 address without a zone. */
export function isIPv6(value: string): boolean {
  if (!value.includes(':') || /[^0-9a-fA-F:.]/.test(value)) return false
  const [head, tail, ...more] = value.split('::')
  if (more.length > 0) return false
  const groups = (text: string | undefined): number =>
    text === undefined || text === ''
      ? 0
      : text.split(':').reduce((sum, group) => sum + (isIPv4(group) ? 2 : /^[0-9a-fA-F]{1,4}$/.test(group) ? 1 : 99), 0)
  const count = groups(head) + groups(tail)
  return tail === undefined ? count === 8 : count <= 7
}

// Without vowels, so that no words come out, and without characters that look alike (apimachinery `util/rand`).
const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789'
const suffixLength = 5
const generatedNameLengthMax = 63

/** A random suffix as generated names have. */
export function randomSuffix(length = suffixLength): string {
  let suffix = ''
  for (let i = 0; i < length; i++) suffix += suffixAlphabet[Math.floor(Math.random() * suffixAlphabet.length)]
  return suffix
}

/** The name that `generateName` leads to: the base, cut so that the whole fits, and five random characters. */
export function generatedName(base: string): string {
  return base.slice(0, generatedNameLengthMax - suffixLength) + randomSuffix()
}

/** Maps text to the alphabet of generated names, character by character (apimachinery `rand.SafeEncodeString`). */
export function safeEncode(text: string): string {
  let encoded = ''
  for (let i = 0; i < text.length; i++) encoded += suffixAlphabet[text.charCodeAt(i) % suffixAlphabet.length]
  return encoded
}
