/**
 * How the chart of a bond has its link: `openLink` makes one, `tellLink` is heard by the last that was made. One that fails at what it is told goes
 * down, and the chart hears `link.broken`. A bond that is stopped from outside takes its link with it.
 */
import type { LinkCommand, LinkInput, LinkReport } from '../machines/bond/events.ts'
import type { bondMachine } from '../machines/bond/machine.ts'
import { whenStopped } from './xstate.ts'

export interface BoundLink {
  open(input: LinkInput): void
  handle(command: LinkCommand): void
  /** Nobody will tell it to close. */
  abandon(): void
}

/** Whom a link tells its reports: its bond, as long as that is active. */
export interface Reported {
  getSnapshot(): { readonly status: string }
  send(report: LinkReport): void
}

export function withLink(
  machine: typeof bondMachine,
  make: (bond: Reported, input: LinkInput) => BoundLink,
): typeof bondMachine {
  const links = new WeakMap<object, BoundLink>()
  const attempt = (bond: Reported, link: BoundLink, act: (link: BoundLink) => void) => {
    try {
      act(link)
    } catch {
      link.abandon()
      bond.send({ type: 'link.broken' })
    }
  }
  const bound = machine.provide({
    actions: {
      openLink: ({ self }, input) => {
        const link = make(self, input)
        links.set(self, link)
        attempt(self, link, () => link.open(input))
      },
      tellLink: ({ self }, command) => {
        const link = links.get(self)
        if (link && command) attempt(self, link, () => link.handle(command))
      },
    },
  })
  return whenStopped(bound, (bond) => links.get(bond)?.abandon())
}
