/**
 * What a user gives to `createNode` and `join`, checked before anything is started: a wrong option is a clear error, never a half-made
 * node.
 */
import { type Clock, systemClock } from '../clock.ts'
import { type ErrorCode, TesseraError } from '../errors.ts'
import { crypto } from '../identity/crypto.ts'
import { digest, type NetworkId } from '../identity/digest.ts'
import type { GroupKey } from '../identity/group-key.ts'
import { Identity } from '../identity/keys.ts'
import type { Ticket, TicketValidator } from '../identity/ticket.ts'
import { RAFT, RAFT_TIMING, type RaftTiming } from '../limits.ts'
import type { AnyStateMachine } from '../machines/state-machine.ts'
import type { Transport } from '../transport/transport.ts'
import { webSocket } from '../transport/websocket.ts'
import { memory } from './storage/memory.ts'
import type { Storage } from './storage/storage.ts'
import type { Inspect } from './xstate.ts'

export interface NodeOptions {
  /** A name, or a 32-byte id in hex: nodes of other networks are refused. */
  readonly network: string
  /** Where to accept links. Port 0 takes a free one. A node that does not listen still dials. */
  readonly listen?: string | readonly string[]
  /** What peers dial. Default: the addresses really listened on. */
  readonly advertise?: readonly string[]
  /** Addresses of any known members; at least one of them must answer for this node to find the others. */
  readonly bootstrap?: readonly string[]
  /** Default: `Identity.ephemeral()`. */
  readonly identity?: Identity
  /** Default: `memory()`, which is allowed only with an ephemeral identity. */
  readonly storage?: Storage
  /** Told in the signed entry; names or 32-byte ids in hex. */
  readonly tags?: readonly string[]
  readonly tickets?: readonly Ticket[]
  /** Any XState inspector; it sees every actor of this node. */
  readonly inspect?: Inspect
  /** Default: `webSocket()`. */
  readonly transport?: Transport
  /** Default: the process's own time. */
  readonly clock?: Clock
  /** 32 random bits at each call. Default: the system's random source. */
  readonly random?: () => number
  /** Told what a person should hear of. Default: `process.emitWarning`. */
  readonly warn?: (code: ErrorCode, detail: string) => void
}

export interface JoinOptions<M extends AnyStateMachine> {
  readonly key: GroupKey
  readonly machine: M
  /**
   * How many members form the group the first time; all of them must say the same. 0: this member only joins a group that others form.
   * Default: 3. Explicit, for a lone node must not crown itself by accident.
   */
  readonly voters?: number
  /** All must pass for a bond; part of the group id, in this order. */
  readonly validators?: readonly TicketValidator[]
  /** All members must have the same; part of the group id. */
  readonly timing?: Partial<RaftTiming>
}

function refuse(detail: string): never {
  throw new TesseraError('InvalidOption', { detail })
}

function isAddress(transport: Transport, address: unknown): boolean {
  return typeof address === 'string' && transport.understands(address)
}

/** Every default filled in; throws `InvalidOption` or `UnsafeStorage`. */
export function checkedNodeOptions(options: NodeOptions) {
  if (typeof options.network !== 'string' || options.network === '')
    refuse('network: give a name or a 32-byte id in hex.')
  const transport = options.transport ?? webSocket()
  const identity = options.identity ?? Identity.ephemeral()
  const storage = options.storage ?? memory()
  if (identity.kind === 'fixed' && !storage.durable) throw new TesseraError('UnsafeStorage')
  const listen = typeof options.listen === 'string' ? [options.listen] : (options.listen ?? [])
  const bootstrap = options.bootstrap ?? []
  for (const [option, addresses] of Object.entries({ listen, bootstrap, advertise: options.advertise ?? [] })) {
    const wrong = addresses.find((address) => !isAddress(transport, address))
    if (wrong !== undefined) refuse(`${option}: ${JSON.stringify(wrong)} is no address of this transport.`)
  }
  return {
    network: digest(options.network) as NetworkId,
    transport,
    identity,
    storage,
    listen,
    bootstrap,
    advertise: options.advertise,
    tags: (options.tags ?? []).map((tag) => digest(tag)),
    tickets: options.tickets ?? [],
    inspect: options.inspect,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    warn: options.warn ?? ((code: ErrorCode, detail: string) => process.emitWarning(detail, { type: 'tessera', code })),
  }
}

/** Every default filled in; throws `InvalidOption`. */
export function checkedJoinOptions<M extends AnyStateMachine>(options: JoinOptions<M>) {
  const { key, machine, voters = 3, validators = [] } = options
  if (!Number.isInteger(voters) || voters < 0 || voters > RAFT.votersMax)
    refuse(`voters: a whole number from 0 to ${RAFT.votersMax}.`)
  if (typeof machine?.apply !== 'function' || typeof machine.query !== 'function')
    refuse('machine: give a StateMachine.')
  if (typeof key?.prove !== 'function') refuse('key: give a GroupKey.')
  const { electionTimeoutMs, electionJitterMs, heartbeatIntervalMs } = { ...RAFT_TIMING, ...options.timing }
  const timing: RaftTiming = { electionTimeoutMs, electionJitterMs, heartbeatIntervalMs }
  if (!Object.values(timing).every((ms) => Number.isFinite(ms) && ms > 0)) refuse('timing: positive milliseconds.')
  if (heartbeatIntervalMs * 2 > electionTimeoutMs) {
    refuse('timing: electionTimeoutMs must be at least twice heartbeatIntervalMs.')
  }
  return { key, machine, voters, validators, timing }
}

function systemRandom(): number {
  return new DataView(crypto.randomBytes(4).buffer).getUint32(0)
}
