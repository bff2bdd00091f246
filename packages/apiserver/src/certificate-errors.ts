import { X509Certificate } from 'node:crypto'
import { type FieldError, invalidValue, type KubernetesObject } from '@binnacle/apimachinery'
import {
  type CertificateSigningRequest,
  certificateSigningRequests,
  type ResourceDefinition,
} from '@binnacle/resources'
import { parsePkcs10 } from './pkcs10.ts'

/**
 * What is wrong with the request inside a new CertificateSigningRequest, or with the certificate that one gets: rules of the kind for which its bytes
 * have to be looked into (apis/certificates `validation.go`).
 */
export function certificateErrors(
  { storageName }: ResourceDefinition,
  object: KubernetesObject,
  old?: KubernetesObject,
): FieldError[] {
  if (storageName !== certificateSigningRequests.storageName) return []
  const { spec, status } = object as CertificateSigningRequest
  if (old === undefined) return problem(() => requestProblem(spec.request), 'spec.request', spec.request)
  const certificate = status?.certificate
  if (!certificate || certificate === (old as CertificateSigningRequest).status?.certificate) return []
  return problem(() => certificateProblem(certificate), 'status.certificate', '<certificate data>')
}

function problem(find: () => string | undefined, field: string, value: unknown): FieldError[] {
  let why: string | undefined
  try {
    why = find()
  } catch (error) {
    why = (error as Error).message
  }
  return why === undefined ? [] : [invalidValue(field, value, why)]
}

function requestProblem(request: string): string | undefined {
  return parsePkcs10(decoded(request)).signatureProblem
}

function certificateProblem(certificate: string): string | undefined {
  const blocks = [...decoded(certificate).matchAll(/-----BEGIN ([^\n-]+)-----\n([^-]*)-----END \1-----/g)]
  for (const [pem, type = '', body = ''] of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found "${type}"`
    if (body.includes(':')) return 'no PEM block headers are permitted'
    if (new X509Certificate(pem).raw.length === 0) return 'found CERTIFICATE PEM block containing 0 certificates'
  }
  return blocks.length === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8')
}
