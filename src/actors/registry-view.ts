/**
 * A watcher of the registry of bonds. Each view remembers what it has seen, so a loop of looking and waiting misses no change that
 * comes between two looks (SEMANTICS §7, fault 12), and several views do not take changes from each other.
 */
import { createAtom, type ReadonlyAtom } from '@xstate/store'
import { TesseraError } from '../errors.ts'
import type { PeerId } from '../identity/keys.ts'
import type { ReadonlyRegistry } from '../machines/group/registry.ts'
import type { WaitOptions } from './when.ts'

const NEVER = createAtom(false)

export class RegistryView<Handle> implements ReadonlyRegistry<Handle> {
  readonly #registry: ReadonlyRegistry<Handle>
  readonly #left: ReadonlyAtom<boolean>
  #seen: number

  /** `left`: the group was left, and nobody will bring news any more. */
  constructor(registry: ReadonlyRegistry<Handle>, left: ReadonlyAtom<boolean> = NEVER) {
    this.#registry = registry
    this.#left = left
    this.#seen = registry.version
  }

  get size(): number {
    return this.#registry.size
  }

  get isEmpty(): boolean {
    return this.#registry.isEmpty
  }

  get version(): number {
    return this.#registry.version
  }

  has(peer: PeerId): boolean {
    return this.#registry.has(peer)
  }

  get(peer: PeerId): Handle | undefined {
    return this.#registry.get(peer)
  }

  /** In peer-id order. */
  [Symbol.iterator](): Iterator<readonly [PeerId, Handle]> {
    return this.#registry[Symbol.iterator]()
  }

  /** Another view of the same registry, with a memory of its own: a second watcher takes no change from the first. */
  view(): RegistryView<Handle> {
    return new RegistryView(this.#registry, this.#left)
  }

  subscribe(watcher: () => void): { unsubscribe(): void } {
    return this.#registry.subscribe(watcher)
  }

  /**
   * Resolves once the registry differs from what it was when this view was made or last resolved a `changed`; at once where
   * it already does. A bond replaced by a newer one is a change. Rejects `Aborted`, or `NotJoined` once the group was left.
   */
  changed({ signal }: WaitOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new TesseraError('Aborted', { cause: signal.reason }))
      if (this.#caughtUp()) return resolve()
      if (this.#left.get()) return reject(new TesseraError('NotJoined'))
      const stop = () => {
        changes.unsubscribe()
        leaving.unsubscribe()
        signal?.removeEventListener('abort', abort)
      }
      const abort = () => {
        stop()
        reject(new TesseraError('Aborted', { cause: signal?.reason }))
      }
      const leaving = this.#left.subscribe((left) => {
        if (!left) return
        stop()
        reject(new TesseraError('NotJoined'))
      })
      const before = this.#seen
      const changes = this.#registry.subscribe(() => {
        if (this.#registry.version === before) return
        this.#caughtUp()
        stop()
        resolve()
      })
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** Whether there was something new; it counts as seen from now on. */
  #caughtUp(): boolean {
    const isNew = this.#registry.version !== this.#seen
    this.#seen = this.#registry.version
    return isNew
  }
}
