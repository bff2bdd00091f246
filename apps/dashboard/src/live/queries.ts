/** Every GraphQL document that the dashboard sends; a test validates each against the API's schema. */

/** A column of a table, as the API describes it. */
export interface Column {
  readonly name: string
  readonly type: string
  readonly format: string
  readonly priority: number
  readonly description: string
}

/** A resource that the API serves. */
export interface ApiResource {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly namespaced: boolean
  readonly verbs: readonly string[]
  readonly categories: readonly string[]
  readonly columns: readonly Column[]
}

/** Every resource that can be listed, with its columns. */
export const resourcesQuery = /* GraphQL */ `
  query Resources {
    resources {
      group
      version
      kind
      plural
      singular
      shortNames
      namespaced
      verbs
      categories
      columns {
        name
        type
        format
        priority
        description
      }
    }
  }
`

/** A live table of one resource. */
export const rowsSubscription = /* GraphQL */ `
  subscription Rows(
    $resource: ResourceRef!
    $namespaces: [String!]
    $labelSelector: String
    $fieldSelector: String
    $resourceVersion: String
  ) {
    tableRows(
      resource: $resource
      namespaces: $namespaces
      labelSelector: $labelSelector
      fieldSelector: $fieldSelector
      resourceVersion: $resourceVersion
    ) {
      resourceVersion
      events {
        type
        uid
        namespace
        name
        resourceVersion
        creationTimestamp
        labels
        cells
      }
    }
  }
`

/** One object, live. */
export const objectSubscription = /* GraphQL */ `
  subscription ObjectChanges(
    $resource: ResourceRef!
    $namespace: String
    $fieldSelector: String!
    $resourceVersion: String
  ) {
    objectEvents(
      resource: $resource
      namespace: $namespace
      fieldSelector: $fieldSelector
      resourceVersion: $resourceVersion
    ) {
      resourceVersion
      events {
        type
        object {
          _json
        }
      }
    }
  }
`

/** What an object owns, whatever the kind. */
export const childrenQuery = /* GraphQL */ `
  query Children($resource: ResourceRef!, $namespace: String, $name: String!) {
    object(resource: $resource, namespace: $namespace, name: $name) {
      children(first: 200) {
        apiVersion
        kind
        metadata {
          namespace
          name
          creationTimestamp
        }
      }
    }
  }
`
