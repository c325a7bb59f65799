import { PassThrough } from 'node:stream'
import { describe, expect, it, vi } from 'vitest'
import { errorLine, runSession, type SessionIo } from '../../src/cli/session.ts'
import type { Verbs } from '../../src/cli/verbs.ts'
import { TesseraError } from '../../src/errors.ts'

function io(input: string | PassThrough, interactive = false): SessionIo & { output: PassThrough } {
  const stream = typeof input === 'string' ? new PassThrough().end(input) : input
  const { signal } = new AbortController()
  const output = new PassThrough()
  return { input: stream, output, interactive, prompt: 'demo>', signal, onInterrupt: () => undefined }
}

const text = (output: PassThrough) => String(output.read() ?? '')

const verbs: Verbs = {
  say: { takes: ['word'], takesRest: true, does: 'says', run: async (word = '') => word },
  fail: { takes: [], does: 'fails', run: async () => Promise.reject(new TesseraError('NoLeader')) },
  crash: { takes: [], does: 'crashes', run: async () => Promise.reject(new Error('two\nlines')) },
}

describe('a session from a pipe', () => {
  it('prints one result per command and nothing else, and ends with 0', async () => {
    const session = io('say a\n\n  \nsay b')
    expect(await runSession(verbs, session)).toBe(0)
    expect(text(session.output)).toBe('a\nb\n')
  })

  it('goes on after a failure, which is one line, and ends with 1', async () => {
    const session = io('fail\ncrash\nwhat\nsay b\n')
    expect(await runSession(verbs, session)).toBe(1)
    const lines = text(session.output).trimEnd().split('\n')
    expect(lines.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'error NoLeader',
      'error Unexpected',
      'error UnknownCommand',
      'b',
    ])
  })

  it('ends at quit, whatever follows', async () => {
    const session = io('say a\nquit\nsay b\n')
    expect(await runSession(verbs, session)).toBe(0)
    expect(text(session.output)).toBe('a\n')
  })

  it('reads lines that end as on Windows', async () => {
    const session = io('say a\r\nquit\r\nsay b\r\n')
    await runSession(verbs, session)
    expect(text(session.output)).toBe('a\n')
  })

  it('begins a command only when the one before is done, though the input has ended', async () => {
    const running: string[] = []
    const release: (() => void)[] = []
    const slow: Verbs = {
      wait: {
        takes: ['word'],
        does: 'waits',
        run: async (word = '') => {
          running.push(word)
          await new Promise<void>((resolve) => release.push(resolve))
          return word
        },
      },
    }
    const session = io('wait a\nwait b\n')
    const ended = runSession(slow, session)
    await vi.waitFor(() => expect(running).toEqual(['a']))
    expect(text(session.output)).toBe('')
    release[0]?.()
    await vi.waitFor(() => expect(running).toEqual(['a', 'b']))
    expect(text(session.output)).toBe('a\n')
    release[1]?.()
    expect(await ended).toBe(0)
    expect(text(session.output)).toBe('b\n')
  })

  it('ends when it is told to, though the input has not', async () => {
    const controller = new AbortController()
    const session = { ...io(new PassThrough()), signal: controller.signal }
    const ended = runSession(verbs, session)
    controller.abort()
    expect(await ended).toBe(0)
  })
})

describe('a session at a terminal', () => {
  it('prompts, prints results, and ends with 0 though a command failed', async () => {
    const input = new PassThrough()
    const session = io(input, true)
    const ended = runSession(verbs, session)
    input.write('fail\r')
    input.write('quit\r')
    expect(await ended).toBe(0)
    const shown = text(session.output)
    expect(shown).toContain('demo>')
    expect(shown).toContain('error NoLeader')
  })

  it('hands Ctrl-C on', async () => {
    const input = new PassThrough()
    const onInterrupt = vi.fn(() => void input.end())
    input.write('\u0003')
    await runSession(verbs, { ...io(input, true), onInterrupt })
    expect(onInterrupt).toHaveBeenCalledTimes(1)
  })

  it('completes verbs with the tab key', async () => {
    const input = new PassThrough()
    const session = io(input, true)
    const ended = runSession(verbs, session)
    input.write('sa\t')
    await vi.waitFor(() => expect(session.output.readableLength).toBeGreaterThan(0))
    input.write('hello\r')
    input.end('quit\r')
    await ended
    expect(text(session.output)).toContain('hello\n')
  })

  it('shows news above the prompt, and what was typed stays', async () => {
    const input = new PassThrough()
    const told: ((news: string) => void)[] = []
    const session = { ...io(input, true), onPrompt: (tell: (news: string) => void) => void told.push(tell) }
    const ended = runSession(verbs, session)
    input.write('say he')
    await vi.waitFor(() => expect(text(session.output)).toContain('he'))
    told[0]?.('led by another')
    input.end('llo\r')
    await ended
    expect(text(session.output)).toMatch(/led by another\n.*demo> say he.*llo\r?\nhello\n/s)
  })

  it('has no colour where the output is no terminal', async () => {
    const input = new PassThrough()
    const session = io(input, true)
    input.end('fail\r')
    await runSession(verbs, session)
    expect(text(session.output)).not.toContain('\u001b[31m')
  })
})

it('an error line is one line, with the code and the whole sentence', () => {
  expect(errorLine(new TesseraError('NodeNotRunning', { detail: 'It was:\n 2' }))).toBe(
    'error NodeNotRunning That node is not running. It was: 2',
  )
})
