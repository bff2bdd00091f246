/**
 * The signed-in person's token lives in a cookie that scripts cannot read; this server alone turns it into an Authorization header
 * towards the API. So no token is in the page, in its storage, or in a URL.
 */

const cookieName = 'binnacle_token'

/** The token of a request's Cookie header. */
export function tokenFromCookies(cookies: string | undefined): string | undefined {
  for (const part of (cookies ?? '').split(';')) {
    const [name, value] = part.trim().split('=', 2)
    if (name === cookieName && value !== undefined && value !== '') return decodeURIComponent(value)
  }
  return undefined
}

/** The Set-Cookie header that signs a person in, for this browser session. */
export function signInCookie(token: string): string {
  return `${cookieName}=${encodeURIComponent(token)}; Path=/; HttpOnly; SameSite=Strict`
}

/** The Set-Cookie header that signs a person out. */
export const signOutCookie = `${cookieName}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`
