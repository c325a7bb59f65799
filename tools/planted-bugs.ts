/**
 * Deliberate bugs, to prove that the simulator sees. Each is a change of the source text, made in a copy that is compiled for the
 * occasion: `src` itself has no switches, so nothing of this can be in what is published. A `find` must stand in its file exactly once.
 */
export interface PlantedBug {
  readonly bug: string
  /** Below `src`. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** A second place in the same file, where one defence stands behind another. */
  readonly also?: { readonly find: string; readonly replace: string }
}

const RAFT = 'machines/raft'

export const PLANTED_BUGS: readonly PlantedBug[] = [
  // what must be on disk first
  {
    bug: 'vote before persist',
    file: `${RAFT}/voting.ts`,
    find: 'chain(writeHardState(voted), answer)',
    replace: 'chain(answer(voted), writeHardState)',
  },
  {
    bug: 'campaign before persist',
    file: `${RAFT}/candidate.ts`,
    find: 'return sendTo(context, to, message, context.writes.issued)',
    replace: 'return sendTo(context, to, message, 0)',
  },
  {
    bug: 'acknowledge entries before persist',
    file: `${RAFT}/follower.ts`,
    find: 'reply(context, from, response)]',
    replace: 'sendTo(context, [from], response, 0)]',
  },
  {
    bug: 'accept a formation before persist',
    file: `${RAFT}/formation.ts`,
    find: '...sendTo(context, to, answerTo({ formation: id, voters }, true), writes.issued)',
    replace: '...sendTo(context, to, answerTo({ formation: id, voters }, true), 0 * writes.issued)',
  },
  {
    bug: 'hold no message back for the disk',
    file: 'actors/raft.ts',
    find: 'if (send.after <= this.#safe) this.#transmit(send)',
    replace: 'if (send.after <= this.#safe + 1) this.#transmit(send)',
  },
  {
    bug: 'count own entries that are not on disk',
    file: `${RAFT}/leader.ts`,
    find: 'voter === self ? writes.durableIndex :',
    replace: 'voter === self ? (writes ? log.lastIndex : log.lastIndex) :',
  },
  {
    bug: 'take the first answer of the disk for all',
    file: `${RAFT}/step.ts`,
    find: 'durableIndex: done.lastIndex, pending }',
    replace: 'durableIndex: context.log.lastIndex, pending }',
  },
  // what a restart must bring back
  {
    bug: 'forget the vote at a restart',
    file: `${RAFT}/context.ts`,
    find: '    votedFor,\n    leader: null,',
    replace: '    votedFor: votedFor && null,\n    leader: null,',
  },
  {
    bug: 'forget the term at a restart',
    file: `${RAFT}/context.ts`,
    find: '    term,\n    votedFor,',
    replace: '    term: (term && 1) as Term,\n    votedFor,',
  },
  {
    bug: 'forget the newest entry at a restart',
    file: `${RAFT}/context.ts`,
    find: 'const log = Log.of(entries, base)',
    replace: 'const log = Log.of(entries.length > 3 ? entries.slice(0, -1) : entries, base)',
  },
  // elections
  {
    bug: 'vote for several in a term',
    file: `${RAFT}/voting.ts`,
    find: 'return ballot.term > term || votedFor === null || votedFor === from',
    replace: 'return ballot.term > term || votedFor === null || from !== votedFor || true',
  },
  {
    bug: 'vote for a log that is older',
    file: `${RAFT}/voting.ts`,
    find: 'if (ballot.term < term || !log.isNoNewerThan(ballot.lastIndex, ballot.lastTerm)) return false',
    replace: 'if (ballot.term < term || log.lastIndex < 0) return false',
  },
  {
    bug: 'shrink the quorum to the live bonds',
    file: `${RAFT}/candidate.ts`,
    find: 'export function hasWon({ self, configuration, election, writes }: RaftContext): boolean {\n',
    replace:
      'export function hasWon({ self, configuration: { learners, voters: all }, election, writes, peers }: RaftContext): boolean {\n  const configuration = { learners, voters: all.filter((voter) => voter === self || peers.has(voter)) }\n  if (isWon(configuration, election.votes)) return true\n',
  },
  {
    bug: 'win with half of the votes',
    file: `${RAFT}/quorum.ts`,
    find: 'return Math.floor(configuration.voters.length / 2) + 1',
    replace: 'return Math.ceil(configuration.voters.length / 2)',
  },
  {
    bug: 'keep the vote in a newer term',
    file: `${RAFT}/follower.ts`,
    find: 'update(context, { term: newerTerm(event), votedFor: null })',
    replace: 'update(context, { term: newerTerm(event) })',
  },
  {
    bug: 'count a refusal as a vote',
    file: `${RAFT}/candidate.ts`,
    find: 'return message.term === context.term ? counted(context, from, message.granted) : context',
    replace: 'return message.term === context.term ? counted(context, from, true) : context',
  },
  {
    bug: 'form a group alone',
    file: `${RAFT}/formation.ts`,
    find: 'if (willing.length < founding.voters - 1) return null',
    replace: 'if (willing.length < 0) return null',
  },
  {
    bug: 'form when one has accepted',
    file: `${RAFT}/formation.ts`,
    find: 'formation.voters.every((voter) => founding.accepted.has(voter))',
    replace: 'formation.voters.some((voter) => founding.accepted.has(voter))',
  },
  {
    bug: 'lead before the own vote is on disk',
    file: `${RAFT}/candidate.ts`,
    find: 'return isHardStateOnDisk(writes) ||',
    replace: 'return writes.issued > 0 || isHardStateOnDisk(writes) ||',
  },
  // replication
  {
    bug: 'skip the log-matching check',
    file: `${RAFT}/follower.ts`,
    find: 'if (!heard.log.matches(message.prevIndex, message.prevTerm))',
    replace: 'if (heard.log.lastIndex < message.prevIndex)',
  },
  {
    bug: 'take entries of a leader of an older term',
    file: `${RAFT}/follower.ts`,
    find: 'if (message.term < context.term) return [context, refuseTerm(context, from)]',
    replace: 'if (message.term < 0) return [context, refuseTerm(context, from)]',
  },
  {
    bug: 'commit more than was vouched for',
    file: `${RAFT}/follower.ts`,
    find: 'return Math.min(commit, prevIndex + spansOf(entries))',
    replace: 'return Math.max(Math.min(commit, prevIndex + spansOf(entries)), commit)',
  },
  {
    bug: 'commit an entry of an older term by counting',
    file: `${RAFT}/leader.ts`,
    find: 'if (index <= commitIndex || log.termAt(index) !== term) return stay(context)',
    replace: 'if (index <= commitIndex || log.termAt(index) === (term as number) + 1) return stay(context)',
  },
  {
    bug: 'count a learner',
    file: `${RAFT}/quorum.ts`,
    find: 'for (const voter of configuration.voters) {\n    const value',
    replace: 'for (const voter of [...configuration.voters, ...configuration.learners]) {\n    const value',
  },
  {
    bug: 'never look further back in a log that differs',
    file: `${RAFT}/progress.ts`,
    find: 'const next = Math.max(progress.match + 1, Math.min(prevIndex, hint)) as LogIndex',
    replace: 'const next = Math.max(progress.match + 1, prevIndex + 1, hint) as LogIndex',
  },
  {
    bug: 'keep the entries after one that conflicts',
    file: `${RAFT}/log.ts`,
    find: 'if (entries.length === this.#length) return this.#shared',
    replace: 'if (entries.length >= this.#length) return this.#shared',
  },
  {
    bug: 'never probe again where an answer was lost',
    file: `${RAFT}/replication.ts`,
    find: "occasion === 'heartbeat' && before.probing ?",
    replace: "occasion === 'heartbeat' && before.probing && before.next < 0 ?",
  },
  // snapshots
  {
    bug: 'cut the log past its snapshot',
    file: `${RAFT}/compaction.ts`,
    find: 'const index = firstKept(context, upTo)',
    replace: 'const index = Math.min(log.lastIndex, firstKept(context, upTo) + 2) as LogIndex',
  },
  {
    bug: 'cut the log before its snapshot is on disk',
    file: `${RAFT}/compaction.ts`,
    find: "return [next, [{ type: 'takeSnapshot', params: at }]]",
    replace: "return chain([next, [{ type: 'takeSnapshot', params: at }]], (now) => compact(now, index))",
  },
  {
    bug: 'install an older snapshot over a newer state',
    file: `${RAFT}/install-snapshot.ts`,
    find: 'if (event.index <= commitIndex) return stay(done)',
    replace: 'if (event.index <= commitIndex - 1_000_000) return stay(done)',
    also: { find: 'index <= next.commitIndex ?', replace: 'index <= next.commitIndex - 1_000_000 ?' },
  },
  {
    bug: 'keep entries that conflict with an installed snapshot',
    file: `${RAFT}/install-snapshot.ts`,
    find: 'const agrees = context.log.matches(index, term)',
    replace: 'const agrees = context.log.lastIndex >= index && term > 0',
  },
  {
    bug: 'count a snapshot as held before it is on disk',
    file: `${RAFT}/install-snapshot.ts`,
    find: "return reply(context, to, { type: 'AppendEntriesResponse',",
    replace:
      "return reply({ ...context, writes: { ...context.writes, issued: 0 } }, to, { type: 'AppendEntriesResponse',",
  },
  {
    bug: 'never send a lost chunk again',
    file: `${RAFT}/progress.ts`,
    find: 'nowMs - transfer.sinceMs < patienceMs',
    replace: 'nowMs - transfer.sinceMs < 1_000 * patienceMs',
  },
  {
    bug: 'skip the checksum of a snapshot',
    file: 'actors/raft.ts',
    find: 'checksumOf(chunksOf(store, snapshot)) === snapshot.checksum',
    replace: 'checksumOf(chunksOf(store, snapshot)).length === snapshot.checksum.length',
  },
  {
    bug: 'forget the sessions in a snapshot',
    file: 'actors/replica.ts',
    find: 'this.#sessions.restore(sessions)',
    replace: 'this.#sessions.restore({ ...sessions, sessions: [] })',
  },
  {
    bug: 'forget the results of sessions in a snapshot',
    file: `${RAFT}/session.ts`,
    find: 'usedMs, runs: [...this.#runs] }',
    replace: 'usedMs, runs: [] }',
  },
  {
    bug: 'restore a snapshot without its configuration',
    file: `${RAFT}/context.ts`,
    find: 'afterWrite(snapshot ? [snapshot.configuration] : [], since,',
    replace: 'afterWrite([], since,',
  },
  {
    bug: 'never install a snapshot that was all there at a restart',
    file: `${RAFT}/context.ts`,
    find: 'next: Math.min(next, snapshot.chunks - 1)',
    replace: 'next: Math.min(next, snapshot.chunks)',
  },
  {
    bug: 'tell of a command where its copy stands',
    file: 'actors/replica.ts',
    find: ': decision)',
    replace: ': { ...decision, index })',
  },
  {
    bug: 'restore no snapshot at a restart',
    file: 'actors/group-core.ts',
    find: 'if (snapshot) this.#begin(',
    replace: 'if (snapshot && snapshot.index < 0) this.#begin(',
  },
  // reads
  {
    bug: 'answer a strong read without confirming',
    file: `${RAFT}/read-index.ts`,
    find: 'const ready = reads.confirming.filter((read) => read.round <= confirmed)',
    replace: 'const ready = reads.confirming.filter((read) => read.round <= confirmed || read.round > 0)',
  },
  {
    bug: 'read before an entry of the own term is committed',
    file: `${RAFT}/read-index.ts`,
    find: 'return idle && hasCommittedInTerm(next) ? chain(beginRound(next), answerConfirmed) : stay(next)',
    replace:
      'return idle ? chain([withReads(next, { waiting: [] }), []], (now) => [now, reads.waiting.flatMap(({ id, from }) => readAnswer(now, id, from, now.commitIndex))]) : stay(next)',
  },
  {
    bug: 'answer a strong read before its index is applied',
    file: 'actors/reads.ts',
    find: 'if (request.index === null || request.index > applied) continue',
    replace: 'if (request.index === null || request.index > applied + 1_000) continue',
  },
  // exactly once
  {
    bug: 'apply twice on retry',
    file: `${RAFT}/session.ts`,
    find: "if (last === undefined || sequence >= endOf(last)) return 'apply'",
    replace: "if (last === undefined || sequence > 0) return 'apply'",
  },
  {
    bug: 'take another session’s result for one’s own',
    file: 'actors/client.ts',
    find: 'results }: Run<unknown>): void {\n    if (session !== this.#session) return',
    replace: 'results }: Run<unknown>): void {\n    if (session < 0) return',
  },
  {
    bug: 'offer a command again under a new number',
    file: 'actors/client.ts',
    find: 'const proposals = offers.flatMap(',
    replace:
      'for (const offer of offers) if (offer.times > 0) { (offer as { sequence: number }).sequence = this.#nextSequence; this.#nextSequence = offer.end }\n    this.#offers.sort((a, b) => a.sequence - b.sequence)\n    const proposals = [...offers].flatMap(',
  },
  // bonds and discovery
  {
    bug: 'keep both bonds of a double dial',
    file: 'machines/group/dialling.ts',
    find: "if (slot.bond === null || slot.bond === bond) return 'grant'",
    replace: "if (slot.bond === null || slot.bond === bond || peer !== self) return 'grant'",
  },
  {
    bug: 'never redial a lost bond',
    file: 'machines/group/bookkeeping.ts',
    find: 'const free = withSlot(context, peer, { ...slot, redialDue: false })',
    replace: 'const free = withSlot(context, peer, { ...slot, redialDue: true })',
  },
  {
    bug: 'keep a bond that ended in the registry',
    file: 'actors/bond-book.ts',
    find: '    this.registry.delete(peer)\n',
    replace: '',
  },
  {
    bug: 'drop the tombstone of a departed member',
    file: 'machines/discovery/catalog.ts',
    find: '    records.set(peer, record)\n    if (change)',
    replace: '    if (record.entry.departed) records.delete(peer)\n    else records.set(peer, record)\n    if (change)',
  },
  {
    bug: 'believe the first bootstrap address to be enough',
    file: 'machines/discovery/vocabulary.ts',
    find: '? DISCOVERY.straggleRetryMs : DISCOVERY.bootstrapRetryMs',
    replace: '? 3_600_000 : DISCOVERY.bootstrapRetryMs',
  },
  {
    bug: 'let the entry of a former life stand',
    file: 'actors/own-entry.ts',
    find: 'if (compareVersions(earlier, entry) <= 0) return false',
    replace: 'if (compareVersions(earlier, entry) <= 0 || earlier.peer) return false',
  },
]
