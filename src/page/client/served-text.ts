import { askServer, nameServer } from './ask-server.ts'
import { AnswerPlace } from './form.ts'
import { type Answers, readSetup } from './setup.ts'
import { watchText } from './text-form.ts'

/** Starts the page of a server with a model of texts. */
export function start(): void {
  const setup = readSetup<Answers>()
  nameServer()
  watchText(new AnswerPlace(setup, text => askServer(setup, { text })))
}
