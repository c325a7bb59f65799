/**
 * The demo's processes: numbered nodes, each a child process with one member of the group.
 *
 * Lifecycle of a node: forked -> opened -> running -> dead (killed, or ended by itself) | left; then `start` forks a new
 * process on the same folder, which is the same member: its identity, term, vote and log are there.
 *
 * Invariants: a command is offered to one live node and never twice, for the member itself repeats what is safe to
 * repeat; `kill` and `leave` resolve when the process is gone; `end` leaves no process behind.
 */
import { join } from 'node:path'
import { TesseraError } from '../errors.ts'
import { CLI } from '../limits.ts'
import type { Member, MemberOptions } from './member.ts'
import type { ServedMember } from './rpc.ts'
import { agreedIndex, leadingNode, type NodeReport } from './status.ts'

/** A process that serves one member. */
export interface MemberProcess {
  readonly pid: number | null
  readonly member: ServedMember
  readonly exited: Promise<void>
  /** SIGKILL. */
  kill(): void
  /** Asks it to end. */
  end(): void
}

export interface ClusterOptions extends Pick<MemberOptions, 'network' | 'key' | 'voters'> {
  readonly nodes: number
  /** Each node has a folder in it, named by its number. */
  readonly data: string
}

interface Node {
  readonly number: number
  process: MemberProcess | null
  addresses: readonly string[]
  left: boolean
}

/** Port 0: each process takes a free one and says which. */
const LISTEN = 'ws://127.0.0.1:0'

export class Cluster {
  readonly #options: ClusterOptions
  readonly #fork: () => MemberProcess
  readonly #nodes: Node[]
  #turn = 0

  constructor(options: ClusterOptions, fork: () => MemberProcess) {
    this.#options = options
    this.#fork = fork
    this.#nodes = Array.from({ length: options.nodes }, (_, index) => ({
      number: index + 1,
      process: null,
      addresses: [],
      left: false,
    }))
  }

  /** Starts every node and resolves once they are one group. */
  async form(): Promise<void> {
    for (const node of this.#nodes) this.#launch(node)
    const [first, ...others] = this.#nodes
    if (first) await this.#open(first)
    await Promise.all(others.map((node) => this.#open(node)))
    await until(CLI.formTimeoutMs, 'NotAgreed', async () => {
      if (this.#live().length < this.#nodes.length) throw new TesseraError('NodeDied')
      return agreedIndex(await this.reports())
    })
  }

  /** What each node says of itself. */
  async reports(): Promise<NodeReport[]> {
    return await Promise.all(this.#nodes.map(report))
  }

  /** Resolves with the index all live nodes have applied, once they agree. */
  async agree(): Promise<number> {
    return await until(CLI.agreeTimeoutMs, 'NotAgreed', async () => agreedIndex(await this.reports()))
  }

  /** Resolves with the node that leads, as soon as one does. */
  async leader(): Promise<number> {
    return await until(CLI.agreeTimeoutMs, 'NoLeader', async () => leadingNode(await this.reports()))
  }

  /** The member of a running node. */
  member(number: number): Member {
    return this.#running(number).process.member
  }

  /** A live member, each in turn; those that know a leader before those that do not. */
  async anyMember(): Promise<Member> {
    const reports = await this.reports()
    const following = reports.filter(({ status }) => status?.leader)
    const candidates = following.length > 0 ? following : reports.filter(({ pid }) => pid !== null)
    const chosen = candidates[this.#turn++ % candidates.length]
    if (!chosen) throw new TesseraError('NodeNotRunning', { detail: 'None is.' })
    return this.member(chosen.node)
  }

  async kill(number: number): Promise<void> {
    const { process } = this.#running(number)
    process.kill()
    await process.exited
  }

  async leave(number: number): Promise<void> {
    const node = this.#running(number)
    await node.process.member.leave()
    node.left = true
    await ended(node.process)
  }

  /** Starts a new process in place of a dead one; whether or not it knows a leader yet, it runs when this resolves. */
  async start(number: number): Promise<void> {
    const node = this.#node(number)
    if (node.process) throw new TesseraError('NodeRunning', { detail: `It was: ${number}` })
    const leads = leadingNode(await this.reports()) !== null
    this.#launch(node)
    await this.#open(node)
    if (!leads) return
    await until(CLI.admitTimeoutMs, 'NoLeader', async () => (await report(node)).status?.leader ?? null).catch(
      (error: unknown) => {
        if (!(error instanceof TesseraError) || error.code !== 'NoLeader') throw error
      },
    )
  }

  /** Ends every process, and kills those that do not end. */
  async end(): Promise<void> {
    await Promise.all(this.#live().map(({ process }) => ended(process)))
  }

  #launch(node: Node): void {
    const process = this.#fork()
    node.process = process
    node.left = false
    process.exited.then(() => {
      if (node.process === process) node.process = null
    })
  }

  async #open(node: Node): Promise<void> {
    const { network, key, voters, data } = this.#options
    const folder = join(data, String(node.number))
    const bootstrap = this.#live()
      .filter((other) => other !== node)
      .flatMap(({ addresses }) => addresses)
    const { process } = this.#running(node.number)
    await process.member.open({ network, key, voters, listen: LISTEN, bootstrap, tags: [], data: folder })
    node.addresses = (await process.member.status()).addresses
  }

  #node(number: number): Node {
    const node = this.#nodes[number - 1]
    if (!node) throw new TesseraError('InvalidArgument', { detail: `Nodes are numbered 1 to ${this.#nodes.length}.` })
    return node
  }

  #running(number: number): Node & { process: MemberProcess } {
    const node = this.#node(number)
    if (!isLive(node)) throw new TesseraError('NodeNotRunning', { detail: `It was: ${number}` })
    return node
  }

  #live(): (Node & { process: MemberProcess })[] {
    return this.#nodes.filter(isLive)
  }
}

function isLive(node: Node): node is Node & { process: MemberProcess } {
  return node.process !== null
}

async function report({ number: node, process, left }: Node): Promise<NodeReport> {
  if (!process) return { node, state: left ? 'left' : 'dead', pid: null, status: null }
  const { pid } = process
  try {
    return { node, state: 'running', pid, status: await process.member.status() }
  } catch (error) {
    const died = error instanceof TesseraError && error.code === 'NodeDied'
    return died ? { node, state: 'dead', pid: null, status: null } : { node, state: 'silent', pid, status: null }
  }
}

/** Asks a process to end, kills it where it does not, and resolves when it is gone. */
async function ended(process: MemberProcess): Promise<void> {
  process.end()
  const timer = setTimeout(() => process.kill(), CLI.endTimeoutMs)
  await process.exited
  clearTimeout(timer)
}

/** Looks until there is something to see; rejects with `code` at the deadline. */
async function until<T>(timeoutMs: number, code: 'NotAgreed' | 'NoLeader', look: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const seen = await look()
    if (seen !== null) return seen
    if (performance.now() >= deadline) throw new TesseraError(code)
    await new Promise((resolve) => setTimeout(resolve, CLI.pollMs))
  }
}
