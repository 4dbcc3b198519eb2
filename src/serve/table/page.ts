import { quoted } from '../../base/format.ts'
import { rowForm } from '../../page/form.ts'
import { aboutRows, rowSetup } from '../../page/row-setup.ts'
import { usualRow } from '../../runtime/table/rows.ts'
import { formPage } from '../form-page.ts'
import type { ServedTable, Version } from '../model.ts'

/** The page to try a model of a table by hand, a field for each column, and its content security policy. `token`: whether the
 *  server needs one. */
export function page(version: Version, token: boolean): { html: string; policy: string } {
  const { card } = version.model as ServedTable
  return formPage(version, token, {
    kind: 'table',
    about: aboutRows(card),
    form: rowForm(card),
    setup: rowSetup(card),
    command: `curl -d ${quoted(JSON.stringify(usualRow(card)))}`,
    samples: 'Rows',
  })
}
