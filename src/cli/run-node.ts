/**
 * `tessera node`: one member in this process. At a terminal it is a prompt; without one it runs until a signal ends it,
 * telling on standard error what becomes of the group. However it ends, it ends cleanly: it leaves the group, or where it keeps
 * its data stays a member that comes back.
 */
import { short } from '../identity/digest.ts'
import { CLI } from '../limits.ts'
import { type Interruption, interruption } from './interruption.ts'
import { type Member, type MemberOptions, type MemberStatus, printed } from './member.ts'
import { runSession } from './session.ts'
import { table } from './table.ts'
import type { Verbs } from './verbs.ts'

/** A member in this process: it can tell when its leader changes. */
export interface OwnMember extends Member {
  /** Ends this process's part: a member that keeps its data comes back, any other leaves. */
  stop(): Promise<void>
  /** Calls back with the leader and at each change of it; returns what ends that. */
  onLeader(handler: (leader: string | null) => void): () => void
}

export type OpenMember = (options: MemberOptions) => Promise<OwnMember>

/** Resolves with the exit code, once the member has stopped. A signal is a clean end. */
export async function runNode(options: MemberOptions, session: boolean, open: OpenMember): Promise<number> {
  const interrupted = interruption(process.stdout)
  const member = await open(options)
  const { peer, addresses } = await member.status()
  process.stderr.write(`${[`peer ${short(peer)}`, ...addresses.map((one) => `listens on ${one}`)].join(' ')}\n`)
  let silence = () => {}
  const news: News = (tell) => {
    silence = member.onLeader((leader) => tell(leaderNews(leader, peer)))
  }
  const ended = interrupted.code.then(() => 0)
  try {
    if (session) return await Promise.race([runPrompt(member, news, interrupted), ended])
    news((text) => process.stderr.write(`${text}\n`))
    return await ended
  } finally {
    silence()
    await stopped(member)
  }
}

async function runPrompt(member: Member, news: News, interrupted: Interruption): Promise<number> {
  const { stdin: input, stdout: output } = process
  const interactive = input.isTTY === true && output.isTTY === true
  return await runSession(nodeVerbs(member), {
    input,
    output,
    interactive,
    prompt: 'tessera>',
    signal: interrupted.signal,
    onInterrupt: interrupted.quit,
    onPrompt: news,
  })
}

type News = (tell: (text: string) => void) => void

function leaderNews(leader: string | null, self: string): string {
  if (leader === null) return 'no leader'
  return leader === self ? 'led by this node' : `led by ${short(leader)}`
}

/** Stops within a bounded time: a peer that does not answer must not keep this process. */
async function stopped(member: OwnMember): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLI.leaveTimeoutMs)
  })
  await Promise.race([member.stop(), late])
  clearTimeout(timer)
}

/** The commands that make sense for one node. */
export function nodeVerbs(member: Member): Verbs {
  return {
    set: {
      takes: ['key', 'value'],
      takesRest: true,
      does: 'sets a key to a value, prints the index in the log',
      run: async (key = '', value = '') => `ok ${await member.set(key, value)}`,
    },
    delete: {
      takes: ['key'],
      does: 'removes a key, prints the index in the log',
      run: async (key = '') => `ok ${await member.delete(key)}`,
    },
    get: {
      takes: ['key'],
      does: 'strong read: the value the group holds, or (nil)',
      run: async (key = '') => printed(await member.get(key)),
    },
    peek: {
      takes: ['key'],
      does: 'weak read: the value this node has applied, or (nil)',
      run: async (key = '') => printed(await member.peek(key)),
    },
    status: {
      takes: [],
      does: 'what this node knows of the group',
      run: async () => statusText(await member.status()),
    },
    leave: {
      takes: [],
      does: 'leaves the group and the network for good',
      run: async () => {
        await member.leave()
        return 'left'
      },
    },
  }
}

function statusText(status: MemberStatus): string {
  const { peer, addresses, role, leader, term, commit, applied, bonds } = status
  return table(
    ['peer', short(peer)],
    [
      ['address', addresses.join(' ') || '-'],
      ['role', role],
      ['leader', leader === null ? '-' : short(leader)],
      ['term', String(term)],
      ['commit', String(commit)],
      ['applied', String(applied)],
      ['bonds', bonds.map(short).join(' ') || '-'],
    ],
  )
}
