/**
 * Every error tessera raises and every reason for which it closes a link, as two tables.
 *
 * A code is stable: programs branch on it, logs are searched for it. A retryable error means that the same
 * call may succeed later, on this member or another. Where the outcome of the first call is not known, the sentence says so: a second
 * call is a new command.
 */

/** Reasons for which a link is closed, with the number that travels (encrypted) to the peer. */
export const CLOSE_CODES = {
  InvalidProtocol: 4100,
  DifferentNetwork: 4101,
  Cancelled: 4102,
  UnexpectedClose: 4103,
  Success: 4200,
  GracefulShutdown: 4204,
  InvalidHandshake: 4300,
  NotAllowed: 4303,
  GroupNotFound: 4304,
  InvalidProof: 4305,
  Timeout: 4308,
  TooSlow: 4313,
  AlreadyBonded: 4329,
  Departed: 4330,
  ProtocolViolation: 4400,
  UnknownPeer: 4401,
} as const

export type CloseReason = keyof typeof CLOSE_CODES

const REASON_BY_CODE: ReadonlyMap<number, CloseReason> = new Map(
  Object.entries(CLOSE_CODES).map(([reason, code]) => [code, reason as CloseReason]),
)

/** The reason a received code stands for; a number outside the table is `UnexpectedClose`. */
export function closeReasonOf(code: number): CloseReason {
  return REASON_BY_CODE.get(code) ?? 'UnexpectedClose'
}

interface ErrorRow {
  readonly retryable: boolean
  readonly sentence: string
}

const row = (retryable: boolean, sentence: string): ErrorRow => ({ retryable, sentence })

/** Every error code, whether the call may be made again, and the sentence a person reads. */
export const ERRORS = {
  // calls
  Aborted: row(false, 'The call was given up by its own AbortSignal.'),
  Busy: row(true, 'Too many commands are waiting; send this one again a little later.'),
  DeadlineExceeded: row(true, 'No quorum answered before the deadline; the command may or may not have been applied.'),
  SessionExpired: row(
    true,
    'The session this command was sent in has been forgotten; whether it was applied is unknown.',
  ),
  CommandFailed: row(false, 'The state machine refused the command.'),
  NotJoined: row(false, 'This group was left; join it again to use it.'),
  Leaving: row(true, 'This group is still being left; join it again once leave() has resolved.'),
  NodeStopped: row(false, 'This node was stopped; create a new one.'),
  // options
  InvalidOption: row(false, 'An option has a value that cannot be used.'),
  UnsafeStorage: row(
    false,
    'memory() forgets votes and needs an ephemeral identity; give a fixed identity durable storage.',
  ),
  // identity and input
  InvalidKey: row(false, 'The key cannot be used.'),
  InvalidEntry: row(false, 'The peer entry is malformed, forged, from the future, or of another network.'),
  InvalidMessage: row(false, 'The message does not decode or does not match its schema.'),
  MessageTooLarge: row(false, 'The message is larger than its cap.'),
  CryptoFailed: row(false, 'A signature, proof or ciphertext is not authentic.'),
  // transport
  DialFailed: row(true, 'No address of the peer could be reached.'),
  ListenFailed: row(false, 'The address cannot be listened on; it may be in use.'),
  LinkClosed: row(true, 'The link is closed.'),
  TooSlow: row(true, 'The peer does not read fast enough; the message was not queued.'),
  Unauthorized: row(false, 'The tickets of the peer do not allow a bond with it.'),
  // storage
  StorageFailed: row(false, 'The storage could not keep what it was given; this member stopped to stay safe.'),
  SnapshotFailed: row(false, 'The state machine could not give, or take back, a snapshot of its state.'),
  // consensus
  NotLeader: row(true, 'This member does not lead; ask the one that does.'),
  TransferFailed: row(true, 'Nobody took leadership over in time; this member may lead as before.'),
  FormingBlocked: row(
    true,
    'The group cannot form before every founding voter has answered; bring back those that are missing, or restart the others.',
  ),
  RivalGroup: row(false, 'Another group with the same key formed apart from this one; the two never merge.'),
  ProtocolAssertion: row(
    false,
    'An invariant of the protocol does not hold; this member stopped rather than spread a lie.',
  ),
  // command line
  UnknownCommand: row(false, 'There is no such command; help lists them.'),
  InvalidArgument: row(false, 'The command was given the wrong arguments.'),
  NodeNotRunning: row(false, 'That node is not running.'),
  NodeRunning: row(false, 'That node is running already.'),
  NodeDied: row(true, 'The node ended before it answered; the command may or may not have been applied.'),
  NoLeader: row(true, 'No node leads at present.'),
  NotAgreed: row(true, 'The live nodes did not come to agree before the deadline.'),
  Unexpected: row(false, 'Something failed in a way nobody foresaw.'),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

export interface ErrorDetails {
  /** What exactly was wrong, for a person; appended to the table's sentence. */
  readonly detail?: string
  readonly cause?: unknown
  /** The command handed back by a retryable refusal. */
  readonly command?: unknown
  /** The close reason of the link, where one is known. */
  readonly reason?: CloseReason
}

/** The one error class: `code` is stable, `retryable` says whether the same call may succeed later. */
export class TesseraError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly command: unknown
  readonly reason: CloseReason | undefined

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    const { sentence, retryable } = ERRORS[code]
    super(details.detail ? `${sentence} ${details.detail}` : sentence, { cause: details.cause })
    this.name = 'TesseraError'
    this.code = code
    this.retryable = retryable
    this.command = details.command
    this.reason = details.reason
  }
}

/** What a log needs of whatever was thrown. */
export function traceOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
}

/** A protocol assertion, on in production: better stop one member than spread a lie. */
export function assert(condition: boolean, detail: string): asserts condition {
  if (!condition) throw new TesseraError('ProtocolAssertion', { detail })
}
