/** What each tool says of itself where it is asked, or asked for what there is not. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { buildTools, ROOT } from './command.ts'

beforeAll(buildTools, 120_000)

describe.each([
  ['chaos', 'tools/chaos/main.js', ['--seconds', 'x'], '--seconds: a whole number'],
  ['simulate', 'tools/simulate.js', ['--sed', '1'], "Unknown option '--sed'"],
  ['bench', 'bench/main.js', ['nothing'], 'There is no benchmark nothing.'],
])('npm run %s', (name, file, wrong, error) => {
  const run = (args: readonly string[]) => {
    return spawnSync(process.execPath, [join(ROOT, 'build', file), ...args], { encoding: 'utf8' })
  }

  it('tells its options with --help', () => {
    const { status, stdout, stderr } = run(['--help'])
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain(`npm run ${name} -- `)
  })

  it('tells them with what is wrong', () => {
    const { status, stdout, stderr } = run(wrong)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain(error)
    expect(stderr).toContain(`npm run ${name} -- `)
  })
})
