import { execFileSync } from 'node:child_process'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureCertificates } from './certificates.ts'
import { DataDirectory } from './data-directory.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-certificates-'))
const directory = new DataDirectory(folder)
const read = (file: string): string => readFileSync(file, 'utf8')

beforeAll(async () => {
  mkdirSync(directory.file('pki'))
  await ensureCertificates(directory, 'node-a')
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('ensureCertificates', () => {
  it('signs the server and the clients with the own authority', () => {
    const ca = new X509Certificate(read(directory.caCertificate))
    for (const name of ['apiserver', 'kubelet', 'admin', 'apiserver-kubelet-client', 'simulated-nodes', 'node']) {
      const certificate = new X509Certificate(read(directory.pki(`${name}.crt`)))
      expect(certificate.verify(ca.publicKey)).toBe(true)
      expect(certificate.checkPrivateKey(createPrivateKey(read(directory.pki(`${name}.key`))))).toBe(true)
    }
  })

  it('names the node, and makes its certificates anew when the node is called otherwise', async () => {
    const subjects = () =>
      ['node', 'kubelet'].map((name) => new X509Certificate(read(directory.pki(`${name}.crt`))).subject)
    expect(subjects()).toEqual(Array(2).fill('O=system:nodes\nCN=system:node:node-a'))
    await ensureCertificates(directory, 'node-b')
    expect(subjects()).toEqual(Array(2).fill('O=system:nodes\nCN=system:node:node-b'))
  })

  it('names the admin and its group as kubeadm does', () => {
    expect(new X509Certificate(read(directory.pki('admin.crt'))).subject).toBe('O=system:masters\nCN=kubernetes-admin')
  })

  it('is valid for the addresses that clients use', () => {
    const certificate = new X509Certificate(read(directory.pki('apiserver.crt')))
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1')
    expect(certificate.checkIP('10.96.0.1')).toBe('10.96.0.1')
    expect(certificate.checkHost('localhost')).toBe('localhost')
    expect(certificate.checkHost('kubernetes.default.svc')).toBe('kubernetes.default.svc')
  })

  it('is accepted by openssl for its purposes', () => {
    const verify = (purpose: string, name: string): string =>
      execFileSync(
        'openssl',
        ['verify', '-CAfile', directory.caCertificate, '-purpose', purpose, directory.pki(`${name}.crt`)],
        { encoding: 'utf8' },
      )
    expect(verify('sslserver', 'apiserver')).toContain('OK')
    expect(verify('sslclient', 'admin')).toContain('OK')
  })

  it('keeps keys to their owner', () => {
    for (const name of ['ca', 'apiserver', 'admin', 'service-account'])
      expect(statSync(directory.pki(`${name}.key`)).mode & 0o777).toBe(0o600)
    expect(statSync(directory.adminToken).mode & 0o777).toBe(0o600)
  })

  it('keeps everything on the next start', async () => {
    const files = [
      directory.caCertificate,
      directory.pki('apiserver.crt'),
      directory.pki('admin.crt'),
      directory.adminToken,
    ]
    const before = files.map(read)
    await ensureCertificates(directory, 'node-a')
    expect(files.map(read)).toEqual(before)
  })
})
