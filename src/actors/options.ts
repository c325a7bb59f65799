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
import { COMPACTION, type Compaction, IDENTITY, RAFT, RAFT_TIMING, type RaftTiming } from '../limits.ts'
import type { LeadershipPreference } from '../machines/raft/messages.ts'
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
  /** Gives up starting. */
  readonly signal?: AbortSignal
}

export interface JoinOptions<M extends AnyStateMachine> {
  readonly key: GroupKey
  readonly machine: M
  /**
   * How many members form the group the first time; all of them must say the same. 0: this member only joins a group that others form.
   * Default: 3. Explicit, for a lone node must not crown itself by accident.
   */
  readonly voters?: number
  /** How many voters the group may grow to while this member leads; the others follow as learners. Default: 5, or `voters` if more. */
  readonly votersMax?: number
  /** `reluctant`: waits three times as long before it would lead. `observer`: never votes and never leads. Default: `normal`. */
  readonly preference?: LeadershipPreference
  /** All must pass for a bond; part of the group id, in this order. */
  readonly validators?: readonly TicketValidator[]
  /** All members must have the same; part of the group id. */
  readonly timing?: Partial<RaftTiming>
  /** When this member takes snapshots and drops what they stand for from its log. Default: `COMPACTION`. */
  readonly compaction?: Partial<Compaction>
}

const PREFERENCES: readonly LeadershipPreference[] = ['normal', 'reluctant', 'observer']

function refuse(detail: string): never {
  throw new TesseraError('InvalidOption', { detail })
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const isName = (value: unknown) => typeof value === 'string' && value !== ''

/** `value` with each of these as a function; undefined stands for the default. */
function checkMethods(option: string, value: unknown, names: readonly string[], wanted: string): void {
  if (value === undefined) return
  if (!isObject(value) || names.some((name) => typeof value[name] !== 'function')) refuse(`${option}: give ${wanted}.`)
}

function checkFunction(option: string, value: unknown, wanted: string): void {
  if (value !== undefined && typeof value !== 'function') refuse(`${option}: give ${wanted}.`)
}

function checkList(
  option: string,
  value: unknown,
  max: number,
  isItem: (item: unknown) => boolean,
  what: string,
): void {
  if (value === undefined) return
  if (!Array.isArray(value)) refuse(`${option}: give an array.`)
  if (value.length > max) refuse(`${option}: at most ${max}.`)
  const wrong = value.findIndex((item) => !isItem(item))
  if (wrong >= 0) refuse(`${option}[${wrong}]: ${shown(value[wrong])} is no ${what}.`)
}

const shown = (value: unknown) =>
  typeof value === 'string' ? JSON.stringify(value) : `a value of type ${typeof value}`

function isTicket(ticket: unknown): boolean {
  return isObject(ticket) && isName(ticket.class) && ticket.data instanceof Uint8Array
}

function isValidator(validator: unknown): boolean {
  if (!isObject(validator) || typeof validator.validate !== 'function') return false
  return isName(validator.class) && isName(validator.signature)
}

function checkParts({ identity, storage, transport, clock, random, warn, inspect, signal }: NodeOptions): void {
  checkMethods('identity', identity, ['sign'], 'an Identity')
  checkMethods('storage', storage, ['open'], 'memory(), or a durable storage')
  checkMethods('transport', transport, ['understands', 'endpoint'], 'webSocket(), or another Transport')
  checkMethods('clock', clock, ['now', 'monotonicMs', 'setTimeout', 'clearTimeout', 'endOfTurn'], 'a Clock')
  checkFunction('random', random, 'a function that returns 32 random bits')
  checkFunction('warn', warn, 'a function of a code and a detail')
  if (typeof inspect !== 'function') checkMethods('inspect', inspect, ['next'], 'an XState inspector')
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal: give an AbortSignal.')
}

/** Every default filled in; throws `InvalidOption` or `UnsafeStorage`. */
export function checkedNodeOptions(options: NodeOptions) {
  if (!isObject(options)) refuse('Give an object of options.')
  if (!isName(options.network)) refuse('network: give a name or a 32-byte id in hex.')
  checkParts(options)
  const { transport = webSocket(), identity = Identity.ephemeral(), storage = memory() } = options
  if (identity.kind === 'fixed' && !storage.durable) throw new TesseraError('UnsafeStorage')
  const listen = typeof options.listen === 'string' ? [options.listen] : (options.listen ?? [])
  const { bootstrap = [], advertise, tags = [], tickets = [] } = options
  const isAddress = (address: unknown) => typeof address === 'string' && transport.understands(address)
  const { addressesMax, tagsMax, ticketsMax } = IDENTITY
  checkList('listen', listen, addressesMax, isAddress, 'address of this transport')
  checkList('advertise', advertise, addressesMax, isAddress, 'address of this transport')
  checkList('bootstrap', bootstrap, Number.POSITIVE_INFINITY, isAddress, 'address of this transport')
  checkList('tags', tags, tagsMax, isName, 'name')
  checkList('tickets', tickets, ticketsMax, isTicket, 'ticket { class, data }')
  return {
    network: digest(options.network) as NetworkId,
    transport,
    identity,
    storage,
    listen,
    bootstrap,
    advertise,
    tags: tags.map((tag) => digest(tag)),
    tickets,
    inspect: options.inspect,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    warn: options.warn ?? ((code: ErrorCode, detail: string) => process.emitWarning(detail, { type: 'tessera', code })),
  }
}

function checkedTiming(timing: Partial<RaftTiming> | undefined): RaftTiming {
  const { electionTimeoutMs, electionJitterMs, heartbeatIntervalMs } = { ...RAFT_TIMING, ...timing }
  const checked: RaftTiming = { electionTimeoutMs, electionJitterMs, heartbeatIntervalMs }
  if (!Object.values(checked).every((ms) => Number.isFinite(ms) && ms > 0)) refuse('timing: positive milliseconds.')
  if (heartbeatIntervalMs * 2 > electionTimeoutMs) {
    refuse('timing: electionTimeoutMs must be at least twice heartbeatIntervalMs.')
  }
  return checked
}

function checkedCompaction(compaction: Partial<Compaction> | undefined): Compaction {
  const { entriesMax, bytesMax, trailingMax, trailingBytesMax } = { ...COMPACTION, ...compaction }
  for (const [name, value] of Object.entries({ entriesMax, bytesMax, trailingMax, trailingBytesMax })) {
    const least = name.startsWith('trailing') ? 0 : 1
    if (!Number.isSafeInteger(value) || value < least) refuse(`compaction.${name}: a whole number from ${least} on.`)
  }
  return { entriesMax, bytesMax, trailingMax, trailingBytesMax }
}

/** Every default filled in; throws `InvalidOption`. */
export function checkedJoinOptions<M extends AnyStateMachine>(options: JoinOptions<M>) {
  if (!isObject(options)) refuse('Give an object of options.')
  const { key, machine, voters = 3, validators = [] } = options
  checkMethods('key', key ?? null, ['prove', 'verifyProof', 'fingerprint'], 'a GroupKey')
  checkMethods('machine', machine ?? null, ['apply', 'query', 'snapshot', 'restore'], 'a StateMachine')
  if (!isName(machine.id)) refuse('machine.id: give a name.')
  if (!Number.isSafeInteger(machine.version) || machine.version < 0) refuse('machine.version: give a whole number.')
  if (!Number.isInteger(voters) || voters < 0 || voters > RAFT.votersMax)
    refuse(`voters: a whole number from 0 to ${RAFT.votersMax}.`)
  const { votersMax = Math.max(voters, RAFT.votersGrowTo), preference = 'normal' } = options
  if (!Number.isInteger(votersMax) || votersMax < 1 || votersMax > RAFT.votersMax)
    refuse(`votersMax: a whole number from 1 to ${RAFT.votersMax}.`)
  if (!PREFERENCES.includes(preference)) refuse(`preference: one of ${PREFERENCES.join(', ')}.`)
  checkList('validators', validators, IDENTITY.ticketsMax, isValidator, 'ticket validator')
  const { timing, compaction } = options
  const wishes = { voters, votersMax, preference, validators }
  return { key, machine, ...wishes, timing: checkedTiming(timing), compaction: checkedCompaction(compaction) }
}

function systemRandom(): number {
  return new DataView(crypto.randomBytes(4).buffer).getUint32(0)
}
