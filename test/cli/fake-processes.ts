/**
 * Processes of a demo without processes: members that share one map and agree at once, while most of them live.
 * The first to live leads. What a test wants to go wrong it sets on the group.
 */

import type { MemberProcess } from '../../src/cli/cluster.ts'
import type { MemberOptions, MemberStatus } from '../../src/cli/member.ts'
import type { ServedMember } from '../../src/cli/rpc.ts'
import { TesseraError } from '../../src/errors.ts'

export interface FakeProcess extends MemberProcess {
  readonly pid: number
  readonly opened: MemberOptions | null
  /** Calls this process was asked to serve, without `status` and `open`. */
  readonly calls: string[]
  /** Dies as if killed from outside. */
  die(): void
  /** Does not end when asked to. */
  stubborn: boolean
}

export class FakeGroup {
  readonly all: FakeProcess[] = []
  readonly values = new Map<string, string>()
  readonly quorum: number
  commit = 1
  /** Nobody follows a leader while this is false. */
  electing = false

  constructor(quorum: number) {
    this.quorum = quorum
  }

  readonly fork = (): FakeProcess => {
    const process = fakeProcess(this, this.all.length + 1)
    this.all.push(process)
    return process
  }

  alive(): FakeProcess[] {
    return this.all.filter((process) => process.opened && !this.ended.has(process.pid))
  }

  readonly ended = new Set<number>()

  leader(): FakeProcess | null {
    const alive = this.alive()
    return this.electing || alive.length < this.quorum ? null : (alive[0] ?? null)
  }

  commitOne(): number {
    if (!this.leader()) throw new TesseraError('DeadlineExceeded')
    this.commit += 1
    return this.commit
  }
}

export function peerOf(pid: number): string {
  return pid.toString(16).padStart(2, '0').repeat(32)
}

function fakeProcess(group: FakeGroup, pid: number): FakeProcess {
  let exit: () => void = () => undefined
  const exited = new Promise<void>((resolve) => {
    exit = resolve
  })
  const die = () => {
    group.ended.add(pid)
    exit()
  }
  const fake = {
    pid,
    opened: null as MemberOptions | null,
    calls: [] as string[],
    stubborn: false,
    exited,
    die,
    kill: die,
    end: () => {
      if (!fake.stubborn) die()
    },
    member: {} as ServedMember,
  }
  fake.member = fakeMember(group, fake)
  return fake
}

function fakeMember(
  group: FakeGroup,
  self: { pid: number; opened: MemberOptions | null; calls: string[] },
): ServedMember {
  const serve = <T>(call: string, run: () => T) => {
    if (group.ended.has(self.pid)) throw new TesseraError('NodeDied')
    self.calls.push(call)
    return run()
  }
  const read = (key: string) => group.values.get(key) ?? null
  return {
    open: async (options) => {
      self.opened = options
    },
    set: async (key, value) =>
      serve(`set ${key}`, () => {
        group.values.set(key, value)
        return group.commitOne()
      }),
    delete: async (key) =>
      serve(`delete ${key}`, () => {
        group.values.delete(key)
        return group.commitOne()
      }),
    get: async (key) => serve(`get ${key}`, () => read(key)),
    peek: async (key) => serve(`peek ${key}`, () => read(key)),
    status: async () => statusOf(group, self.pid),
    leave: async () => serve('leave', () => undefined),
  }
}

function statusOf(group: FakeGroup, pid: number): MemberStatus {
  if (group.ended.has(pid)) throw new TesseraError('NodeDied')
  const leader = group.leader()
  return {
    peer: peerOf(pid),
    addresses: [`ws://127.0.0.1:${7000 + pid}`],
    role: leader?.pid === pid ? 'leader' : 'follower',
    leader: leader ? peerOf(leader.pid) : null,
    term: 1,
    commit: group.commit,
    applied: group.commit,
    bonds: group
      .alive()
      .filter((other) => other.pid !== pid)
      .map((other) => peerOf(other.pid)),
  }
}
