/** The public API of tessera. What is not exported here or from `tessera/testing` may change at any time. */
export type { Bond, RoundTrip } from './actors/bond-handle.ts'
export type { ExecuteOptions } from './actors/client.ts'
export type { Answered, Executed, Group, QueryOptions } from './actors/group.ts'
export {
  type GroupCommand,
  type GroupLogic,
  type GroupLogicInput,
  type GroupNews,
  groupLogic,
} from './actors/group-logic.ts'
export type { GroupStatus, Role } from './actors/group-status.ts'
export type { Member } from './actors/members.ts'
export { createNode, type TesseraNode } from './actors/node.ts'
export type { JoinOptions, NodeOptions } from './actors/options.ts'
export type { RegistryView } from './actors/registry-view.ts'
export { lmdb } from './actors/storage/lmdb.ts'
export { memory } from './actors/storage/memory.ts'
export type { Persisted, RaftStore, Storage } from './actors/storage/storage.ts'
export type { WaitOptions, When } from './actors/when.ts'
export type { Inspect } from './actors/xstate.ts'
export { type Clock, systemClock } from './clock.ts'
export { CLOSE_CODES, type CloseReason, ERRORS, type ErrorCode, TesseraError } from './errors.ts'
export {
  type BondId,
  type Digest,
  derive,
  digest,
  type GroupId,
  type NetworkId,
  short,
  type Tag,
} from './identity/digest.ts'
export { GroupKey } from './identity/group-key.ts'
export { Identity, type PeerId } from './identity/keys.ts'
export type { PeerEntry, SignedEntry } from './identity/peer-entry.ts'
export type { Ticket, TicketGrant, TicketRefusal, TicketValidator } from './identity/ticket.ts'
export type { Compaction, RaftTiming } from './limits.ts'
export type { LeadershipPreference } from './machines/raft/messages.ts'
export type {
  AnswerOf,
  AnyStateMachine,
  ApplyContext,
  CommandOf,
  QueryOf,
  ResultOf,
  StateMachine,
} from './machines/state-machine.ts'
export type {
  DialOptions,
  Endpoint,
  Lane,
  Link,
  Listener,
  Protocol,
  Transport,
  TransportDeps,
} from './transport/transport.ts'
export { webSocket } from './transport/websocket.ts'
