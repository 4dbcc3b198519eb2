import type { Ort } from '../../runtime/browser.ts'
import type { TableRow } from '../../runtime/types.ts'
import { AnswerPlace } from './form.ts'
import { rows } from './row-engine.ts'
import { watchRow } from './row-form.ts'
import { type RowSetup, readSetup } from './setup.ts'
import { startModel } from './start.ts'
import { work } from './worker.ts'

/** Starts the page, or in a worker its part there. */
export function start(ort: Ort): void {
  if (typeof document === 'undefined') work(ort, rows)
  else run(ort, readSetup<RowSetup>())
}

function run(ort: Ort, setup: RowSetup): void {
  const starting = startModel(ort, setup, rows)
  starting.catch(() => {}) // said where it is loaded
  const place = new AnswerPlace<TableRow>(setup, async row => {
    const prediction = await (await starting).answer(row)
    return { prediction, unknown: prediction.unknown }
  })
  watchRow(place, setup)
}
