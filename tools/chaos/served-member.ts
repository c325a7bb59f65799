/**
 * A member of a chaos run in its own process: a node with a fixed identity and a store on disk, driven over the channel to the supervisor.
 *
 * Who dials whom must be known to whoever cuts paths. So members go by names (`ws://member-3`), and each one's transport looks a name
 * up in the routes it was given: a path of the supervisor's for exactly this pair.
 *
 * Invariant: the process lives no longer than the channel.
 */
import { join } from 'node:path'
import {
  createNode,
  type Group,
  GroupKey,
  Identity,
  lmdb,
  TesseraError,
  type Transport,
  webSocket,
} from '../../src/index.ts'
import { type AuditedRegisters, auditedRegisters } from './audited-registers.ts'
import { type Answer, type Call, isRequest, type MemberSettings, type Warning } from './messages.ts'

/** Below the supervisor's own patience, so that a member which lives answers for itself. */
const CALL_TIMEOUT_MS = 4_000
const ONLINE_TIMEOUT_MS = 30_000
/** Early, so that members which come back after a while need a snapshot. */
const COMPACTION = { entriesMax: 50, trailingMax: 10 }

export type RegisterGroup = Group<AuditedRegisters>
/** How a call is answered. A test may put in a way that is wrong, to see it found. */
export type Answerer = (group: RegisterGroup, call: Call) => Promise<unknown>

/** The right way: everything strong. */
export async function answered(group: RegisterGroup, call: Call): Promise<unknown> {
  const options = { timeoutMs: CALL_TIMEOUT_MS }
  switch (call.type) {
    case 'open':
      throw new TesseraError('NodeRunning')
    case 'online':
      await group.when.online({ signal: AbortSignal.timeout(ONLINE_TIMEOUT_MS) })
      return true
    case 'leads':
      return group.status.role === 'leader'
    case 'set':
    case 'cas':
      return (await group.execute(call, options)).result
    case 'get':
    case 'audit':
      return (await group.query(call, options)).answer
  }
}

/** Serves this process's member until the supervisor is gone. */
export function serveMember(answer: Answerer = answered): void {
  const say = (message: Answer | Warning) => process.send?.(message, undefined, undefined, () => undefined)
  // Ctrl-C reaches every process of the terminal; the supervisor ends its members itself.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
  process.once('disconnect', () => process.exit(0))
  let group: RegisterGroup | null = null
  process.on('message', async (message) => {
    if (!isRequest(message)) return
    const { request, call } = message
    try {
      if (call.type === 'open') {
        const opened = await openMember(call.settings, (warning, detail) => say({ warning, detail }))
        group = opened.group
        say({ answer: request, value: opened.address })
      } else if (group) say({ answer: request, value: await answer(group, call) })
      else throw new TesseraError('NodeNotRunning')
    } catch (error) {
      const code = error instanceof TesseraError ? error.code : 'Unexpected'
      say({ answer: request, code, detail: String(error) })
    }
  })
}

async function openMember(
  { network, secret, voters, folder, name, routes }: MemberSettings,
  warn: (code: string, detail: string) => void,
): Promise<{ readonly group: RegisterGroup; readonly address: string }> {
  const node = await createNode({
    network,
    identity: await Identity.fromFile(join(folder, 'member.key')),
    storage: lmdb(join(folder, 'store')),
    listen: 'ws://127.0.0.1:0',
    advertise: [name],
    bootstrap: Object.keys(routes),
    transport: routed(webSocket(), routes),
    warn,
  })
  const key = GroupKey.fromSecret(Buffer.from(secret, 'hex'))
  const group = node.join({ key, machine: auditedRegisters(), voters, compaction: COMPACTION })
  return { group, address: node.addresses[0] as string }
}

/** `transport`, with names looked up in `routes`. */
function routed(transport: Transport, routes: MemberSettings['routes']): Transport {
  return {
    understands: (address) => transport.understands(address),
    endpoint: (deps) => {
      const endpoint = transport.endpoint(deps)
      return {
        dial: (address, options) => endpoint.dial(routes[address] ?? address, options),
        listen: (address, protocols, accept) => endpoint.listen(address, protocols, accept),
        close: () => endpoint.close(),
      }
    },
  }
}
