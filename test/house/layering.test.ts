import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { violations } from './layering.ts'

const SRC = join(import.meta.dirname, '../../src')
const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(SRC, join(entry.parentPath, entry.name)))

describe('layering', () => {
  it.each(files)('%s keeps to its room', (path) => {
    expect(violations(path, readFileSync(join(SRC, path), 'utf8'))).toEqual([])
  })

  it.each([
    ['machines importing actors', 'machines/raft/x.ts', "import { a } from '../../actors/raft.ts'"],
    [
      'machines importing transport types',
      'machines/raft/x.ts',
      "import type { Link } from '../../transport/transport.ts'",
    ],
    ['machines importing identity values', 'machines/x.ts', "import { digest } from '../identity/digest.ts'"],
    ['machines importing Node', 'machines/x.ts', "import { readFileSync } from 'node:fs'"],
    ['machines reading the clock', 'machines/x.ts', 'const at = Date.now()'],
    ['machines throwing dice', 'machines/x.ts', 'const x = Math.random()'],
    ['machines waiting', 'machines/x.ts', 'setTimeout(() => {}, 1)'],
    ['machines promising', 'machines/x.ts', 'export async function f() {}'],
    ['transport importing actors', 'transport/x.ts', "import { a } from '../actors/raft.ts'"],
    ['identity importing transport', 'identity/x.ts', "import { a } from '../transport/frame.ts'"],
    ['actors importing the command line', 'actors/x.ts', "import { a } from '../cli/main.ts'"],
  ])('notices %s', (_, path, source) => {
    expect(violations(path, source)).toHaveLength(1)
  })
})
