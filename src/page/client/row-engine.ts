import type { TableFileCard } from '../../onnx/table-card.ts'
import { readCard } from '../../runtime/card.ts'
import { openTable } from '../../runtime/table/table-model.ts'
import type { Host, TablePrediction, TableRow } from '../../runtime/types.ts'
import { webHost } from '../../runtime/web.ts'
import type { Kind } from './engine.ts'

/** Models of tables. They are opened without the runtime's `load`, which would bring the readers of all kinds into the page. */
export const rows: Kind<TableRow, TablePrediction> = {
  async create(ort, model, wasm) {
    const bytes = new Uint8Array(model)
    const card = readCard(bytes) as TableFileCard
    const options = { ort, wasm, device: 'wasm', threads: 1 } as const
    const loaded = await openTable(card, bytes, 'the model', webHost as Host<never>, options)
    return { answer: row => loaded.predict(row) }
  },
  given: () => [],
  taken: () => [],
}
