/**
 * The `tessera` command as a person sees it: its subcommands, options and help. What they do is handed in.
 */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { DemoOptions } from './demo.ts'
import type { MemberOptions } from './member.ts'
import { type DemoFlags, demoOptions, type NodeFlags, nodeOptions, PASSPHRASE_VARIABLE } from './options.ts'
import { MEMBER_COMMAND } from './process.ts'

export interface Actions {
  demo(options: DemoOptions): Promise<void>
  /** `session`: commands are read from standard input. */
  node(options: MemberOptions, session: boolean): Promise<void>
  member(): Promise<void>
}

export function program(actions: Actions, env: NodeJS.ProcessEnv, atTerminal: boolean): Command {
  const tessera = new Command('tessera')
    .description('Processes that share a secret organise themselves into a group that agrees on a replicated log.')
    .version(version())
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'error InvalidOption ')),
    })
    .showHelpAfterError('(add --help for the options)')
  addDemo(tessera, actions)
  addNode(tessera, actions, env, atTerminal)
  tessera.command(MEMBER_COMMAND, { hidden: true }).action(() => actions.member())
  return tessera
}

function addDemo(tessera: Command, actions: Actions): void {
  tessera
    .command('demo')
    .description('start several processes on this machine, and give them commands')
    .option('--nodes <n>', 'processes to start', '3')
    .option('--voters <n>', 'how many of them form the group; the others join it (default: all, odd, 5 at most)')
    .option('--data <dir>', 'folder that keeps the group and its data (default: a temporary one, removed at the end)')
    .addHelpText(
      'after',
      `
Commands are read from standard input, one a line: type help at the prompt for the list.
From a pipe, each prints one result on standard output; the exit code is 1 if any failed.

Example:
  $ printf 'set a 1\\nkill leader\\nget a\\nstatus\\n' | tessera demo`,
    )
    .action((flags: DemoFlags) => actions.demo(demoOptions(flags)))
}

function addNode(tessera: Command, actions: Actions, env: NodeJS.ProcessEnv, atTerminal: boolean): void {
  tessera
    .command('node')
    .description('run one member of a group in this process')
    .option(
      '--listen <address>',
      'address to listen on: ws://127.0.0.1:7001, or 7001 for short; port 0 takes a free one',
    )
    .option('--bootstrap <address>', 'address of any member; may be given several times', several)
    .option('--advertise <address>', 'address that peers dial, if it is another than --listen; repeatable', several)
    .option('--network <name>', 'nodes of other networks are refused', 'tessera')
    .option('--passphrase-file <path>', 'file that holds the secret of the group')
    .option('--passphrase <text>', `the secret itself; others can see it in the list of processes`)
    .option('--voters <n>', 'how many members form the group the first time; the same on all of them', '3')
    .option('--tag <name>', 'tag in the entry peers see; repeatable', several)
    .option('--data <dir>', 'folder that keeps its identity and log; the same member comes back from it')
    .option('-i, --interactive', 'read commands from standard input even if it is not a terminal')
    .addHelpText(
      'after',
      `
The secret is taken from ${PASSPHRASE_VARIABLE} where no option gives it.
With --data a node that ends, however it ends, comes back as the same member; leave is for good.
Without it state is kept in memory: a node that ends is gone, and another may join in its place.

Example, in three terminals that all have ${PASSPHRASE_VARIABLE} set:
  $ tessera node --listen 7001
  $ tessera node --listen 7002 --bootstrap 7001
  $ tessera node --listen 7003 --bootstrap 7001`,
    )
    .action((flags: NodeFlags) => actions.node(nodeOptions(flags, env), flags.interactive === true || atTerminal))
}

function several(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return (manifest as { version: string }).version
}
