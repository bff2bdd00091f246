import { certificateSigningRequests } from '@binnacle/resources'
import type { BatchWrite } from '@binnacle/client'
import type { Runnable } from '../../controller.ts'
import { periodically } from '../../periodic.ts'
import { isOutdated } from './plan.ts'

const everyMs = 3600_000

/** Deletes CertificateSigningRequests that nobody needs any more (`cleaner.go`). */
export function csrCleaner(): Runnable {
  return periodically({
    name: 'csrcleaner',
    reads: [certificateSigningRequests],
    everyMs,
    async pass(context) {
      const outdated = [...context.informer(certificateSigningRequests).all()].filter((request) =>
        isOutdated(request, context.nowMs()),
      )
      if (outdated.length === 0) return
      const writes = outdated.map(({ metadata }): BatchWrite => ({
        verb: 'delete',
        resource: certificateSigningRequests,
        key: { namespace: '', name: metadata.name },
        options: { preconditions: { uid: metadata.uid ?? '' } },
      }))
      // What could not be deleted is found again by the next pass.
      await context.client.writeAll(writes, { atomic: false })
    },
  })
}
