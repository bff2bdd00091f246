import { ObjectPage } from '../../../../src/detail/object-page'

/** `/pods/default/web-1`, `/nodes/-/node-1`: one object. */
export default async function Page({
  params,
}: {
  params: Promise<{ resource: string; namespace: string; name: string }>
}) {
  const { resource, namespace, name } = await params
  return (
    <ObjectPage
      resource={resource}
      namespace={namespace === '-' ? '' : decodeURIComponent(namespace)}
      name={decodeURIComponent(name)}
    />
  )
}
