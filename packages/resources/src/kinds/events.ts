import { ageOf, humanDuration, parseTime, type KubernetesObject } from '@binnacle/apimachinery'
import { column } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { Event, EventV1 } from '../generated/types.ts'

/** Something that happened to an object, for people. */
export const events: ResourceDefinition<Event> = defineResource<Event>('', 'v1', 'events', {
  shortNames: ['ev'],
  selectableFields: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  nameFirst: false,
  columns: [
    column('Last Seen', lastSeen),
    column('Type', (event: Event) => event.type ?? ''),
    column('Reason', (event: Event) => event.reason ?? ''),
    column('Object', (event: Event) =>
      event.involvedObject.name
        ? `${(event.involvedObject.kind ?? '').toLowerCase()}/${event.involvedObject.name}`
        : (event.involvedObject.kind ?? '').toLowerCase(),
    ),
    column('Subobject', (event: Event) => event.involvedObject.fieldPath ?? '', { wide: true }),
    column(
      'Source',
      (event: Event) =>
        [event.reportingComponent || event.source?.component, event.reportingInstance || event.source?.host]
          .filter(Boolean)
          .join(', '),
      { wide: true },
    ),
    column('Message', (event: Event) => (event.message ?? '').trim()),
    column('First Seen', (event: Event, nowMs) => ageOf(event.firstTimestamp ?? event.eventTime, nowMs), {
      wide: true,
    }),
    column('Count', (event: Event) => String(event.series?.count ?? (event.count || 1)), { wide: true }),
    column('Name', (event: Event) => event.metadata.name, { wide: true }),
  ],
})

function lastSeen(event: Event, nowMs: number): string {
  const last = parseTime(
    event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp,
  )
  return Number.isNaN(last) ? '<unknown>' : humanDuration(nowMs - last)
}

/** The same events under their newer API group: stored once, as core events. */
export const eventsV1: ResourceDefinition<EventV1> = defineResource<EventV1>('events.k8s.io', 'v1', 'events', {
  shortNames: ['ev'],
  selectableFields: [
    'regarding.kind',
    'regarding.namespace',
    'regarding.name',
    'regarding.uid',
    'reason',
    'reportingController',
    'type',
  ],
  nameFirst: false,
  columns: events.printerColumns.map((core) => ({
    ...core,
    value: (event: EventV1, nowMs: number) => core.value(toCore(event), nowMs),
  })),
  storage: {
    storageName: 'events',
    storageVersion: 'v1',
    convert: { toStorage: toCore, fromStorage: (object) => fromCore(object as Event) },
  },
})

function toCore(event: EventV1): Event {
  const {
    regarding,
    note,
    reportingController,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    apiVersion: _apiVersion,
    ...same
  } = event as EventV1 & Record<string, unknown>
  return withoutUndefined({
    ...same,
    apiVersion: 'v1',
    involvedObject: regarding ?? {},
    message: note,
    reportingComponent: reportingController,
    source: deprecatedSource,
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
  }) as unknown as Event
}

function fromCore(event: Event): EventV1 {
  const {
    involvedObject,
    message,
    reportingComponent,
    source,
    firstTimestamp,
    lastTimestamp,
    count,
    apiVersion: _apiVersion,
    ...same
  } = event as Event & Record<string, unknown>
  return withoutUndefined({
    ...same,
    apiVersion: 'events.k8s.io/v1',
    regarding: involvedObject,
    note: message,
    reportingController: reportingComponent,
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
  }) as unknown as EventV1
}

function withoutUndefined(object: Record<string, unknown>): KubernetesObject {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  ) as unknown as KubernetesObject
}
