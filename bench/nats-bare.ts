/**
 * As little of a NATS client as publishes with acknowledgement: one TCP connection, one inbox, a reply subject for each message, one
 * write for each turn of the event loop. Nobody would use it; it shows how much of what NATS's own client takes is the server's.
 */
import { connect, type Socket } from 'node:net'

const LINE_END = '\r\n'

export class BareNatsClient {
  readonly #socket: Socket
  readonly #answers = new Map<number, (answer: string) => void>()
  readonly #inbox = `_INBOX.${process.pid}`
  #nextId = 1
  #unread: Buffer = Buffer.alloc(0)
  #waiting = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (data) => this.#read(data))
    socket.write(`CONNECT {"verbose":false,"pedantic":false}${LINE_END}SUB ${this.#inbox}.* 1${LINE_END}`)
  }

  static open(port: number): Promise<BareNatsClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new BareNatsClient(socket)))
    })
  }

  request(subject: string, payload: Buffer): Promise<string> {
    return new Promise((resolve) => {
      const id = this.#nextId++
      this.#answers.set(id, resolve)
      if (this.#waiting === '') setImmediate(() => this.#flush())
      const head = `PUB ${subject} ${this.#inbox}.${id} ${payload.length}${LINE_END}`
      this.#waiting += head + payload.toString('latin1') + LINE_END
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #flush(): void {
    this.#socket.write(this.#waiting, 'latin1')
    this.#waiting = ''
  }

  #read(data: Buffer): void {
    const unread = this.#unread.length === 0 ? data : Buffer.concat([this.#unread, data])
    let at = 0
    for (;;) {
      const end = unread.indexOf(LINE_END, at)
      if (end < 0) break
      const words = unread.toString('latin1', at, end).split(' ')
      let next = end + 2
      if (words[0] === 'PING') this.#socket.write(`PONG${LINE_END}`)
      if (words[0] === 'MSG') {
        const length = Number(words.at(-1))
        if (unread.length < next + length + 2) break
        this.#answered(words[1]!, unread.toString('latin1', next, next + length))
        next += length + 2
      }
      at = next
    }
    this.#unread = unread.subarray(at)
  }

  #answered(subject: string, answer: string): void {
    const id = Number(subject.slice(this.#inbox.length + 1))
    this.#answers.get(id)?.(answer)
    this.#answers.delete(id)
  }
}
