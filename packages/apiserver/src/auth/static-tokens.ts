import { readFileSync, statSync } from 'node:fs'
import type { UserInfo } from '../api-server.ts'

/** Users by static token, from a file as kube-apiserver's --token-auth-file; read again when it changes. */
export class StaticTokens {
  readonly #file: string
  #users = new Map<string, UserInfo>()
  #read = ''

  constructor(file: string) {
    this.#file = file
    this.#refresh()
  }

  /** The user of a token; without the group of all authenticated users. */
  find(token: string): UserInfo | undefined {
    this.#refresh()
    return this.#users.get(token)
  }

  #refresh(): void {
    let state: string
    try {
      const { mtimeMs, size, ino } = statSync(this.#file)
      state = `${mtimeMs} ${size} ${ino}`
    } catch {
      // While the file is being replaced, the users last read still hold.
      return
    }
    if (state === this.#read) return
    this.#users = parseTokenFile(readFileSync(this.#file, 'utf8'))
    this.#read = state
  }
}

/** The users of a token file's text: lines of `token,user,uid,"group1,group2"`; the groups may be absent. Lines with fewer columns are passed over. */
export function parseTokenFile(text: string): Map<string, UserInfo> {
  const users = new Map<string, UserInfo>()
  for (const line of text.split(/\r?\n/)) {
    const [token, name, uid, groups = ''] = csvColumns(line)
    if (!token || !name || uid === undefined) continue
    const list = groups
      .split(',')
      .map((group) => group.trim())
      .filter((group) => group !== '')
    users.set(token, { name, ...(uid === '' ? {} : { uid }), groups: list })
  }
  return users
}

function csvColumns(line: string): string[] {
  const columns: string[] = []
  const column = /("(?:[^"]|"")*"|[^,]*)(,|$)/y
  for (;;) {
    const [, text = '', end] = column.exec(line) ?? []
    columns.push(text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"').trim() : text.trim())
    if (end !== ',') return columns
  }
}
