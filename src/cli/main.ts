/**
 * The `tessera` command. Each subcommand loads what it needs and no more, so that the supervisor of a demo forks
 * its processes at once.
 */
import { forkMember, runMember } from './process.ts'
import { program } from './program.ts'
import { errorLine } from './session.ts'

/** Ends with `code` once standard output has been taken, though something may still keep the event loop alive. */
function end(code: number): void {
  process.stdout.write('', () => process.exit(code))
}

const tessera = program(
  {
    demo: async (options) => {
      const { runDemo } = await import('./demo.ts')
      end(await runDemo(options, () => forkMember(new URL(import.meta.url))))
    },
    node: async (options, session) => {
      const [{ runNode }, { openMember }] = await Promise.all([import('./run-node.ts'), import('./node.ts')])
      end(await runNode(options, session, openMember))
    },
    member: async () => {
      const { openMember } = await import('./node.ts')
      runMember(openMember)
    },
  },
  process.env,
  process.stdin.isTTY === true && process.stdout.isTTY === true,
)

try {
  await tessera.parseAsync()
} catch (error) {
  process.stderr.write(`${errorLine(error)}\n`)
  end(1)
}
