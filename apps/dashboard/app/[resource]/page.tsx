import { ResourcePage } from '../../src/tables/resource-page'

/** `/pods`, `/deployments.apps`: the live table of one resource. */
export default async function Page({ params }: { params: Promise<{ resource: string }> }) {
  return <ResourcePage resource={(await params).resource} />
}
