import { redirect } from 'next/navigation'

/** The way in leads to what most people come to see. */
export default function Home() {
  redirect('/pods')
}
