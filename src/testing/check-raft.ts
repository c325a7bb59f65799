/**
 * Raft figure 3 as a checker, and what a restart must not forget. It looks at a member whenever its context has changed, and only at what is
 * new in it: the log is compared from its end back to where nothing changed, so a step costs what the step did.
 *
 * Dumb on purpose: it remembers every entry, leader, commit and vote there ever was, whoever had it.
 */

import { termAt } from '../actors/storage/kept.ts'
import type { PeerId } from '../identity/keys.ts'
import { RAFT } from '../limits.ts'
import type { RaftContext } from '../machines/raft/machine.ts'
import type { Configuration, Entry, RaftMessage } from '../machines/raft/messages.ts'
import type { Platter } from './simulated-disk.ts'
import type { Violate } from './violation.ts'

/** What was seen of one member in its present life. */
interface Seen {
  context: RaftContext
  role: string
  readonly log: (Entry | undefined)[]
}

interface Committed {
  readonly print: string
  readonly term: number
  /** The term in which it was first seen committed. */
  readonly inTerm: number
  /** In force there and then, or just before: with the same answers a leader may have committed first and changed it after. */
  readonly configurations: readonly Configuration[]
  /** The entry itself, where it is a configuration. */
  readonly changes: Configuration | null
}

const prints = new WeakMap<Entry, string>()

/** Two entries are the same where this is. */
export function printOf(entry: Entry): string {
  const known = prints.get(entry)
  if (known !== undefined) return known
  const parts = Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1))
  const plain = (value: unknown): unknown =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value
  const print = JSON.stringify(parts.map(([name, value]) => [name, plain(value)]))
  prints.set(entry, print)
  return print
}

export class RaftChecker {
  readonly #violate: Violate
  readonly #seen = new Map<PeerId, Seen>()
  readonly #leaders = new Map<number, PeerId>()
  /** By index and term: the entry, and the term of the one before it. */
  readonly #entries = new Map<string, string>()
  /** By index, from 1 on. */
  readonly #committed: (Committed | undefined)[] = [undefined]
  /** What members have told to others of their term and vote: no later life may take it back. */
  readonly #toldTerms = new Map<PeerId, number>()
  readonly #votes = new Map<string, PeerId>()
  leaders = 0

  constructor(violate: Violate) {
    this.#violate = violate
  }

  /** The highest index that was ever committed. */
  get committed(): number {
    return this.#committed.length - 1
  }

  /** A new life: it must know what it has told. */
  started(peer: PeerId): void {
    this.#seen.delete(peer)
  }

  /** The newest of one member; true where it is the first look or something changed. */
  look(peer: PeerId, role: string, context: RaftContext): boolean {
    const before = this.#seen.get(peer)
    if (before?.context === context && before.role === role) return false
    const seen = before ?? { context, role, log: [undefined] }
    if (before) this.#termMoves(peer, before.context, context)
    else this.#remembersTerm(peer, context)
    const wasLeading = before?.role === 'leader' && before.context.term === context.term
    this.#follow(peer, seen, context, wasLeading && role === 'leader')
    this.#commits(peer, before?.context, context)
    if (before?.context.snapshots.saved !== context.snapshots.saved || before.context.log.offset !== context.log.offset)
      this.#compacts(peer, context)
    if (role === 'leader' && !wasLeading) this.#electionSafety(peer, context)
    if (role === 'leader' && wasLeading) this.#commitsOwnTerm(peer, before.context.commitIndex, context)
    if (role === 'leader') this.#withinCaps(peer, context)
    seen.context = context
    seen.role = role
    this.#seen.set(peer, seen)
    return true
  }

  #termMoves(peer: PeerId, before: RaftContext, { term, votedFor, commitIndex }: RaftContext): void {
    if (term < before.term) this.#violate('term monotone', `${peer} went from term ${before.term} to ${term}`)
    if (term === before.term && before.votedFor !== null && votedFor !== before.votedFor)
      this.#violate('one vote a term', `${peer} changed its vote in term ${term}`)
    if (commitIndex < before.commitIndex)
      this.#violate('commit monotone', `${peer} went from commit ${before.commitIndex} to ${commitIndex}`)
  }

  #remembersTerm(peer: PeerId, { term, votedFor }: RaftContext): void {
    const vote = this.#votes.get(`${peer}:${term}`)
    if (vote !== undefined && votedFor !== vote)
      this.#violate('vote durable', `${peer} came back in term ${term} without its vote for ${vote}`)
    const told = this.#toldTerms.get(peer) ?? 0
    if (term < told) this.#violate('term durable', `${peer} came back in term ${term} and had told ${told}`)
  }

  /** Log Matching by induction over `previous`; Leader Append-Only where it leads. */
  #follow(peer: PeerId, { log }: Seen, { log: now }: RaftContext, leads: boolean): void {
    let common = Math.min(now.lastIndex, log.length - 1)
    while (common > now.offset && now.entryAt(common) !== log[common]) common--
    if (leads && common < log.length - 1)
      this.#violate('leader append-only', `${peer} cut its log after ${common} as a leader`)
    log.length = common + 1
    for (let index = common + 1; index <= now.lastIndex; index++) {
      const entry = now.entryAt(index)
      log.push(entry)
      if (!entry) continue
      const key = `${index}:${entry.term}`
      const value = `${now.termAt(index - 1)} ${printOf(entry)}`
      const known = this.#entries.get(key)
      if (known === undefined) this.#entries.set(key, value)
      else if (known !== value)
        this.#violate('log matching', `${peer} holds another entry ${key}: ${value}, not ${known}`)
    }
  }

  /** State Machine Safety: nobody ever takes another entry for committed. */
  #commits(peer: PeerId, before: RaftContext | undefined, context: RaftContext): void {
    const { commitIndex, log, configuration } = context
    const configurations = [configuration, before?.configuration ?? configuration]
    const from = before?.commitIndex ?? 0
    for (let index = Math.max(from, log.offset) + 1; index <= commitIndex; index++) {
      const entry = log.entryAt(index)
      if (!entry) {
        this.#violate('state machine safety', `${peer} committed ${index}, which its log does not hold`)
        return
      }
      const known = this.#committed[index]
      if (known === undefined) this.#commit(index, entry, context.term, configurations)
      else if (known.print !== printOf(entry))
        this.#violate(
          'state machine safety',
          `${peer} committed another entry ${index}: ${printOf(entry)}, not ${known.print}`,
        )
    }
  }

  /** Raft §7: a snapshot stands for what was committed there, and the log goes on behind it. */
  #compacts(peer: PeerId, { log, snapshots: { saved } }: RaftContext): void {
    if (log.offset > (saved?.index ?? 0))
      this.#violate(
        'committed never lost',
        `${peer} cut its log up to ${log.offset}, its snapshot is of ${saved?.index}`,
      )
    if (log.offset > 0 && this.#committed[log.offset]?.term !== log.baseTerm)
      this.#violate('state machine safety', `${peer} cut its log after ${log.offset}, which nobody committed like that`)
    if (saved === null) return
    if (this.#committed[saved.index]?.term !== saved.term)
      this.#violate(
        'state machine safety',
        `${peer} holds a snapshot of ${saved.index}, which nobody committed like that`,
      )
    const { index } = saved.configuration
    const right = this.#committed.findLastIndex((entry, at) => at <= saved.index && entry?.changes)
    if (index !== right || !isSame(this.#committed[right]?.changes, saved.configuration.configuration))
      this.#violate('state machine safety', `${peer} holds a snapshot of ${saved.index} with the members of ${index}`)
  }

  /** Raft §5.4.2: a leader never commits an entry of an older term by counting its copies. */
  #commitsOwnTerm(peer: PeerId, from: number, { commitIndex, log, term }: RaftContext): void {
    const of = log.termAt(commitIndex)
    if (commitIndex > from && of !== term)
      this.#violate(
        'counts copies of its own term only',
        `${peer} leads term ${term} and committed ${commitIndex} of term ${of}`,
      )
  }

  #commit(index: number, entry: Entry, inTerm: number, configurations: readonly Configuration[]): void {
    const changes = entry.kind === 'configuration' ? entry.configuration : null
    this.#committed[index] = { print: printOf(entry), term: entry.term, inTerm, configurations, changes }
  }

  /** At most one leader in a term; and Leader Completeness, of which Log Matching needs but the newest entry. */
  #electionSafety(peer: PeerId, { term, log }: RaftContext): void {
    const known = this.#leaders.get(term)
    if (known !== undefined && known !== peer)
      this.#violate('election safety', `${peer} and ${known} both lead term ${term}`)
    if (known === undefined) this.leaders++
    this.#leaders.set(term, peer)
    const index = this.#committed.findLastIndex((entry) => entry !== undefined && entry.inTerm < term)
    if (index > log.offset && log.termAt(index) !== this.#committed[index]?.term)
      this.#violate('leader completeness', `${peer} leads term ${term} without committed entry ${index}`)
  }

  #withinCaps(peer: PeerId, { progress, uncommittedBytes }: RaftContext): void {
    for (const [to, { inFlight, inFlightBytes }] of progress) {
      if (inFlight.length > RAFT.inFlightMessagesMax)
        this.#violate('queues within caps', `${peer}: messages in flight to ${to}`)
      if (inFlightBytes > RAFT.inFlightBytesMax + RAFT.appendBytesMax + RAFT.commandBytesMax)
        this.#violate('queues within caps', `${peer}: bytes in flight to ${to}`)
    }
    if (uncommittedBytes > RAFT.uncommittedBytesMax + RAFT.waitingBytesMax)
      this.#violate('queues within caps', `${peer}: ${uncommittedBytes} bytes uncommitted`)
    if (uncommittedBytes < 0)
      this.#violate('queues within caps', `${peer} counts ${uncommittedBytes} bytes uncommitted`)
  }

  /** `peer` says `message` to `to`: from now on its term and vote are given. */
  told(peer: PeerId, to: PeerId, message: RaftMessage): void {
    if (message.type === 'RequestVote') this.#voted(peer, message.term, peer)
    else if (message.type === 'RequestVoteResponse' && message.granted) this.#voted(peer, message.term, to)
    else if (message.type !== 'AppendEntriesResponse' && message.type !== 'AppendEntries') return
    if ('term' in message) this.#toldTerms.set(peer, Math.max(this.#toldTerms.get(peer) ?? 0, message.term))
  }

  #voted(peer: PeerId, term: number, candidate: PeerId): void {
    const known = this.#votes.get(`${peer}:${term}`)
    if (known !== undefined && known !== candidate)
      this.#violate('vote durable', `${peer} voted for ${known} and for ${candidate} in term ${term}`)
    this.#votes.set(`${peer}:${term}`, candidate)
  }

  /** Committed never lost: a majority of the voters has the newest committed entry on disk, whatever crashes now. */
  survives(platterOf: (peer: PeerId) => Platter | null): void {
    const index = this.committed
    const committed = this.#committed[index]
    if (!committed) return
    const copies = committed.configurations.map(({ voters }) => {
      for (const voter of voters) if (!isWhole(platterOf(voter))) this.#violate('committed never lost', gapOf(voter))
      const holders = voters.filter((voter) => holds(platterOf(voter), index, committed.term))
      return { holders: holders.length, voters: voters.length }
    })
    if (!copies.some(({ holders, voters }) => holders * 2 > voters))
      this.#violate('committed never lost', `entry ${index} is on too few disks: ${JSON.stringify(copies)}`)
  }
}

function isSame(a: Configuration | null | undefined, b: Configuration): boolean {
  return JSON.stringify([a?.voters, a?.learners]) === JSON.stringify([b.voters, b.learners])
}

/** What the log on this disk begins after stands in a snapshot that is there from its first chunk to its last. */
function isWhole(platter: Platter | null): boolean {
  if (!platter || platter.base.index === 0) return true
  const { base, own } = platter
  return own !== null && own.snapshot.index >= base.index && own.chunks.length === own.snapshot.chunks
}

function gapOf(peer: PeerId): string {
  return `the log of ${peer} on its disk begins after what its snapshot there holds`
}

/** On this disk: the entry itself, or a snapshot that stands for it. */
function holds(platter: Platter | null, index: number, term: number): boolean {
  if (platter === null) return false
  return (platter.own?.snapshot.index ?? 0) >= index || termAt(platter, index) === term
}
