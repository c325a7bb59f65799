/** Three members in three processes, on loopback, and the floor beside them. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, forkChild } from './child.ts'
import type { MemberMethods } from './member.ts'
import type { MemberSettings } from './subject.ts'

export type MemberProcess = Child<MemberMethods>

/** How long a group of three may take to form on a busy machine. */
const FORM_TIMEOUT_MS = 30_000
const POLL_MS = 20

/** Resolves when `holds`; rejects after a while, with what was waited for. */
export async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + FORM_TIMEOUT_MS
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`In vain: ${what}.`)
    await sleep(POLL_MS)
  }
}

export class Trio {
  readonly members: readonly MemberProcess[]
  readonly #folder: string

  private constructor(members: readonly MemberProcess[], folder: string) {
    this.members = members
    this.#folder = folder
  }

  /** A formed group with a leader. */
  static async open(
    durable: boolean,
    timing: MemberSettings['timing'] = {},
    execArgv: readonly string[] = [],
  ): Promise<Trio> {
    const folder = mkdtempSync(join(tmpdir(), 'tessera-bench-'))
    const trio = new Trio(
      [0, 1, 2].map(() => forkChild<MemberMethods>('member', execArgv)),
      folder,
    )
    let bootstrap: readonly string[] = []
    for (const [i, member] of trio.members.entries()) {
      const opened = await member.call('open', { voters: 3, bootstrap, timing, ...trio.#place(durable, i) })
      if (i === 0) bootstrap = opened
    }
    await eventually('a leader', async () => (await trio.leader()) !== null)
    return trio
  }

  /** The floor, led by `leader`'s process. */
  async openFloor(leader: MemberProcess, durable: boolean): Promise<void> {
    const folderOf = (i: number) => {
      if (!durable) return null
      const folder = join(this.#folder, `floor${i}`)
      mkdirSync(folder, { recursive: true })
      return folder
    }
    const address = await leader.call('leadFloor', folderOf(0))
    const others = this.members.filter((member) => member !== leader)
    for (const [i, member] of others.entries()) await member.call('followFloor', { address, folder: folderOf(i + 1) })
    await eventually('the floor', () => leader.call('floorStands', null))
  }

  /** Null while there is none, or while they do not agree. */
  async leader(): Promise<MemberProcess | null> {
    const all = await Promise.all(this.members.map((member) => member.call('status', null)))
    const [first] = all
    if (!first?.leader || all.some(({ leader }) => leader !== first.leader)) return null
    return this.members[all.findIndex(({ peer }) => peer === first.leader)] ?? null
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.end()))
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #place(durable: boolean, i: number): Pick<MemberSettings, 'folder' | 'seed'> {
    return durable ? { folder: join(this.#folder, `member${i}`), seed: i + 1 } : {}
  }
}
