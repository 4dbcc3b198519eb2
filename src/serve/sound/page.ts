import { digest } from '../../page/shell.ts'
import { html } from '../../report/page/html.ts'
import { filesPage } from '../files-page.ts'
import type { Version } from '../model.ts'
import { ownPolicy } from '../page-parts.ts'
import { script, style } from './page-script.ts'

/** The content security policy of the page: what all pages have, recordings that the reader chose, and the script that hears the
 *  microphone, which browsers take from an address alone (`blob:`). */
export const policy = ownPolicy({ style, script }, { 'media-src': 'blob:', 'script-src': `${digest(script)} blob:` })

/** The page to try a model of sounds by hand. `token`: whether the server needs one. */
export const page = (version: Version, token: boolean): string =>
  filesPage(version, token, {
    form: html`<label id="drop"><strong>Choose recordings</strong> or drop them here<input type="file" accept="audio/*,video/*" multiple></label>
<div class="buttons"><button type="button" id="record" aria-pressed="false">Record</button><span id="level" class="soft" role="status"></span></div>`,
    command: 'curl --data-binary @a.wav',
    samples: 'Recordings',
    style,
    script,
  })
