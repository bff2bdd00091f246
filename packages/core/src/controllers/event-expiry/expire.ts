import { isConflict, isNotFound, parseTime } from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { type Event, events } from '@binnacle/resources'
import type { ReconcileContext, Runnable } from '../../controller.ts'
import { periodically } from '../../periodic.ts'

/** How long an Event is kept after it was last written (kube-apiserver `--event-ttl`). */
const keptMs = 3_600_000
const everyMs = 60_000
const batchMax = 250

/**
 * Deletes Events an hour after they last happened. kube-apiserver leaves that to leases of etcd; here a pass a minute looks for them and writes
 * nothing where there are none.
 */
export function eventExpiry(): Runnable {
  return periodically({ name: 'event-expiry', reads: [], everyMs, pass })
}

async function pass({ client, nowMs, log }: ReconcileContext): Promise<void> {
  // Listed each time instead of watched: a copy of every Event for one look a minute would be dear.
  const { items } = await client.list(events)
  const now = nowMs()
  const outdated = items.filter((event) => now - lastHappenedMs(event) > keptMs)
  for (let from = 0; from < outdated.length; from += batchMax) {
    const writes = outdated.slice(from, from + batchMax).map(deletionOf)
    const results = await client.writeAll(writes, { atomic: false })
    for (const result of results) {
      // One that has just happened again stays; what failed otherwise is found again by the next pass.
      if (!('error' in result) || isConflict(result.error) || isNotFound(result.error)) continue
      log('debug', 'event not deleted', { error: result.error.message })
    }
  }
}

/** When an Event was last written, in milliseconds since 1970: the latest of the times in it. */
export function lastHappenedMs(event: Event): number {
  const times = [
    event.metadata.creationTimestamp,
    event.eventTime,
    event.firstTimestamp,
    event.lastTimestamp,
    event.series?.lastObservedTime,
  ]
  return Math.max(0, ...times.map(parseTime).filter((ms) => !Number.isNaN(ms)))
}

function deletionOf({ metadata: { namespace = '', name, resourceVersion } }: Event): BatchWrite {
  const preconditions = resourceVersion === undefined ? {} : { resourceVersion }
  return { verb: 'delete', resource: events, key: { namespace, name }, options: { preconditions } }
}
