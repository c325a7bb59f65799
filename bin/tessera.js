#!/usr/bin/env node
/** The `tessera` command of a checkout, too: this file is there before the first build, so npm can always link it. */
import { existsSync } from 'node:fs'

const main = new URL('../dist/cli/main.js', import.meta.url)
if (existsSync(main)) await import(main.href)
else {
  process.stderr.write('tessera is not built yet: npm run build\n')
  process.exitCode = 1
}
