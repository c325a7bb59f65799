/**
 * What takes the place of a command's result where there is none, alike on every member. A class, so that nothing a state machine returns is ever
 * taken for one.
 */
export class Failure {
  readonly code: 'CommandFailed' | 'SessionExpired'
  readonly detail: string

  constructor(code: 'CommandFailed' | 'SessionExpired', detail: string) {
    this.code = code
    this.detail = detail
  }
}
