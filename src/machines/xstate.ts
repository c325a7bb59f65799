/**
 * The one place in the machines that touches what XState's next major version changes; when it does, this file changes.
 */
import type { AnyActorRef } from 'xstate'

/** The actor that spawned `self`; undefined for a machine that runs by itself, as in a model's walk. */
export function parentOf(self: AnyActorRef): AnyActorRef | undefined {
  return self._parent
}
