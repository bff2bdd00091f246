import { createPublicKey, verify } from 'node:crypto'

/** A certificate request as PKCS #10 says it (RFC 2986), as far as a server has to know it. */
export interface Pkcs10 {
  /** Values of O in the subject. */
  readonly organizations: readonly string[]
  /** Why the signature does not show that who asks has the key; undefined when it does. */
  readonly signatureProblem: string | undefined
}

/** Reads a request in PEM. @throws Error when it is none */
export function parsePkcs10(pem: string): Pkcs10 {
  const block = /-----BEGIN ([^\n-]+)-----\s([^-]*)-----END \1-----/.exec(pem)
  if (block?.[1] !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST')
  const der = Buffer.from(block[2] as string, 'base64')
  const [info, algorithm, signature] = itemsOf(read(der, 0), 3)
  const [, subject, publicKey] = itemsOf(info, 3)
  return {
    organizations: organizationsIn(subject),
    signatureProblem: signatureProblemOf(info.whole, algorithm, signature, publicKey.whole),
  }
}

/** One value of DER: the tag, what is in it, and all of its bytes. */
interface Value {
  readonly tag: number
  readonly content: Buffer
  readonly whole: Buffer
}

const malformed = (): Error => new Error('x509: malformed certificate request')
const sequenceTag = 0x30
const setTag = 0x31
const objectIdentifierTag = 0x06
const bitStringTag = 0x03

function read(bytes: Buffer, at: number): Value {
  const [tag, first] = [bytes[at], bytes[at + 1]]
  if (tag === undefined || first === undefined) throw malformed()
  const extra = first < 0x80 ? 0 : first & 0x7f
  if (extra > 4 || at + 2 + extra > bytes.length) throw malformed()
  const length = extra === 0 ? first & 0x7f : bytes.readUIntBE(at + 2, extra)
  const from = at + 2 + extra
  if (from + length > bytes.length) throw malformed()
  return { tag, content: bytes.subarray(from, from + length), whole: bytes.subarray(at, from + length) }
}

function itemsIn({ content }: Value): Value[] {
  const items: Value[] = []
  for (let at = 0; at < content.length; at += (items.at(-1) as Value).whole.length) items.push(read(content, at))
  return items
}

// The first items of a sequence that has at least so many.
function itemsOf(sequence: Value, count: 3): [Value, Value, Value] {
  const items = sequence.tag === sequenceTag ? itemsIn(sequence) : []
  if (items.length < count) throw malformed()
  return items.slice(0, count) as [Value, Value, Value]
}

const organizationType = '55040a'

// A name is a sequence of sets of pairs of type and value.
function organizationsIn(name: Value): string[] {
  return itemsIn(name)
    .filter(({ tag }) => tag === setTag)
    .flatMap(itemsIn)
    .flatMap((pair) => {
      const [type, value] = itemsIn(pair)
      return type?.content.toString('hex') === organizationType && value !== undefined ? [textOf(value)] : []
    })
}

const bmpStringTag = 0x1e

function textOf({ tag, content }: Value): string {
  return tag === bmpStringTag ? Buffer.from(content).swap16().toString('utf16le') : content.toString('utf8')
}

/** The algorithms that are in use, by the object identifier's bytes, with the words of Go's `crypto/x509` where they fail. */
const algorithms: Readonly<Record<string, { readonly hash: string | undefined; readonly failure: string }>> = {
  '2a864886f70d01010b': { hash: 'sha256', failure: 'crypto/rsa: verification error' },
  '2a864886f70d01010c': { hash: 'sha384', failure: 'crypto/rsa: verification error' },
  '2a864886f70d01010d': { hash: 'sha512', failure: 'crypto/rsa: verification error' },
  '2a8648ce3d040302': { hash: 'sha256', failure: 'x509: ECDSA verification failure' },
  '2a8648ce3d040303': { hash: 'sha384', failure: 'x509: ECDSA verification failure' },
  '2a8648ce3d040304': { hash: 'sha512', failure: 'x509: ECDSA verification failure' },
  '2b6570': { hash: undefined, failure: 'x509: Ed25519 verification failure' },
}

function signatureProblemOf(signed: Buffer, algorithm: Value, signature: Value, publicKey: Buffer): string | undefined {
  const [type] = itemsIn(algorithm)
  if (type?.tag !== objectIdentifierTag || signature.tag !== bitStringTag) throw malformed()
  const known = algorithms[type.content.toString('hex')]
  if (known === undefined) return 'x509: cannot verify signature: algorithm unimplemented'
  try {
    const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' })
    // The first byte of a bit string tells how many bits of the last one are unused.
    return verify(known.hash, signed, key, signature.content.subarray(1)) ? undefined : known.failure
  } catch {
    return known.failure
  }
}
