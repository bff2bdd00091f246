import 'reflect-metadata'
import { isIP } from 'node:net'
import { isConditionTrue } from '@binnacle/apimachinery'
import type { CertificateSigningRequest } from '@binnacle/resources'
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509'

/** What the approving and the signing of certificates have in common: what a request asks for, and the rules of the signers that Kubernetes defines. */

/** The certificate request inside a CertificateSigningRequest. */
export interface RequestedCertificate {
  readonly pkcs10: Pkcs10CertificateRequest
  readonly commonName: string
  readonly organizations: readonly string[]
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  readonly emailAddresses: readonly string[]
  readonly uris: readonly string[]
}

/** Reads the request. @throws Error when it is none */
export function parseRequest({ spec }: CertificateSigningRequest): RequestedCertificate {
  const pem = Buffer.from(spec.request, 'base64').toString('utf8')
  if (!pem.includes('-----BEGIN CERTIFICATE REQUEST-----'))
    throw new Error('PEM block type must be CERTIFICATE REQUEST')
  const pkcs10 = new Pkcs10CertificateRequest(pem)
  const names =
    pkcs10.extensions.find((extension) => extension instanceof SubjectAlternativeNameExtension)?.names.items ?? []
  const ofType = (type: string): string[] => names.filter((name) => name.type === type).map(({ value }) => value)
  return {
    pkcs10,
    commonName: pkcs10.subjectName.getField('CN')[0] ?? '',
    organizations: pkcs10.subjectName.getField('O'),
    dnsNames: ofType('dns'),
    ipAddresses: ofType('ip').filter((value) => isIP(value) !== 0),
    emailAddresses: ofType('email'),
    uris: ofType('url'),
  }
}

/** True when the request was approved. A request that is denied or has failed gets no certificate. */
export function isApproved({ status }: CertificateSigningRequest): boolean {
  const is = (type: string): boolean => isConditionTrue(status?.conditions, type)
  return is('Approved') && !is('Denied') && !is('Failed')
}

/** Names of the signers whose certificates the cluster's authority signs. */
export const signers = {
  client: 'kubernetes.io/kube-apiserver-client',
  kubeletClient: 'kubernetes.io/kube-apiserver-client-kubelet',
  kubeletServing: 'kubernetes.io/kubelet-serving',
  legacy: 'kubernetes.io/legacy-unknown',
} as const

/** Why a signer must not sign a request, or undefined (`signer.go` isRequestForSigner, `apis/certificates/helpers.go`). */
export function refusalOf(
  requested: RequestedCertificate,
  signerName: string,
  usages: readonly string[],
): string | undefined {
  switch (signerName) {
    case signers.client:
      return refusalOfClientUsages(usages)
    case signers.kubeletClient:
      return refusalOfKubelet(requested) ?? refusalOfKubeletClient(requested, usages)
    case signers.kubeletServing:
      return refusalOfKubelet(requested) ?? refusalOfKubeletServing(requested, usages)
    default:
      return undefined
  }
}

function refusalOfClientUsages(usages: readonly string[]): string | undefined {
  const allowed = ['digital signature', 'key encipherment', 'client auth']
  const unknown = usages.find((usage) => !allowed.includes(usage))
  if (unknown !== undefined) return `invalid usage for client certificate: ${unknown}`
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth'
}

function refusalOfKubelet({ organizations, commonName }: RequestedCertificate): string | undefined {
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes')
    return 'subject organization is not system:nodes'
  return commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node:'
}

function refusalOfKubeletClient(requested: RequestedCertificate, usages: readonly string[]): string | undefined {
  const { dnsNames, ipAddresses, emailAddresses, uris } = requested
  if (dnsNames.length > 0) return 'DNS subjectAltNames are not allowed'
  if (emailAddresses.length > 0) return 'Email subjectAltNames are not allowed'
  if (ipAddresses.length > 0) return 'IP subjectAltNames are not allowed'
  if (uris.length > 0) return 'URI subjectAltNames are not allowed'
  return hasUsages(usages, 'client auth')
    ? undefined
    : 'usages did not match [client auth digital signature] or [client auth digital signature key encipherment]'
}

function refusalOfKubeletServing(requested: RequestedCertificate, usages: readonly string[]): string | undefined {
  const { dnsNames, ipAddresses, emailAddresses, uris } = requested
  if (dnsNames.length === 0 && ipAddresses.length === 0) return 'DNS or IP subjectAltName is required'
  if (emailAddresses.length > 0) return 'Email subjectAltNames are not allowed'
  if (uris.length > 0) return 'URI subjectAltNames are not allowed'
  return hasUsages(usages, 'server auth')
    ? undefined
    : 'usages did not match [digital signature server auth] or [digital signature key encipherment server auth]'
}

function hasUsages(usages: readonly string[], purpose: string): boolean {
  const required = ['digital signature', purpose]
  const others = usages.filter((usage) => !required.includes(usage) && usage !== 'key encipherment')
  return others.length === 0 && required.every((usage) => usages.includes(usage))
}
