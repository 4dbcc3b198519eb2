import { quoted } from '../../base/format.ts'
import { textForm } from '../../page/form.ts'
import { formPage } from '../form-page.ts'
import type { ServedTexts, Version } from '../model.ts'
import { listed } from '../page-parts.ts'

/** The page to try a model of texts by hand, and its content security policy. `token`: whether the server needs one. */
export function page(version: Version, token: boolean): { html: string; policy: string } {
  const { card } = version.model as ServedTexts
  const { task, classes, thresholds } = card
  return formPage(version, token, {
    kind: 'text',
    about: `Predicts ${listed(classes)}.`,
    form: textForm(card),
    setup: { task, classes, ...(thresholds && { thresholds }) },
    command: `curl -d ${quoted(JSON.stringify({ text: 'This is an example sentence.' }))}`,
    samples: 'Texts',
  })
}
