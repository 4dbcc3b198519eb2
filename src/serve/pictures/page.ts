import { html } from '../../report/page/html.ts'
import { filesPage } from '../files-page.ts'
import type { Version } from '../model.ts'
import { ownPolicy } from '../page-parts.ts'
import { script, style } from './page-script.ts'

/** The content security policy of the page: what all pages have, and pictures that the reader chose. */
export const policy = ownPolicy({ style, script }, { 'img-src': 'blob: data:' })

/** The page to try a model by hand. `token`: whether the server needs one. */
export const page = (version: Version, token: boolean): string =>
  filesPage(version, token, {
    form: html`<label id="drop"><strong>Choose pictures</strong>, drop them here, or paste one<input type="file" accept="image/*" multiple></label>`,
    command: 'curl --data-binary @cat.jpg',
    samples: 'Pictures',
    style,
    script,
  })
