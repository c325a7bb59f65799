/**
 * A joined group as its user holds it. Several handles of one node may share a group; each is left on its own, and the group itself when
 * the last one is. Every call takes `{ signal }`; every rejection is a `TesseraError` with a stable code.
 */
import { createAtom, type ReadonlyAtom } from '@xstate/store'
import { TesseraError } from '../errors.ts'
import type { GroupId } from '../identity/digest.ts'
import type { PeerId } from '../identity/keys.ts'
import type { AnswerOf, AnyStateMachine, CommandOf, QueryOf, ResultOf } from '../machines/state-machine.ts'
import { encodeCommand } from '../transport/codec.ts'
import { abortable } from './abortable.ts'
import type { Bond } from './bond-handle.ts'
import type { Call, ExecuteOptions } from './client.ts'
import type { GroupActor, GroupCore } from './group-core.ts'
import type { GroupStatus } from './group-status.ts'
import { type Member, membersOf } from './members.ts'
import type { ReadOptions } from './reads.ts'
import { RegistryView } from './registry-view.ts'
import { createWhen, type WaitOptions, type When } from './when.ts'

/** A command that was applied: where it stands in the log, and what it returned. */
export interface Executed<Result> {
  readonly index: number
  readonly result: Result
}

/** An answer, and the index up to which commands were applied when it was given. */
export interface Answered<Answer> {
  readonly answer: Answer
  readonly index: number
}

export interface QueryOptions extends ReadOptions {
  /** `weak`: from this member's copy, at once. `strong`: linearizable. Default: `strong`. */
  readonly consistency?: 'weak' | 'strong'
}

export class Group<M extends AnyStateMachine = AnyStateMachine> {
  readonly id: GroupId
  readonly when: When
  /** The steady bonds, in peer-id order; watchable, and `changed()` waits for the next change. */
  readonly bonds: RegistryView<Bond>
  readonly #core: GroupCore
  readonly #release: () => Promise<void>
  /** This handle was given up, whatever others do. */
  readonly #givenUp = createAtom(false)
  readonly #status: ReadonlyAtom<GroupStatus>
  #left: Promise<void> | null = null

  constructor(core: GroupCore, release: () => Promise<void>) {
    this.#core = core
    this.#release = release
    this.id = core.deps.id
    this.#status = createAtom(() => (this.#givenUp.get() ? asLeft(core.status.get()) : core.status.get()))
    this.when = createWhen(core.deps.self, this.#status)
    this.bonds = new RegistryView(
      core.bonds.registry,
      createAtom(() => this.#status.get().left),
    )
  }

  /** The XState actor of the group: its bonds, raft and state machine are its children. */
  get actor(): GroupActor {
    return this.#core.actor
  }
  get leader(): PeerId | null {
    return this.status.leader
  }
  get isLeader(): boolean {
    return this.status.leader === this.#core.deps.self
  }
  /** The highest index this member knows to be committed. */
  get committed(): number {
    return this.status.committed
  }
  /** What this member knows of the group now; small plain data. */
  get status(): GroupStatus {
    return this.#status.get()
  }

  /** Everyone in the configuration that this member holds. */
  get members(): Member[] {
    const context = this.#core.raft?.getSnapshot().context
    if (!context) return []
    return membersOf(context, (peer) => this.bonds.has(peer))
  }

  /** Calls back at each change of `status`; returns what ends it. */
  subscribe(watcher: (status: GroupStatus) => void): () => void {
    const subscription = this.#status.subscribe(watcher)
    return () => subscription.unsubscribe()
  }

  /**
   * Resolves with the command's own result once it is applied here, exactly once, whoever leads meanwhile.
   * Rejects `CommandFailed` (the state machine threw), `Busy` and `DeadlineExceeded` (retryable, the command in `error.command`),
   * `SessionExpired`, `MessageTooLarge`, `Aborted`, `NotJoined`.
   */
  execute(command: CommandOf<M>, options?: ExecuteOptions): Promise<Executed<ResultOf<M>>> {
    return this.#submitOne(command, 'applied', options)
  }

  /** Like `execute` for several commands at once; rejects with the first error once all are settled. */
  executeMany(commands: readonly CommandOf<M>[], options?: ExecuteOptions): Promise<Executed<ResultOf<M>>[]> {
    return this.#submitMany(commands, 'applied', options)
  }

  /** Resolves once the command stands in this member's log; it may still be lost with its leader. */
  async feed(command: CommandOf<M>, options?: ExecuteOptions): Promise<{ readonly index: number }> {
    const { index } = await this.#submitOne(command, 'appended', options)
    return { index }
  }

  async feedMany(commands: readonly CommandOf<M>[], options?: ExecuteOptions): Promise<{ readonly index: number }[]> {
    const fed = await this.#submitMany(commands, 'appended', options)
    return fed.map(({ index }) => ({ index }))
  }

  /** Rejects `DeadlineExceeded` (strong: no quorum confirmed the leader), `Aborted`, `NotJoined`, or what `query` itself threw. */
  async query(
    query: QueryOf<M>,
    { consistency = 'strong', ...options }: QueryOptions = {},
  ): Promise<Answered<AnswerOf<M>>> {
    this.#assertJoined()
    const { signal } = options
    if (signal?.aborted) throw new TesseraError('Aborted', { cause: signal.reason })
    if (consistency === 'strong') await this.#core.reads.ready(options)
    const { replica } = this.#core
    return { answer: replica.query(query) as AnswerOf<M>, index: replica.applied }
  }

  /**
   * Hands leadership to `to`, or to the voter whose log is the fullest. Resolves with the leader that follows; rejects `NotLeader` where
   * this member does not lead, `TransferFailed` where nobody took over in time, `Aborted`, `NotJoined`.
   */
  transferLeadership(to?: PeerId, options?: WaitOptions): Promise<PeerId> {
    return this.#left ? Promise.reject(new TesseraError('NotJoined')) : this.#core.transferLeadership(to, options)
  }

  /** Gives this handle up; the group itself is left, cleanly, with its last handle. Resolves when that is done. */
  leave({ signal }: WaitOptions = {}): Promise<void> {
    this.#left ??= this.#release()
    this.#givenUp.set(true)
    return abortable(this.#left, signal)
  }

  /** Where a group turns up in a log or a snapshot, it shows its name only. */
  toJSON(): { id: GroupId } {
    return { id: this.id }
  }

  #assertJoined(): void {
    if (this.#left) throw new TesseraError('NotJoined')
  }

  async #submitMany(
    commands: readonly CommandOf<M>[],
    until: Call['until'],
    options: ExecuteOptions = {},
  ): Promise<Executed<ResultOf<M>>[]> {
    this.#assertJoined()
    if (commands.length === 0) return []
    const encoded = commands.map((command) => encodeCommand(command))
    return new Promise((resolve, reject) => {
      const executed = new Array<Executed<ResultOf<M>>>(commands.length)
      let open = commands.length
      let failure: TesseraError | null = null
      const calls = commands.map((command, i): Call => {
        return {
          command,
          until,
          settle: (error, index, result) => {
            if (error) failure ??= error
            else executed[i] = { index, result: result as ResultOf<M> }
            if (--open > 0) return
            if (failure) reject(failure)
            else resolve(executed)
          },
        }
      })
      this.#core.client.submit(calls, encoded, options)
    })
  }

  #submitOne(
    command: CommandOf<M>,
    until: Call['until'],
    options: ExecuteOptions = NO_OPTIONS,
  ): Promise<Executed<ResultOf<M>>> {
    const call = new One<ResultOf<M>>(command, until)
    try {
      this.#assertJoined()
      this.#core.client.submitOne(call, encodeCommand(command), options)
    } catch (error) {
      call.reject(error)
    }
    return call.promise
  }
}

const NO_OPTIONS: ExecuteOptions = {}

/** A call of one command, which nearly every call is, and its promise. Thousands wait at a time, so each is as few objects as can be. */
class One<Result> implements Call {
  readonly command: unknown
  readonly until: Call['until']
  readonly promise: Promise<Executed<Result>>
  #resolve!: (executed: Executed<Result>) => void
  reject!: (error: unknown) => void

  constructor(command: unknown, until: Call['until']) {
    this.command = command
    this.until = until
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.reject = reject
    })
  }

  settle(error: TesseraError | null, index: number, result: unknown): void {
    if (error) this.reject(error)
    else this.#resolve({ index, result: result as Result })
  }
}

/** What whoever has left sees. */
function asLeft(status: GroupStatus): GroupStatus {
  return { ...status, leader: null, left: true }
}
