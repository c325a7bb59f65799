/**
 * The contract of a replicated state machine. Every member applies the same commands in the same order, so `apply`
 * must be pure and synchronous: no clock, no chance, no I/O. Time comes in as `timeMs`, stamped by the leader.
 */

/** Where in the log a command stands, and when its leader took it. */
export interface ApplyContext {
  readonly index: number
  readonly term: number
  readonly timeMs: number
}

export interface StateMachine<Command = unknown, Result = unknown, Query = unknown, Answer = unknown> {
  /** With `version` part of the group id: members with another state machine are in another group. */
  readonly id: string
  readonly version: number
  /**
   * A throw is this command's own error result on every member alike; it never stops the group. The result is kept until its caller
   * has it, also in snapshots; one that is no application value (README) is handed to a caller, but lost in a snapshot.
   */
  apply(command: Command, context: ApplyContext): Result
  query(query: Query): Answer
  /** The whole state now, in chunks of at most 1 MiB or so; taken at once, before anything else is applied. */
  snapshot(): Iterable<Uint8Array>
  /** Replaces the whole state by that of which `snapshot` gave these chunks, here or on another member. They may be read once. */
  restore(chunks: Iterable<Uint8Array>): void
}

// biome-ignore lint/suspicious/noExplicitAny: a constraint that accepts every StateMachine, whatever its variance.
export type AnyStateMachine = StateMachine<any, any, any, any>
export type CommandOf<M> = M extends StateMachine<infer C, infer _R, infer _Q, infer _A> ? C : never
export type ResultOf<M> = M extends StateMachine<infer _C, infer R, infer _Q, infer _A> ? R : never
export type QueryOf<M> = M extends StateMachine<infer _C, infer _R, infer Q, infer _A> ? Q : never
export type AnswerOf<M> = M extends StateMachine<infer _C, infer _R, infer _Q, infer A> ? A : never
