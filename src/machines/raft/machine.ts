/**
 * Raft's role diagram as a statechart (Raft figure 4, Thesis §9.6), and the forming of a group before it.
 *
 *   unformed -> follower -> preCandidate -> candidate -> leader, and back to follower from each; failed ends it.
 *
 * The chart says who hears what; the rules are pure functions in the files beside it, and each returns the next context and
 * its effects. Effects are the actions `persist`, `send`, `apply`, `respond` and those of snapshots (effects.ts), which do nothing here and are
 * bound by `provide()`. Time comes with `raft.tick` only, chance from the seed in the input.
 *
 * Every message is first asked where it comes from: one of a stranger, a peer without our log, is dropped. One of a newer
 * term makes a follower of us first, and is then handled again (Raft §5.1).
 */
import { setup } from 'xstate'
import { assert } from '../../errors.ts'
import * as candidate from './candidate.ts'
import * as compaction from './compaction.ts'
import { initialContext, type RaftContext, type RaftInput, update } from './context.ts'
import type { Apply, Persist, Respond, Restore, Send, SendChunk, TakeSnapshot } from './effects.ts'
import type { EventNamed, MessageEvent, RaftEvent } from './events.ts'
import * as follower from './follower.ts'
import * as formation from './formation.ts'
import * as installSnapshot from './install-snapshot.ts'
import * as leader from './leader.ts'
import * as neighbours from './neighbours.ts'
import * as readIndex from './read-index.ts'
import { chain, onPersisted, type Step, stay } from './step.ts'
import * as voting from './voting.ts'

const base = setup({
  types: {
    context: {} as RaftContext,
    events: {} as RaftEvent,
    input: {} as RaftInput,
  },
  actions: {
    persist: (_, _params: Persist) => {},
    send: (_, _params: Send) => {},
    apply: (_, _params: Apply) => {},
    respond: (_, _params: Respond) => {},
    takeSnapshot: (_, _params: TakeSnapshot) => {},
    sendChunk: (_, _params: SendChunk) => {},
    restore: (_, _params: Restore) => {},
  },
})

type RuleOfEvent = (context: RaftContext, event: RaftEvent) => Step

/** The rule behind each action of the chart, for `in-place.ts`. */
export const ruleOf = new WeakMap<object, RuleOfEvent>()

/** A rule as an action: the context becomes the rule's, its effects follow in order. */
function rule(apply: RuleOfEvent) {
  const action = base.enqueueActions(({ context, event, enqueue }) => {
    const [next, effects] = apply(context, event)
    if (next !== context) enqueue.assign(() => next)
    for (const effect of effects) enqueue(effect)
  })
  ruleOf.set(action, apply)
  return action
}

/** A rule for one kind of event. */
function on<T extends RaftEvent['type']>(type: T, apply: (context: RaftContext, event: EventNamed<T>) => Step) {
  return rule((context, event) => apply(context, named(event, type)))
}

function named<T extends RaftEvent['type']>(event: RaftEvent, type: T): EventNamed<T> {
  assert(event.type === type, `the rule of ${type} on ${event.type}`)
  return event as EventNamed<T>
}

function messageOf(event: RaftEvent): MessageEvent {
  assert('message' in event, `${event.type} is no message`)
  return event
}

const raft = base.extend({
  actions: {
    // time, disk, neighbours
    tick: on('raft.tick', (context, { nowMs }) =>
      neighbours.introduceAgain(update(context, { nowMs: Math.max(context.nowMs, nowMs) })),
    ),
    notePersisted: on('raft.persisted', (context, { number }) => stay(onPersisted(context, number))),
    greet: on('raft.bondFormed', (context, { peer }) => formation.greet(neighbours.withPeer(context, peer), peer)),
    forgetPeer: on('raft.bondLost', (context, event) => stay(neighbours.withoutPeer(context, event))),
    noteIntroduction: on('raft.introduce', neighbours.onIntroduce),
    // forming
    proposeFormation: rule(formation.propose),
    answerProposal: on('raft.formationProposal', formation.onFormationProposal),
    noteAnswer: on('raft.formationAnswer', formation.onFormationAnswer),
    tellVotersAgain: rule(formation.onFormingTick),
    form: rule(formation.form),
    joinGroup: on('raft.appendEntries', formation.join),
    joinBySnapshot: on('raft.installSnapshot', formation.join),
    // snapshots
    noteSaved: on('raft.snapshotSaved', compaction.onSnapshotSaved),
    noteAbandoned: rule(compaction.onSnapshotAbandoned),
    takeChunk: on('raft.installSnapshot', installSnapshot.onInstallSnapshot),
    installSnapshot: on('raft.snapshotReceived', installSnapshot.onSnapshotReceived),
    // any role
    adoptTerm: rule((context, event) => follower.adoptTerm(context, messageOf(event))),
    handleAgain: base.raise(({ event }) => event),
    awaitLeader: rule(follower.awaitLeader),
    answerPreVote: on('raft.preVote', voting.onPreVote),
    answerVote: on('raft.requestVote', voting.onRequestVote),
    answerEntries: on('raft.appendEntries', follower.onAppendEntries),
    refuseProposals: on('raft.propose', (context, { proposals }) => follower.refuse(context, proposals, 'NoLeader')),
    loseRead: on('raft.read', (context, { id }) => [context, readIndex.lost([{ id }])]),
    loseReads: rule((context) => chain(readIndex.loseForwarded(context), readIndex.loseLeaderReads)),
    // follower
    missLeader: rule(follower.onLeaderLost),
    forwardProposals: on('raft.propose', (context, { proposals }) => follower.forwardProposals(context, proposals)),
    forwardRead: on('raft.read', (context, { id }) => readIndex.forwardRead(context, id)),
    noteReadIndex: on('raft.readIndexResponse', readIndex.onReadIndexResponse),
    expireReads: rule(readIndex.expireForwarded),
    // candidates
    giveWay: on('raft.preVote', voting.giveWay),
    askPreVotes: rule(candidate.askPreVotes),
    askPreVoteOfNewcomer: on('raft.introduce', candidate.askPreVoteOf),
    askPreVoteAgain: on('raft.preVote', candidate.askPreVoteAgain),
    countPreVote: on('raft.preVoteResponse', (context, event) => stay(candidate.countPreVote(context, event))),
    campaign: rule(candidate.campaign),
    askVoteOfNewcomer: on('raft.introduce', candidate.askVoteOf),
    countVote: on('raft.requestVoteResponse', (context, event) => stay(candidate.countVote(context, event))),
    retrySoon: rule(candidate.retrySoon),
    // leader
    lead: rule(leader.lead),
    concede: rule(leader.concede),
    beat: rule(leader.onLeaderTick),
    advanceCommit: rule(leader.advanceCommit),
    appendProposals: on('raft.propose', (context, { proposals, timeMs }) =>
      leader.onPropose(context, proposals, timeMs),
    ),
    appendForwarded: on('raft.forwardedPropose', (context, { message }) =>
      leader.onForwardedProposals(context, message.proposals),
    ),
    noteMatch: on('raft.appendEntriesResponse', leader.onAppendEntriesResponse),
    noteChunks: on('raft.installSnapshotResponse', leader.onInstallSnapshotResponse),
    lookFurtherBack: on('raft.appendEntriesRejection', leader.onAppendEntriesRejection),
    restartPeer: on('raft.bondFormed', (context, { peer }) => leader.restartPeer(context, peer)),
    reachPeer: on('raft.introduce', (context, { from }) => leader.reachPeer(context, from)),
    confirmRead: on('raft.read', (context, { id }) => readIndex.askRead(context, id, null)),
    confirmReadOf: on('raft.readIndex', (context, { from, message }) => readIndex.askRead(context, message.id, from)),
    reconfigure: rule(leader.reconfigure),
    handOver: on('raft.transferLeadership', (context, { to }) => leader.transferLeadership(context, to)),
  },
  guards: {
    isFormed: ({ context }) => formation.isFormed(context),
    mayPropose: ({ context }) => formation.mayPropose(context),
    isBound: ({ context }) => context.formation.status === 'accepted',
    isReleased: ({ context }) => context.formation.status === 'none',
    allAccepted: ({ context }) => formation.allAccepted(context),
    showsFormed: ({ context, event }) => neighbours.showsFormed(context, named(event, 'raft.introduce')),
    mayJoin: ({ context, event }) => formation.mayJoin(context, named(event, 'raft.appendEntries')),
    mayJoinBySnapshot: ({ context, event }) => formation.mayJoin(context, named(event, 'raft.installSnapshot')),
    fromStranger: ({ context, event }) => !neighbours.isOfOurGroup(context, messageOf(event)),
    fromNonVoter: ({ context, event }) => !voting.mayAsk(context, messageOf(event)),
    ofNewerTerm: ({ context, event }) => voting.isOfNewerTerm(context, messageOf(event)),
    ofThisTerm: ({ context, event }) => voting.isOfThisTerm(context, messageOf(event)),
    givesWay: ({ context, event }) => voting.givesWay(context, named(event, 'raft.preVote')),
    grantsVote: ({ context, event }) => voting.grantsVote(context, named(event, 'raft.requestVote')),
    isLeader: ({ context, event }) => named(event, 'raft.bondLost').peer === context.leader,
    isAskedToLead: ({ context, event }) => follower.isAskedToLead(context, named(event, 'raft.timeoutNow')),
    electionDue: ({ context, event }) => follower.isElectionDue(context, named(event, 'raft.tick').nowMs),
    hasWon: ({ context }) => candidate.hasWon(context),
    hasLost: ({ context }) => candidate.hasLost(context),
    isSplit: ({ context }) => candidate.isSplit(context),
    isUnheard: ({ context, event }) => leader.isUnheard(context, named(event, 'raft.tick').nowMs),
  },
})

/** Before any role looks at a message. */
const STRANGER = { guard: 'fromStranger' } as const
const NON_VOTER = { guard: 'fromNonVoter' } as const
const NEWER_TERM = { guard: 'ofNewerTerm', target: '#raft.follower', actions: ['adoptTerm', 'handleAgain'] } as const
/** A leader of this very term: whoever campaigned in it has lost (Raft §5.2). */
const LEADER_FOUND = { guard: 'ofThisTerm', target: '#raft.follower', actions: ['awaitLeader', 'handleAgain'] } as const

/** What is the same in every role. */
const MEMBER = {
  'raft.preVote': [STRANGER, NON_VOTER, { actions: 'answerPreVote' }],
  'raft.requestVote': [STRANGER, NON_VOTER, NEWER_TERM, { actions: 'answerVote' }],
  'raft.appendEntries': [STRANGER, NEWER_TERM, { actions: 'answerEntries' }],
  'raft.preVoteResponse': [STRANGER, NEWER_TERM],
  'raft.requestVoteResponse': [STRANGER, NEWER_TERM],
  'raft.appendEntriesResponse': [STRANGER, NEWER_TERM],
  'raft.appendEntriesRejection': [STRANGER, NEWER_TERM],
  'raft.newerTerm': [STRANGER, NEWER_TERM],
  'raft.installSnapshot': [STRANGER, NEWER_TERM, { actions: 'takeChunk' }],
  'raft.installSnapshotResponse': [STRANGER, NEWER_TERM],
  'raft.timeoutNow': [STRANGER, NEWER_TERM],
} as const

/** A candidate of either kind knows no leader. */
const LEADERLESS = {
  'raft.propose': { actions: 'refuseProposals' },
  'raft.read': { actions: 'loseRead' },
} as const

export const raftMachine = raft.createMachine({
  id: 'raft',
  description: 'One member of a Raft group.',
  context: ({ input }) => initialContext(input),
  initial: 'unformed',
  on: {
    'raft.persisted': { actions: 'notePersisted' },
    'raft.storageFailed': '.failed',
    'raft.snapshotSaved': { actions: 'noteSaved' },
    'raft.snapshotAbandoned': { actions: 'noteAbandoned' },
    'raft.snapshotReceived': { actions: 'installSnapshot' },
    'raft.bondFormed': { actions: 'greet' },
    'raft.bondLost': { actions: 'forgetPeer' },
    'raft.introduce': { actions: 'noteIntroduction' },
    'raft.formationProposal': { actions: 'answerProposal' },
  },
  states: {
    unformed: {
      description: 'Holds no log: agrees on a first configuration with others, or waits to be admitted.',
      initial: 'gathering',
      on: {
        ...LEADERLESS,
        'raft.tick': { actions: ['tick', 'tellVotersAgain'] },
        'raft.formationAnswer': { actions: 'noteAnswer' },
        'raft.appendEntries': {
          guard: 'mayJoin',
          target: 'follower',
          actions: ['joinGroup', 'awaitLeader', 'handleAgain'],
        },
        'raft.installSnapshot': {
          guard: 'mayJoinBySnapshot',
          target: 'follower',
          actions: ['joinBySnapshot', 'awaitLeader', 'handleAgain'],
        },
      },
      states: {
        gathering: {
          description: 'Bound to nothing; proposes when it is the smallest of enough.',
          always: [
            { guard: 'isFormed', target: '#raft.follower', actions: 'awaitLeader' },
            { guard: 'isBound', target: 'accepted' },
            { guard: 'mayPropose', target: 'accepted', actions: 'proposeFormation' },
          ],
        },
        accepted: {
          description: 'Bound to one proposal until all accepted it or one refused.',
          always: [
            { guard: 'allAccepted', target: '#raft.follower', actions: 'form' },
            { guard: 'isReleased', target: 'gathering' },
          ],
          on: {
            'raft.introduce': [
              { guard: 'showsFormed', target: '#raft.follower', actions: ['noteIntroduction', 'form'] },
              { actions: 'noteIntroduction' },
            ],
          },
        },
      },
    },
    follower: {
      description: 'Takes what the leader sends; a voter that hears none asks for pre-votes (Raft §5.2).',
      on: {
        ...MEMBER,
        'raft.tick': [
          { guard: 'electionDue', target: 'preCandidate', actions: 'tick' },
          { actions: ['tick', 'expireReads'] },
        ],
        'raft.bondLost': [{ guard: 'isLeader', actions: ['forgetPeer', 'missLeader'] }, { actions: 'forgetPeer' }],
        'raft.timeoutNow': [STRANGER, NEWER_TERM, { guard: 'isAskedToLead', target: 'candidate' }],
        'raft.propose': { actions: 'forwardProposals' },
        'raft.read': { actions: 'forwardRead' },
        'raft.readIndexResponse': [STRANGER, { actions: 'noteReadIndex' }],
      },
    },
    preCandidate: {
      description: 'Asks whether it could win before it disturbs anyone (Thesis §9.6).',
      entry: 'askPreVotes',
      always: [
        { guard: 'hasWon', target: 'candidate' },
        { guard: 'hasLost', target: 'follower', actions: 'awaitLeader' },
      ],
      on: {
        ...MEMBER,
        ...LEADERLESS,
        'raft.tick': [
          { guard: 'electionDue', target: 'preCandidate', reenter: true, actions: 'tick' },
          { actions: 'tick' },
        ],
        'raft.introduce': { actions: ['noteIntroduction', 'askPreVoteOfNewcomer'] },
        'raft.preVote': [
          STRANGER,
          NON_VOTER,
          { guard: 'givesWay', target: 'follower', actions: 'giveWay' },
          { actions: ['answerPreVote', 'askPreVoteAgain'] },
        ],
        'raft.preVoteResponse': [STRANGER, NEWER_TERM, { actions: 'countPreVote' }],
        'raft.requestVote': [
          STRANGER,
          NON_VOTER,
          NEWER_TERM,
          { guard: 'grantsVote', target: 'follower', actions: ['awaitLeader', 'answerVote'] },
          { actions: 'answerVote' },
        ],
        'raft.appendEntries': [STRANGER, NEWER_TERM, LEADER_FOUND, { actions: 'answerEntries' }],
        'raft.installSnapshot': [STRANGER, NEWER_TERM, LEADER_FOUND, { actions: 'takeChunk' }],
      },
    },
    candidate: {
      description: 'In a new term, with its own vote, until a majority grants or another leads (Raft §5.2).',
      entry: 'campaign',
      always: [
        { guard: 'hasWon', target: 'leader' },
        { guard: 'isSplit', target: 'follower', actions: 'retrySoon' },
      ],
      on: {
        ...MEMBER,
        ...LEADERLESS,
        'raft.tick': [{ guard: 'electionDue', target: 'preCandidate', actions: 'tick' }, { actions: 'tick' }],
        'raft.introduce': { actions: ['noteIntroduction', 'askVoteOfNewcomer'] },
        'raft.requestVoteResponse': [STRANGER, NEWER_TERM, { actions: 'countVote' }],
        'raft.appendEntries': [STRANGER, NEWER_TERM, LEADER_FOUND, { actions: 'answerEntries' }],
        'raft.installSnapshot': [STRANGER, NEWER_TERM, LEADER_FOUND, { actions: 'takeChunk' }],
      },
    },
    leader: {
      description: 'Appends, replicates, commits, and steps down when a majority is silent (Raft §5.3, Thesis §6.2).',
      entry: 'lead',
      exit: 'concede',
      on: {
        ...MEMBER,
        'raft.tick': [
          { guard: 'isUnheard', target: 'follower', actions: ['tick', 'awaitLeader'] },
          { actions: ['tick', 'beat'] },
        ],
        'raft.persisted': { actions: ['notePersisted', 'advanceCommit'] },
        'raft.bondFormed': { actions: ['greet', 'restartPeer'] },
        'raft.bondLost': { actions: ['forgetPeer', 'reconfigure'] },
        'raft.introduce': { actions: ['noteIntroduction', 'reachPeer'] },
        'raft.propose': { actions: 'appendProposals' },
        'raft.forwardedPropose': [STRANGER, { actions: 'appendForwarded' }],
        'raft.read': { actions: 'confirmRead' },
        'raft.readIndex': [STRANGER, { actions: 'confirmReadOf' }],
        'raft.appendEntriesResponse': [STRANGER, NEWER_TERM, { actions: 'noteMatch' }],
        'raft.appendEntriesRejection': [STRANGER, NEWER_TERM, { actions: 'lookFurtherBack' }],
        'raft.installSnapshotResponse': [STRANGER, NEWER_TERM, { actions: 'noteChunks' }],
        'raft.transferLeadership': { actions: 'handOver' },
      },
    },
    failed: {
      description: 'The disk did not keep what it was given: silence is the only safe answer.',
      type: 'final',
      entry: 'loseReads',
    },
  },
})

export { nextDeadlineMs, type RaftContext, type RaftInput } from './context.ts'
export { eventOf, type RaftEvent } from './events.ts'
