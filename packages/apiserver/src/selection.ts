import {
  badRequest,
  type FieldSelector,
  labelSelectorOf,
  parseFieldSelector,
  type Selector,
} from '@binnacle/apimachinery'
import type { ResourceDefinition } from '@binnacle/resources'
import type { StoredObject } from '@binnacle/store'
import { fieldText } from './field-paths.ts'
import { inVersion } from './in-version.ts'

/** Which objects of a resource a list or watch means. */
export interface Selection {
  readonly labels: Selector
  readonly fields: FieldSelector
  /** True when nothing is selected away. */
  readonly all: boolean
  matches(object: StoredObject): boolean
}

/**
 * Reads the selectors of a request.
 * @throws StatusError BadRequest for malformed ones and for fields that the kind does not offer.
 */
export function selectionOf(
  definition: ResourceDefinition,
  request: { readonly labelSelector?: string | undefined; readonly fieldSelector?: string | undefined },
): Selection {
  const labels = labelSelectorOf(request.labelSelector ?? '')
  const fields = parseFieldSelector(request.fieldSelector ?? '')
  for (const { path } of fields.requirements) {
    if (definition.selectableFields.includes(path)) continue
    // Clients put their own words before this; which it is depends on whether a kind has selectable fields of its own.
    throw badRequest(
      definition.selectableFields.length > 2 || definition.custom !== undefined
        ? `field label not supported: ${path}`
        : `"${path}" is not a known field selector: only "metadata.name", "metadata.namespace"`,
    )
  }
  const valueOf = fieldReader(definition)
  return {
    labels,
    fields,
    all: labels.empty && fields.empty,
    matches: (object) =>
      labels.matches(object.labels) && (fields.empty || fields.matches((path) => valueOf(object, path))),
  }
}

// The stored version's fields under the names of this version (events.k8s.io calls involvedObject regarding).
const renamed: Record<string, (path: string) => string> = {
  'events.k8s.io': (path) =>
    path.replace(/^regarding\b/, 'involvedObject').replace(/^reportingController$/, 'reportingComponent'),
}

function fieldReader(definition: ResourceDefinition): (object: StoredObject, path: string) => string {
  if (definition.custom !== undefined) return (object, path) => customField(definition, object, path)
  const rename = renamed[definition.group] ?? ((path: string) => path)
  return (object, path) => {
    if (path === 'metadata.name') return object.key.name
    if (path === 'metadata.namespace') return object.key.namespace
    return object.fields[rename(path)] ?? ''
  }
}

// Which fields of a custom kind can be selected by changes while its objects are in the cache: nothing is extracted beforehand.
function customField(definition: ResourceDefinition, object: StoredObject, path: string): string {
  if (path === 'metadata.name') return object.key.name
  if (path === 'metadata.namespace') return object.key.namespace
  return fieldText(inVersion(definition, object), path)
}
