import type { TableFileCard } from '../../onnx/table-card.ts'
import { openTable } from '../../runtime/table/table-model.ts'
import type { TablePrediction, TableRow } from '../../runtime/types.ts'
import { type Kind, opening } from './engine.ts'

/** Models of tables. */
export const rows: Kind<TableRow, TablePrediction> = {
  async create(ort, model, wasm) {
    const { card, bytes, name, host, options } = opening<TableFileCard>(ort, model, wasm)
    const loaded = await openTable(card, bytes, name, host, options)
    return { answer: row => loaded.predict(row) }
  },
  given: () => [],
  taken: () => [],
}
