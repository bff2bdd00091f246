import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { RequestedCertificate } from '../certificate-request.ts'

/** How long a certificate lasts unless less is asked for (`--cluster-signing-duration`). */
export const certificateMs = 365 * 24 * 3600 * 1000
const certificateMsMin = 10 * 60_000
/** Certificates begin a little in the past, for clocks that are behind. */
const backdateMs = 5 * 60_000
/** Only longer ones end as much earlier. */
const shortMs = 8 * 3600_000

/** When a certificate begins and ends; it never outlives its authority (`authority/policies.go`). */
export function validityOf(
  expirationSeconds: number | undefined,
  authorityEndMs: number,
  nowMs: number,
): { notBefore: Date; notAfter: Date } {
  const wantedMs = expirationSeconds === undefined ? certificateMs : expirationSeconds * 1000
  const lifeMs = Math.min(Math.max(wantedMs, certificateMsMin), certificateMs)
  const endMs = nowMs + lifeMs - (lifeMs > shortMs ? backdateMs : 0)
  return { notBefore: new Date(nowMs - backdateMs), notAfter: new Date(Math.min(endMs, authorityEndMs)) }
}

const keyUsages: Readonly<Record<string, number>> = {
  signing: KeyUsageFlags.digitalSignature,
  'digital signature': KeyUsageFlags.digitalSignature,
  'content commitment': KeyUsageFlags.nonRepudiation,
  'key encipherment': KeyUsageFlags.keyEncipherment,
  'key agreement': KeyUsageFlags.keyAgreement,
  'data encipherment': KeyUsageFlags.dataEncipherment,
  'cert sign': KeyUsageFlags.keyCertSign,
  'crl sign': KeyUsageFlags.cRLSign,
  'encipher only': KeyUsageFlags.encipherOnly,
  'decipher only': KeyUsageFlags.decipherOnly,
}

const extendedKeyUsages: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': ExtendedKeyUsage.serverAuth,
  'client auth': ExtendedKeyUsage.clientAuth,
  'code signing': ExtendedKeyUsage.codeSigning,
  'email protection': ExtendedKeyUsage.emailProtection,
  's/mime': ExtendedKeyUsage.emailProtection,
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: ExtendedKeyUsage.timeStamping,
  'ocsp signing': ExtendedKeyUsage.ocspSigning,
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1',
}

/** The usages as the certificate names them. @throws Error naming one that there is not */
export function usagesOf(usages: readonly string[]): { readonly flags: number; readonly extended: readonly string[] } {
  let flags = 0
  const extended = new Set<string>()
  for (const usage of usages) {
    const [flag, purpose] = [keyUsages[usage], extendedKeyUsages[usage]]
    if (flag !== undefined) flags |= flag
    else if (purpose !== undefined) extended.add(purpose)
    else throw new Error(`unrecognized usage values: "${usage}"`)
  }
  return { flags, extended: [...extended].sort() }
}

/** The cluster's certificate authority. */
export interface SigningAuthority {
  /** PEM text. */
  readonly certificate: string
  /** PEM text of its private key: RSA, or EC on P-256 or P-384. */
  readonly key: string
}

/** What is asked of the authority. */
export interface SigningOrder {
  readonly requested: RequestedCertificate
  readonly usages: readonly string[]
  readonly expirationSeconds: number | undefined
  readonly nowMs: number
}

/** Signs. Gives the certificate as PEM text. @throws Error when the request is not signed by its own key, or asks for unknown usages */
export async function signCertificate(authority: SigningAuthority, order: SigningOrder): Promise<string> {
  cryptoProvider.set(webcrypto as never)
  const { requested, usages, expirationSeconds, nowMs } = order
  const { pkcs10, dnsNames, ipAddresses, emailAddresses, uris } = requested
  if (!(await pkcs10.verify())) throw new Error('unable to verify certificate request signature')
  const issuer = new X509Certificate(authority.certificate)
  const { key, algorithm } = await importKey(authority.key)
  const { flags, extended } = usagesOf(usages)
  const names = [
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...emailAddresses.map((value) => ({ type: 'email' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
    ...uris.map((value) => ({ type: 'url' as const, value })),
  ]
  const certificate = await X509CertificateGenerator.create({
    // A leading zero bit: serial numbers are positive.
    serialNumber: `00${randomBytes(16).toString('hex')}`.replace(/^00([0-7])/, '$1'),
    subject: pkcs10.subjectName,
    issuer: issuer.subjectName,
    ...validityOf(expirationSeconds, issuer.notAfter.getTime(), nowMs),
    publicKey: pkcs10.publicKey,
    signingKey: key as never,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      ...(flags === 0 ? [] : [new KeyUsagesExtension(flags, true)]),
      ...(extended.length === 0 ? [] : [new ExtendedKeyUsageExtension([...extended])]),
      await AuthorityKeyIdentifierExtension.create(issuer),
      ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
    ],
  })
  return `${certificate.toString('pem')}\n`
}

async function importKey(pem: string): Promise<{ key: webcrypto.CryptoKey; algorithm: KeyAlgorithm }> {
  const key = createPrivateKey(pem)
  const algorithm: KeyAlgorithm =
    key.asymmetricKeyType === 'rsa'
      ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
      : {
          name: 'ECDSA',
          namedCurve: key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256',
          hash: 'SHA-256',
        }
  const der = key.export({ type: 'pkcs8', format: 'der' })
  return { key: await webcrypto.subtle.importKey('pkcs8', der, algorithm as never, false, ['sign']), algorithm }
}

interface KeyAlgorithm {
  readonly name: string
  readonly hash: string
  readonly namedCurve?: string
}
