import type { TableFileCard } from '../../onnx/index.ts'
import { readAssets } from '../../page/assets.ts'
import { type PagePlace, refuseForeignPage, refusePlace } from '../../page/write.ts'
import { writePageWith } from '../write-page.ts'
import { type ExportTableOptions, exportTable } from './export-table.ts'

/** How a page of a model of a table is exported. */
export interface TablePageOptions extends PagePlace, Omit<ExportTableOptions, 'out'> {}

/** An exported page of a model of a table. */
export interface ExportedTablePage {
  /** With their sizes in bytes. */
  files: { file: string; bytes: number }[]
  card: TableFileCard
  /** Why the check has no validation rows, if it has none. */
  note?: string
}

/** Writes a trained model of a table as a page that computes in the browser: fill in a field for each column, or paste a row, and
 *  read the answer. The model in it is checked as `exportTable` does. Throws where onnxruntime-web is not installed, and where the
 *  place holds a page of others. run: a run folder, or a saved model's card. */
export async function exportTablePage(run: string, options: TablePageOptions): Promise<ExportedTablePage> {
  const { page, singleFile, ...others } = options
  refusePlace({ page, singleFile })
  const usual = readAssets('table') // before the model is checked: onnxruntime-web may be missing
  const assets = ({ texts }: TableFileCard) => (texts ? readAssets('table with texts') : usual)
  refuseForeignPage({ page, singleFile })
  let note: string | undefined
  const written = await writePageWith({ page, singleFile }, assets, [], async out => {
    const made = await exportTable(run, { ...others, out })
    note = made.note
    return made
  })
  return { ...written, ...(note === undefined ? {} : { note }) }
}
