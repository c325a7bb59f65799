/** A member that was away for 100,000 commands, on real sockets and a real disk, while the others go on. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createNode, GroupKey, Identity, lmdb, type StateMachine, type TesseraNode } from '../../src/index.ts'

const AWAY_FOR = 100_000
const KEYS = 4_096
const VALUE = 'v'.repeat(4_096)
const SHORT = 's'.repeat(200)

type Put = { readonly key: number; readonly value: string }

/** Its state is some megabytes, so that its snapshot takes many chunks. */
function cells(): StateMachine<Put, number, 'count', number> {
  let count = 0
  const values: string[] = Array.from({ length: KEYS }, () => VALUE)
  return {
    id: 'cells',
    version: 1,
    apply: ({ key, value }) => {
      values[key % KEYS] = value
      return ++count
    },
    query: () => count,
    *snapshot() {
      yield Buffer.from(`${count}`)
      for (const value of values) yield Buffer.from(value)
    },
    restore: (chunks) => {
      const [first, ...rest] = [...chunks]
      count = Number(Buffer.from(first!).toString())
      rest.forEach((chunk, at) => {
        values[at] = Buffer.from(chunk).toString()
      })
    },
  }
}

const key = GroupKey.random()
const folders: string[] = []
const nodes: TesseraNode[] = []
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folder(): string {
  folders.push(mkdtempSync(join(tmpdir(), 'tessera-catch-up-')))
  return folders.at(-1) as string
}

async function start(path: string, identity: Identity, bootstrap: readonly string[]) {
  const node = await createNode({
    network: 'catch-up',
    listen: 'ws://127.0.0.1:0',
    bootstrap,
    identity,
    storage: lmdb(path),
  })
  nodes.push(node)
  return { node, group: node.join({ key, machine: cells(), voters: 3 }) }
}

/** What raft knows of its log and its snapshot. */
function raftOf({ group }: Awaited<ReturnType<typeof start>>) {
  return group.actor.getSnapshot().children.raft!.getSnapshot().context as {
    readonly log: { readonly offset: number }
    readonly snapshots: { readonly saved: { readonly chunks: number } | null }
  }
}

async function put(group: Awaited<ReturnType<typeof start>>['group'], count: number): Promise<void> {
  for (let left = count; left > 0; left -= 2_000) {
    const some = Math.min(left, 2_000)
    await group.executeMany(
      Array.from({ length: some }, (_, at) => ({ key: at % 64, value: SHORT })),
      { timeoutMs: 30_000 },
    )
  }
}

describe('a member that was away for 100,000 commands', () => {
  it('catches up by a snapshot while the others keep committing under the same leader', async () => {
    const seeds = [1, 2, 3].map((at) => Identity.fromSeed(new Uint8Array(32).fill(at), 'fixed'))
    const first = await start(folder(), seeds[0] as Identity, [])
    const second = await start(folder(), seeds[1] as Identity, first.node.addresses)
    const path = folder()
    const third = await start(path, seeds[2] as Identity, first.node.addresses)
    await Promise.all([first, second, third].map(({ group }) => group.when.online()))
    await first.group.execute({ key: 0, value: 'first' })
    await third.node.stop()
    nodes.splice(nodes.indexOf(third.node), 1)
    // The log waits a moment for who has just been there; until it does not reach back any more the member is away.
    const reachesBack = () => [first, second].some((one) => raftOf(one).log.offset < AWAY_FOR / 2)
    let away = 0
    for (; away === 0 || reachesBack(); away += AWAY_FOR) await put(first.group, AWAY_FOR)
    const { leader } = first.group
    const reigning = first.group.members

    const back = await start(path, seeds[2] as Identity, first.node.addresses)
    const before = first.group.committed
    let done = false
    const reached = back.group.when.committed.reaches(before).then(() => {
      done = true
    })
    let meanwhile = 0
    while (!done) {
      await first.group.execute({ key: meanwhile % 64, value: 'meanwhile' })
      meanwhile++
    }
    await reached
    expect(meanwhile).toBeGreaterThan(0)
    expect((await back.group.query('count')).answer).toBe(1 + away + meanwhile)
    expect(first.group.leader).toBe(leader)
    expect(first.group.members.length).toBe(reigning.length)
    const { log, snapshots } = raftOf(back)
    expect(log.offset).toBeGreaterThan(AWAY_FOR / 2)
    expect(snapshots.saved?.chunks).toBeGreaterThan(10)
  })
})
