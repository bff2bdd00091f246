import Link from 'next/link'

/** For addresses that are no page at all. */
export default function NotFound() {
  return (
    <div className="p-6">
      <h1 className="text-lg font-semibold">Not found</h1>
      <p className="mt-2">
        There is no such page. Tables are at <code>/pods</code> and the like, objects at{' '}
        <code>/pods/namespace/name</code>.
      </p>
      <p className="mt-2">
        <Link href="/pods" className="link">
          To the pods
        </Link>
      </p>
    </div>
  )
}
