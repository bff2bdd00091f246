import { describe, expect, it } from 'vitest'
import { parsePkcs10 } from './pkcs10.ts'
import { issuedCertificate, kubeletRequest, mastersRequest, rsaRequest } from './testing-certificates.ts'

// The last byte of the request is one of its signature.
function damaged(pem: string, at: number): string {
  const body = Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64')
  body.writeUInt8((body.at(at) as number) ^ 1, at < 0 ? body.length + at : at)
  return `-----BEGIN CERTIFICATE REQUEST-----\n${body.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
}

describe('a certificate request', () => {
  it.each([
    ['P-256', kubeletRequest, ['system:nodes']],
    ['Ed25519', mastersRequest, ['team', 'system:masters']],
    ['RSA', rsaRequest, []],
  ])('of %s is read and shows that who asks has the key', (_algorithm, pem, organizations) => {
    expect(parsePkcs10(pem)).toEqual({ organizations, signatureProblem: undefined })
  })

  it.each([
    ['P-256', kubeletRequest, 'x509: ECDSA verification failure'],
    ['Ed25519', mastersRequest, 'x509: Ed25519 verification failure'],
    ['RSA', rsaRequest, 'crypto/rsa: verification error'],
  ])('of %s is told from one that somebody else signed', (_algorithm, pem, problem) => {
    expect(parsePkcs10(damaged(pem, -1)).signatureProblem).toBe(problem)
  })

  it.each([
    ['nothing', '', 'PEM block type must be CERTIFICATE REQUEST'],
    ['a certificate', issuedCertificate, 'PEM block type must be CERTIFICATE REQUEST'],
    ['another structure', damaged(kubeletRequest, 0), 'x509: malformed certificate request'],
    [
      'something cut off',
      '-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n',
      'x509: malformed certificate request',
    ],
  ])('is not %s', (_what, pem, problem) => {
    expect(() => parsePkcs10(pem)).toThrow(problem)
  })
})
