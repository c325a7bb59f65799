/**
 * One member of the demo's group, as the command line uses it: in this process (`node.ts`) or in a child process
 * (`rpc.ts`), through the same few calls.
 */
/** What the members share: words, which are stretched, or 32 random bytes in hex, which need not be. */
export type MemberKey = { readonly passphrase: string } | { readonly secret: string }

export interface MemberOptions {
  readonly network: string
  readonly key: MemberKey
  readonly voters: number
  /** Address to listen on; port 0 takes a free one. Absent: this member only dials. */
  readonly listen?: string
  /** What peers dial; default: the address listened on. */
  readonly advertise?: readonly string[]
  readonly bootstrap: readonly string[]
  readonly tags: readonly string[]
  /** Folder of its identity and its log: who opens it again is the same member. Absent: both end with the process. */
  readonly data?: string
}

export interface MemberStatus {
  readonly peer: string
  readonly addresses: readonly string[]
  readonly role: string
  readonly leader: string | null
  readonly term: number
  readonly commit: number
  readonly applied: number
  /** Peers this member has a bond with. */
  readonly bonds: readonly string[]
}

export interface Member {
  /** Resolves with the index in the log at which the value was set. */
  set(key: string, value: string): Promise<number>
  /** As `set`, for the removal of a key. */
  delete(key: string): Promise<number>
  /** A strong read: what the group holds. */
  get(key: string): Promise<string | null>
  /** A weak read: what this member has applied. */
  peek(key: string): Promise<string | null>
  status(): Promise<MemberStatus>
  /** Hands leadership over, says farewell, leaves the group and the network for good. */
  leave(): Promise<void>
}

/** What a read prints. */
export function printed(value: string | null): string {
  return value ?? '(nil)'
}
