/**
 * Members that take, send and take in heavy snapshots all the time, each killed again and again at such moments: while it saves its own,
 * and while that of the leader comes, chunk by chunk, and is installed. The members are real processes and run what was built.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Command } from './command.ts'

const MEMBER = fileURLToPath(new URL('heavy-member.mjs', import.meta.url))
const SIZE = 3
/** For each member, after it listens: while it still finds the others, while chunks come, while it installs, and long after. */
const KILLED_AFTER_MS = [
  [0, 80, 200],
  [20, 110, 260],
  [50, 150, 320],
]
/** Several times what a snapshot is due after: whoever was away for so long needs one of the leader's. */
const AWAY_FOR = 30

let folder = ''
const members: Member[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-test-'))
})
afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.command.dispose()))
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
})

interface Member {
  readonly command: Command
  readonly address: string
  readonly notes: string[]
}

async function started(at: number): Promise<Member> {
  const data = join(folder, String(at))
  mkdirSync(data, { recursive: true })
  const others = members.filter((_, other) => other !== at).map(({ address }) => address)
  const command = new Command(process.execPath, [MEMBER, data, String(SIZE), ...others])
  const [, address = ''] = await command.noteLike(/^listens (\S+)/)
  const notes: string[] = []
  void (async () => {
    for (;;) notes.push(await command.note())
  })().catch(() => undefined)
  members[at] = { command, address, notes }
  return members[at]
}

async function kill({ command }: Member): Promise<void> {
  process.kill(command.pid, 'SIGKILL')
  await command.ended
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(5)
}

it('nothing that was acknowledged is lost or done twice, whenever a member is killed', async () => {
  const acknowledged: number[] = []
  let asked = 0
  let over = false
  /** Adds one after the other until its process is gone. */
  const load = async ({ command }: Member): Promise<void> => {
    while (!over) {
      const id = ++asked
      const answer = await command.ask(`add ${id}`).catch(() => null)
      if (answer === null) return
      if (answer === 'ok') acknowledged.push(id)
    }
  }
  const clients: Promise<void>[] = []
  const run = async (at: number): Promise<Member> => {
    const member = await started(at)
    clients.push(load(member))
    return member
  }
  for (let at = 0; at < SIZE; at++) await run(at)
  const more = (count: number): Promise<void> => {
    const enough = acknowledged.length + count
    return until(() => acknowledged.length >= enough)
  }
  await more(AWAY_FOR)
  for (const [at, moments] of KILLED_AFTER_MS.entries()) {
    for (const ms of moments) {
      await kill(members[at] as Member)
      await more(AWAY_FOR)
      await run(at)
      await pause(ms)
    }
    await kill(members[at] as Member)
    await more(AWAY_FOR)
    await run(at)
  }
  await until(() => members.every(({ notes }) => notes.includes('restored')))
  over = true
  await Promise.all(clients)

  const sorted = [...acknowledged].sort((a, b) => a - b)
  for (const { command, notes } of members) {
    const counts = new Map(JSON.parse(await command.ask('audit')) as [number, number][])
    expect(sorted.filter((id) => counts.get(id) !== 1)).toEqual([])
    expect([...counts].filter(([, times]) => times !== 1)).toEqual([])
    expect(notes.filter((note) => /warns (?!Bond|Dial|Link|Peer)/.test(note))).toEqual([])
  }
})
