/**
 * `npm run chaos` with real processes: a short run is clean, members that are wrong are found, and an interrupted run leaves nothing behind.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { checkLinearizability, parseHistory } from '../../src/testing/linearizability.ts'
import { buildTools, Command, ROOT } from './command.ts'

const MAIN = join(ROOT, 'build/tools/chaos/main.js')
const WRONG_MEMBER = fileURLToPath(new URL('wrong-member.mjs', import.meta.url))

let folder: string
let command: Command | null = null

beforeAll(buildTools, 120_000)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chaos-test-'))
})

afterEach(async () => {
  await command?.dispose()
  rmSync(folder, { recursive: true, force: true })
})

const historyFile = () => join(folder, 'history.jsonl')

/** Its temporary folders come into the test's own. */
function chaos(args: readonly string[], env: NodeJS.ProcessEnv = {}): Command {
  command = new Command(process.execPath, [MAIN, '--json', '--history', historyFile(), ...args], {
    TMPDIR: folder,
    ...env,
  })
  return command
}

/** The result, and what was told on standard error. */
async function ran(chaos: Command) {
  const notes: string[] = []
  const reading = (async () => {
    for (;;) notes.push(await chaos.note())
  })().catch(() => undefined)
  const { code, lines } = await chaos.run('')
  await reading
  expect(lines, notes.join('\n')).toHaveLength(1)
  return { code, notes, result: JSON.parse(lines[0] as string) }
}

describe('npm run chaos', () => {
  it('finds nothing wrong with members that are right, and says what it did', async () => {
    const { code, notes, result } = await ran(chaos(['--seconds', '10', '--nodes', '3', '--seed', '1']))
    expect(result, notes.join('\n')).toMatchObject({ linearizable: true, lost: 0, duplicated: 0, deaths: 0, seed: 1 })
    expect(notes).toEqual([])
    expect(code).toBe(0)
    expect(result.kills).toBeGreaterThan(0)
    expect(result.cuts).toBeGreaterThan(0)
    const history = parseHistory(readFileSync(historyFile(), 'utf8'))
    const count = (outcome: string) => history.filter((op) => op.outcome === outcome).length
    expect([result.ops, result.ok, result.unknown]).toEqual([history.length, count('ok'), count('unknown')])
    expect(result.ok).toBeGreaterThan(50)
    expect(checkLinearizability(history).linearizable).toBe(true)
    // Every key was read from every member at the end.
    const last = history.filter(({ client, outcome }) => String(client).startsWith('last.') && outcome === 'ok')
    expect(last).toHaveLength(3 * 6)
    expect(readdirSync(folder)).toEqual(['history.jsonl'])
  })

  it.each([
    ['weakReads', 'linearizable', false],
    ['lostWrites', 'lost', expect.any(Number)],
    ['doubledWrites', 'duplicated', expect.any(Number)],
  ])('finds members with %s', async (wrong, field, value) => {
    const args = ['--seconds', '5', '--nodes', '3', '--seed', '1', '--member', WRONG_MEMBER]
    const { code, notes, result } = await ran(chaos(args, { WRONG: wrong }))
    expect(result[field]).toEqual(value)
    expect(result[field]).not.toBe(0)
    expect(code).toBe(1)
    expect(notes.join('\n')).toContain('npm run chaos -- --seconds 5 --nodes 3 --seed 1')
    if (result.linearizable) return
    // The story on standard error is one that the checker refuses, too.
    const story = notes.slice(notes.findIndex((line) => line.startsWith('key ')) + 1)
    const ops = story.slice(
      0,
      story.findIndex((line) => !line.startsWith('{')),
    )
    expect(checkLinearizability(parseHistory(ops.join('\n'))).linearizable).toBe(false)
  })

  it('leaves no process and no folder when it is interrupted', async () => {
    const running = chaos(['--seconds', '60', '--nodes', '3', '--seed', '1', '--trace'])
    // A member that is stopped hears no signal and no end of its channel.
    await running.noteLike(/ stop \d/)
    running.signalGroup('SIGINT')
    const { code, lines } = await running.run('')
    expect(lines).toEqual([])
    expect(code).toBe(130)
    expect(readdirSync(folder)).toEqual([])
  })
})
