import { quoted } from '../../base/format.ts'
import { html } from '../../report/page/html.ts'
import { formPage } from '../form-page.ts'
import type { ServedTexts, Version } from '../model.ts'
import { listed, ownPolicy } from '../page-parts.ts'
import { script, style } from './page-script.ts'

/** The content security policy of the page. */
export const policy = ownPolicy({ style, script })

/** The page to try a model of texts by hand. `token`: whether the server needs one. */
export function page(version: Version, token: boolean): string {
  const { classes, input } = (version.model as ServedTexts).card
  return formPage(version, token, {
    about: `Predicts ${listed(classes)}.`,
    form: {
      id: 'text',
      fields: html`<label class="field"><span>Text (of a long one ${input.maxTokens.toLocaleString('en-US')} tokens are read, from its beginning and its end)</span><textarea name="text" rows="6" autofocus></textarea></label>`,
    },
    command: `curl -d ${quoted(JSON.stringify({ text: 'This is an example sentence.' }))}`,
    samples: 'Texts',
    style,
    script,
  })
}
