import { askServer, nameServer } from './ask-server.ts'
import { AnswerPlace } from './form.ts'
import { watchRow } from './row-form.ts'
import { type RowAnswers, readSetup } from './setup.ts'

/** Starts the page of a server with a model of a table. */
export function start(): void {
  const setup = readSetup<RowAnswers>()
  nameServer()
  watchRow(new AnswerPlace(setup, row => askServer(setup, row)), setup)
}
