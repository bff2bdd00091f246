import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compatibilityPage } from './compatibility-page.ts'

/** Makes the generated part of docs/compatibility.md anew; the last step of `npm run generate`. */
const file = fileURLToPath(new URL('../../docs/compatibility.md', import.meta.url))
writeFileSync(file, compatibilityPage(readFileSync(file, 'utf8')))
