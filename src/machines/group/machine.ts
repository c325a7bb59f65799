/**
 * One joined group: it spawns a bond for each dial and each accepted link, decides which bond holds a peer, and leaves cleanly.
 *
 * Lifecycle: `joined` (offline until a leader is known, then online) -> `leaving` (hands leadership over, says goodbye) -> `left`.
 * The books on peers and bonds are kept in every state, so that leaving never waits for an event nobody handles; only what would
 * bring a new bond differs: while leaving, nobody is dialled and no link taken. Both steps of leaving have a deadline.
 *
 * `group.leave` departs for good; `group.suspend` goes the same way for a member that comes back: its peers hear that a process ends,
 * not that a member departed, so it stays in the configuration and they dial it again.
 *
 * Raft and the state machine live as long as the group does. Their events do not pass through here, except `raft.status`.
 */
import { contextOf, groupSetup } from './vocabulary.ts'

export const groupMachine = groupSetup.createMachine({
  id: 'group',
  description: 'One joined group: its bonds, its raft, its state machine.',
  context: ({ input }) => contextOf(input),
  invoke: [
    { src: 'raft', id: 'raft' },
    { src: 'stateMachine', id: 'machine' },
  ],
  initial: 'joined',
  on: {
    'bond.claim': { actions: 'decideClaim' },
    'bond.steady': { actions: 'takeSteady' },
    'bond.ended': { actions: 'takeEnded' },
    'raft.status': { actions: 'noteStatus' },
    'raft.rival': { actions: 'tellRival' },
    'group.catalog': { actions: 'readCatalog' },
    'group.redial': { actions: 'redial' },
    'group.settled': { actions: 'forgetAttempts' },
    'group.entryChanged': { actions: 'tellEntryChanged' },
  },
  states: {
    joined: {
      description: 'A member: dials, accepts, agrees.',
      initial: 'offline',
      on: {
        'group.linkAccepted': { actions: 'acceptLink' },
        'group.leave': 'leaving',
        'group.suspend': { target: 'leaving', actions: 'noteSuspension' },
      },
      states: {
        offline: {
          description: 'No leader is known, so nothing can be agreed on.',
          always: { guard: 'hasLeader', target: 'online' },
        },
        online: {
          description: 'The group is formed and a leader is known.',
          entry: 'tellOnline',
          exit: 'tellOffline',
          always: { guard: 'hasNoLeader', target: 'offline' },
        },
      },
    },
    leaving: {
      description: 'Goes without making the others wait for a timeout.',
      initial: 'choosing',
      entry: 'stopDialling',
      on: {
        'group.linkAccepted': [{ guard: 'suspends', actions: 'refuseAsShutDown' }, { actions: 'refuseAsDeparted' }],
      },
      states: {
        choosing: {
          description: 'A leader that others follow hands over first.',
          always: [{ guard: 'leadsOthers', target: 'transferring' }, { target: 'departing' }],
        },
        transferring: {
          description: 'Waits for another leader while there is anyone to become it, an election timeout at most.',
          entry: 'handOver',
          always: [
            { guard: 'anotherLeads', target: 'departing' },
            { guard: 'hasNoBond', target: 'departing' },
          ],
          after: { transferTimeout: 'departing' },
        },
        departing: {
          description: 'Each bond says goodbye, flushes, and closes.',
          entry: 'sayGoodbye',
          on: { 'bond.claim': { actions: 'refuseClaim' } },
          always: { guard: 'allBondsGone', target: '#group.left' },
          after: { departTimeout: '#group.left' },
        },
      },
    },
    left: { description: 'No longer a member; whatever still stands goes down with the actor.', type: 'final' },
  },
})
