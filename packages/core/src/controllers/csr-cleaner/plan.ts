import 'reflect-metadata'
import { findCondition, parseTime } from '@binnacle/apimachinery'
import type { CertificateSigningRequest } from '@binnacle/resources'
import { X509Certificate } from '@peculiar/x509'

/** How long requests are kept that were decided (`approvedExpiration`, `deniedExpiration`). */
const decidedMs = 3600_000
/** How long requests wait for a decision (`pendingExpiration`). */
const pendingMs = 24 * 3600_000

/** True when nobody needs the request any more: it was decided a while ago, waited too long, or its certificate has ended (`cleaner.go`). */
export function isOutdated(request: CertificateSigningRequest, nowMs: number): boolean {
  const { certificate, conditions } = request.status ?? {}
  const isOld = (time: string | undefined, ms: number): boolean => parseTime(time) + ms < nowMs
  const decided = (type: string): boolean => {
    const condition = findCondition(conditions, type)
    return condition !== undefined && isOld(condition.lastUpdateTime ?? condition.lastTransitionTime, decidedMs)
  }
  if (certificate && (hasEnded(certificate, nowMs) || decided('Approved'))) return true
  if (decided('Denied') || decided('Failed')) return true
  const isPending = ['Approved', 'Denied'].every((type) => findCondition(conditions, type) === undefined)
  return isPending && isOld(request.metadata.creationTimestamp, pendingMs)
}

function hasEnded(certificate: string, nowMs: number): boolean {
  try {
    return new X509Certificate(Buffer.from(certificate, 'base64').toString('utf8')).notAfter.getTime() < nowMs
  } catch {
    return false
  }
}
