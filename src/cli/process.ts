/**
 * A member in a process of its own: `forkMember` on the supervisor's side, `runMember` in the child. They talk over
 * the IPC channel of `child_process.fork`; secrets travel over it too, never in arguments or the environment.
 *
 * Invariant: the child lives no longer than the channel. However the supervisor ends, the channel closes, and so the
 * child ends.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { TesseraError } from '../errors.ts'
import type { MemberProcess } from './cluster.ts'
import type { Member, MemberOptions } from './member.ts'
import { type Channel, remoteMember, type ServedMember, serveMember } from './rpc.ts'

/** The child's only argument. */
export const MEMBER_COMMAND = 'member'

/** `entry` is the module of the `tessera` command. */
export function forkMember(entry: URL): MemberProcess {
  const child = fork(fileURLToPath(entry), [MEMBER_COMMAND], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  return {
    pid: child.pid ?? null,
    member: remoteMember(channelOver(child, exited)),
    exited,
    kill: () => child.kill('SIGKILL'),
    end: () => {
      if (child.connected) child.disconnect()
    },
  }
}

/** Runs in the child: serves a member to the supervisor until one of the two ends. */
export function runMember(open: (options: MemberOptions) => Promise<Member>): void {
  if (!process.send) {
    throw new TesseraError('InvalidOption', { detail: `${MEMBER_COMMAND} is for the processes of tessera demo.` })
  }
  // Ctrl-C reaches every process of the terminal: the supervisor ends its children itself.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
  const closed = new Promise<void>((resolve) => {
    process.once('disconnect', () => resolve())
    if (!process.connected) resolve()
  })
  closed.then(() => process.exit(0))
  serveMember(channelOver(process, closed), unopened(open))
}

function channelOver(end: ChildProcess | NodeJS.Process, closed: Promise<unknown>): Channel {
  return {
    send: (message) => {
      // A send that fails means the channel is closed, which both ends hear of in their own way.
      if (end.connected) end.send?.(message as object, undefined, undefined, () => undefined)
    },
    onMessage: (handler) => end.on('message', handler),
    onClose: (handler) => closed.then(handler),
  }
}

/** A member that opens when told to; every other call waits for that. */
function unopened(openMember: (options: MemberOptions) => Promise<Member>): ServedMember {
  let opening: Promise<Member> = Promise.reject(new TesseraError('NodeNotRunning'))
  opening.catch(() => undefined)
  return {
    open: async (options) => {
      opening = openMember(options)
      await opening
    },
    set: async (key, value) => (await opening).set(key, value),
    delete: async (key) => (await opening).delete(key),
    get: async (key) => (await opening).get(key),
    peek: async (key) => (await opening).peek(key),
    status: async () => (await opening).status(),
    leave: async () => (await opening).leave(),
  }
}
