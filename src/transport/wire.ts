/**
 * The seam between what all transports share and what each does its own way. A wire moves opaque packets, in order, both ways, and
 * knows nothing of what is in them.
 */

/** What the shared part asks of a wire. */
export interface Wire {
  /** Bytes given to `send` that have not left this process. */
  readonly bufferedBytes: number
  send(packet: Uint8Array): void
  /** Packets sent between `cork` and `uncork` may leave in one write. */
  cork(): void
  uncork(): void
  /** Ends after what was sent. `code` is for whoever looks at the wire; no peer of ours believes it. */
  close(code: number): void
  /** Ends at once; what was not sent is lost. */
  cut(): void
}

/** What a wire tells the shared part. `closed` comes exactly once, and last. */
export interface WireEvents {
  /** Packets can be sent now. */
  opened(): void
  packet(packet: Uint8Array): void
  /** What stood in the wire has left; there is room again. */
  drained(): void
  /** The peer broke the rules of the wire itself. */
  violated(detail: string): void
  /** The connection never came to be. */
  refused(error: unknown): void
  closed(): void
}
