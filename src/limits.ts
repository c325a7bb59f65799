/**
 * Every cap and every default duration, each with its reason. Units are last in the name.
 * A number that all members must share is part of the group id (`SHARED`).
 */

/** Wire: what one peer can make this process hold. */
export const WIRE = {
  /** One encrypted frame; Noise messages are at most 65,535 bytes (Noise §3), a round number below it. */
  frameBytesMax: 64 * 1024 - 1,
  /** One message of a proven peer, joined from its frames. */
  messageBytesMax: 16 * 1024 * 1024,
  /** One message of a peer that has not proven itself: a handshake with some hundred entries fits. */
  unprovenMessageBytesMax: 64 * 1024,
  /** Numbers, strings and arrays of one message: what `inFlightBytesMax` of the smallest entries come to. */
  messageItemsMax: 2 * 1024 * 1024,
  /** Arrays within arrays: a batch holds a message, it holds entries, one holds a configuration, it holds lists. */
  messageDepthMax: 8,
  /** Nesting of what an application sends; some thousands would exhaust the stack. */
  valueDepthMax: 128,
  /** One bigint of an application: decoding takes time in the square of its length. */
  bigintBytesMax: 1024,
  /** Signed entries in one message to a peer that is not proven; the rest follows with the next exchange. */
  toldBytesMax: 48 * 1024,
  /** What may wait to be sent on one link; past it raft messages are dropped, user messages refused. */
  linkQueueBytesMax: 16 * 1024 * 1024,
  /** And how many messages: of very small ones, what holds each takes many times its bytes. */
  linkQueueMessagesMax: 128 * 1024,
  /** What one turn of the event loop gathers for a link; so much is sent at once. */
  turnBytesMax: 128 * 1024,
  /** What may stand in one socket, already sealed: prompt messages never wait behind more bulk than this. */
  socketBytesMax: 256 * 1024,
  /** Links that are between accept and proof, per node: silence must not hold all slots. */
  unprovenLinksMax: 256,
  dialTimeoutMs: 2_000,
  handshakeTimeoutMs: 2_000,
  /** How long a close waits for the peer to close its end before the socket is cut. */
  closeTimeoutMs: 1_000,
} as const

/** Identity: what signed bytes of others may hold, and what is kept of them. */
export const IDENTITY = {
  /** Counts of one peer entry; `DISCOVERY.entryBytesMax` bounds them all together. */
  addressesMax: 16,
  addressBytesMax: 512,
  tagsMax: 128,
  groupsMax: 128,
  ticketsMax: 16,
  ticketClassBytesMax: 128,
  /** Imported public keys of peers: more than the members of any group this is made for. */
  keptKeysMax: 1_024,
  /** More than a key file ever has; what is longer is not read on. */
  keyFileBytesMax: 256,
} as const

/** Bonds: SEMANTICS of one connection between two members. */
export const BOND = {
  handshakeStepTimeoutMs: 2_000,
  livenessIntervalMs: 500,
  livenessJitterMs: 150,
  missedMax: 10,
  /** Dials of one group under way at a time; a handshake costs both ends some milliseconds of work. */
  dialsMax: 4,
  /** The end of a pair that does not come first leaves it so long to the other to dial, and up to twice as long. */
  patienceMs: 500,
  redialMinMs: 100,
  redialMaxMs: 30_000,
  /** Steady for this long: the next redial starts from `redialMinMs` again. */
  redialResetMs: 10_000,
  syncAttemptsMax: 3,
  /** A group that is left waits this long for its bonds to say goodbye. */
  departTimeoutMs: 2_000,
} as const

/** Discovery: the signed catalog. */
export const DISCOVERY = {
  entryBytesMax: 16 * 1024,
  entriesMax: 4_096,
  hiddenAfterMs: 300_000,
  purgedAfterMs: 600_000,
  futureMaxMs: 50_000,
  announceIntervalMs: 45_000,
  announceJitter: 0.5,
  announceFanout: 3,
  /** A round of anti-entropy asks as many neighbours, one after the other, until one answers. */
  syncTriesMax: 3,
  exchangeTimeoutMs: 2_000,
  /** Bootstrap addresses are asked again, with this pause, until one answers. */
  bootstrapRetryMs: 1_000,
  /** Then the others, until each has answered: else a network that was parted while it started stays in two. */
  straggleRetryMs: 5_000,
} as const

/** Consensus timing: all members share it, so it is part of the group id. */
export const RAFT_TIMING = {
  electionTimeoutMs: 2_000,
  electionJitterMs: 500,
  heartbeatIntervalMs: 500,
  /** A lost bond to the leader is only a hint: ask for pre-votes after this pause. */
  hintPauseMinMs: 10,
  hintPauseMaxMs: 50,
  /** Granularity of the machine's clock. */
  tickMs: 50,
} as const

export interface RaftTiming {
  readonly electionTimeoutMs: number
  readonly electionJitterMs: number
  readonly heartbeatIntervalMs: number
}

/** When a member takes a snapshot, and what it leaves of the log behind it. Each member may have its own. */
export const COMPACTION = {
  /** Applied entries after which one is due; a restart applies so many again. */
  entriesMax: 10_000,
  /** Bytes of applied entries after which it is due in any case. */
  bytesMax: 64 * 1024 * 1024,
  /** Entries before it that stay, and how many bytes of them, so that a follower that is a little behind needs no snapshot. */
  trailingMax: 2_000,
  trailingBytesMax: 16 * 1024 * 1024,
} as const

export interface Compaction {
  readonly entriesMax: number
  readonly bytesMax: number
  readonly trailingMax: number
  readonly trailingBytesMax: number
}

/** Consensus caps. */
export const RAFT = {
  /** Members that form a group; each decision costs a message to and from every one. */
  votersMax: 9,
  /** Entries of one AppendEntries, by bytes; large enough to amortise, small enough to interleave. */
  appendBytesMax: 256 * 1024,
  appendEntriesMax: 4_096,
  /** Commands of one entry: as many as a turn under load brings. */
  entryCommandsMax: 4_096,
  /** Bytes of the commands of one entry, unless the first has more: with what goes around it, one frame. */
  entryBytesMax: 60 * 1024,
  /** Bytes sent to one follower and not yet acknowledged. */
  inFlightBytesMax: 4 * 1024 * 1024,
  inFlightMessagesMax: 64,
  /** A snapshot travels in pieces of this size, behind all that is prompt, so many of them unanswered at a time. */
  snapshotChunkBytes: 256 * 1024,
  snapshotChunksInFlightMax: 4,
  /** Client commands this member holds until they are answered. */
  waitingCommandsMax: 65_536,
  waitingBytesMax: 64 * 1024 * 1024,
  /** Log bytes a leader holds uncommitted before it answers `Busy`. */
  uncommittedBytesMax: 64 * 1024 * 1024,
  commandBytesMax: 1024 * 1024,
  executeTimeoutMs: 10_000,
  /** A command without an answer is offered again after this; its session makes that harmless. */
  resendMs: 1_000,
  /** A first configuration that waits this long for a voter is told to a person. */
  formingWarnMs: 10_000,
  sessionsMax: 4_096,
  /** By the times in the log; a client that was silent for half of it opens another session first. */
  sessionIdleMs: 3_600_000,
  /** Voters that a group grows to by itself; it may be told otherwise. */
  votersGrowTo: 5,
  /** A member that has not answered the leader for so long may be replaced: longer than a machine takes to start again. */
  deadAfterMs: 60_000,
} as const

/** The command line: how long the supervisor of `tessera demo` waits, and for what. */
export const CLI = {
  /** Processes of one demo: more tell nothing new and crowd a laptop. */
  nodesMax: 15,
  /** From the first fork to one group; far above what a loaded machine takes. */
  formTimeoutMs: 30_000,
  /** `wait`, and `kill leader` while an election is held. */
  agreeTimeoutMs: 10_000,
  /** A newcomer that is not admitted within this is reported as started all the same. */
  admitTimeoutMs: 5_000,
  pollMs: 20,
  /** A process that does not tell its status within this is shown as silent. */
  statusTimeoutMs: 2_000,
  /** Past the member's own deadline (`RAFT.executeTimeoutMs`): then the process itself is stuck. */
  answerTimeoutMs: 12_000,
  /** Leaving hands leadership over and flushes farewells; after this the process is ended anyway. */
  leaveTimeoutMs: 5_000,
  /** Processes are asked to end, and after this killed. */
  endTimeoutMs: 1_000,
} as const
