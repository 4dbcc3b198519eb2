import { plural, quoted } from '../base/format.ts'
import { typed } from '../base/options.ts'
import type { SampleNoun } from '../base/samples.ts'
import type { Decision } from '../data/labels/decisions.ts'
import { digest, document, policy } from '../page/shell.ts'
import { name } from '../report/page/components.ts'
import { type Html, html, raw } from '../report/page/html.ts'
import { style as reportStyle } from '../report/page/style.ts'
import { capital } from '../report/page/text.ts'
import { tally } from './decide.ts'
import { type Entry, fileOf, type Kind, type Review, type ReviewedSample, type Section } from './review.ts'
import { style as ownStyle, script } from './script.ts'

const style = reportStyle + ownStyle

/** The content security policy: only the page's own style and script, and samples and answers from its own server. */
export const contentSecurity = policy({
  'img-src': "'self' data:",
  'media-src': "'self'",
  'connect-src': "'self'",
  'style-src': digest(style),
  'script-src': digest(script),
  'frame-ancestors': "'none'",
})

const headings = ({ one, many }: SampleNoun): Record<Kind, { id: string; title: string; about: string }> => ({
  'label issue': {
    id: 'labels',
    title: 'Labels that may be wrong',
    about: `A model that was not trained on these ${many} predicts another label. The most confident come first.`,
  },
  'near duplicate': {
    id: 'duplicates',
    title: `${capital(many)} that are nearly the same`,
    about: 'One of each is enough. If one is in train and the other in validation, the accuracy is too high.',
  },
  'top loss': {
    id: 'losses',
    title: `${capital(many)} that the model gets most wrong`,
    about: `Each ${one} is hard, has a wrong label, or does not belong here.`,
  },
})

/** The whole page of a review, with the decisions so far. */
export function page(review: Review, decisions: ReadonlyMap<string, Decision>): string {
  const { samples, sections, noun } = review
  const titles = headings(noun)
  const known = Object.fromEntries(
    samples.flatMap(({ file }, number) => (decisions.has(file) ? [[number, decisions.get(file)!]] : [])),
  )
  const head = html`<meta name="referrer" content="no-referrer">
`
  const body = html`<main>
<header>
<p class="eyebrow">Anneal clean</p>
<h1>${name(review.name)}</h1>
<p class="lead">${plural(samples.length, noun.one, noun.many)} of ${name(review.data)} to ${review.kind === 'sounds' ? 'hear' : 'look at'}. ${capital(noun.many)} are never changed or deleted: your decisions are stored in <code>clean.jsonl</code>, and the next training uses them.</p>
<noscript><p class="card alarm">This page needs JavaScript; without it use <code>anneal clean --list</code> and <code>--decide</code>.</p></noscript>
${sections.length > 1 && html`<nav><ul>${sections.map(({ kind, entries }) => html`<li><a href="#${titles[kind].id}">${titles[kind].title}</a> ${entries.length}</li>`)}</ul></nav>`}
</header>
${sections.map(section => part(review, section))}
</main>
<div id="bar"><div>
<p id="said" role="status">${summary(decisions)}</p>
<code>${command(review)}</code>
<button type="button" id="done">Done</button>
</div></div>
<dialog aria-label="${capital(noun.one)}"><form method="dialog"><button>Close</button></form>${review.kind === 'texts' ? html`<div class="whole" dir="auto"></div>` : html`<img alt="">`}<p></p></dialog>
<script type="application/json" id="decisions">${raw(JSON.stringify(known).replaceAll('<', '\\u003c'))}</script>`
  return document({ title: `Clean · ${review.name}`, style, head, script }, body)
}

/** The decisions so far, in words. */
export function summary(decisions: ReadonlyMap<string, Decision>): string {
  const { dropped, relabelled, kept } = tally(decisions)
  return decisions.size === 0
    ? 'Nothing decided yet'
    : `${decisions.size} decided: ${dropped} left out, ${relabelled} relabelled, ${kept} kept`
}

/** The command that trains with the decisions. */
export function command({ data, run, options = [] }: Pick<Review, 'data' | 'run'> & Partial<Review>): string {
  const clean = typed('clean', `${run.replace(/\/+$/, '')}/clean.jsonl`)
  return ['npx anneal train', quoted(data), ...options, clean].join(' ')
}

function part(review: Review, { kind, entries }: Section): Html {
  const { id, title, about } = headings(review.noun)[kind]
  return html`<section id="${id}" aria-labelledby="${id}-h"><h2 id="${id}-h">${title}</h2>
<p class="soft">${about}</p>
<ol class="entries">${entries.map(entry => item(review, kind, entry))}</ol></section>`
}

function item(review: Review, kind: Kind, entry: Entry): Html {
  const { samples, words, score } = entry
  const shown = samples.map(number => sample(review, kind, entry, number))
  const head = html`<div>${words && html`<p class="words"><bdi>${words}</bdi></p>`}<p class="score">${score}</p></div>`
  return samples.length > 1
    ? html`<li class="card several${samples.length === 2 && ' two'}">${head}<div class="together">${shown}</div></li>`
    : html`<li class="card">${head}${shown}</li>`
}

function sample(review: Review, kind: Kind, entry: Entry, number: number): Html {
  const { file, labels } = review.samples[number]!
  const shown = review.kind === 'texts' ? text : review.kind === 'sounds' ? recording : picture
  return html`<div class="picture">
${shown(review, number)}
${entry.samples.length > 1 && html`<p class="words">${name(labels?.join(', ') ?? '')}</p>`}
<span class="file" title="${file}"><bdi>${file}</bdi></span>
<div class="choice" role="group" aria-label="${file}" data-number="${number}" data-reason="${kind}">
${choices(review, kind, entry, review.samples[number]!)}
<p class="state" aria-live="polite"></p>
</div></div>`
}

const gone = html`<span class="gone">not here</span>`

function picture(review: Review, number: number): Html {
  const { file, thumbnail } = review.samples[number]!
  const image = thumbnail
    ? html`<img src="data:image/jpeg;base64,${thumbnail}" alt="">`
    : fileOf(review, file)
      ? html`<img src="picture/${number}" alt="" loading="lazy">`
      : gone
  return html`<a class="zoom" href="picture/${number}" data-file="${file}" aria-label="Larger: ${file}">${image}</a>`
}

/** A spectrogram, and a player that fetches the recording when it is played. */
function recording(review: Review, number: number): Html {
  const { file, thumbnail } = review.samples[number]!
  const image = thumbnail && html`<img src="data:image/jpeg;base64,${thumbnail}" alt="">`
  const player = fileOf(review, file)
    ? html`<audio controls preload="none" src="recording/${number}" aria-label="${file}"></audio>`
    : gone
  return html`${image}${player}`
}

/** The text, or its beginning and a link to all of it. */
function text(review: Review, number: number): Html {
  const { file, text } = review.samples[number]!
  const there = review.texts?.has(file) ?? fileOf(review, file) !== undefined
  const more =
    there &&
    (text === undefined || text.endsWith(' …')) &&
    html`<a class="zoom whole" href="text/${number}" data-file="${file}">The whole text</a>`
  return html`${text !== undefined ? html`<div class="text" dir="auto">${text}</div>` : !there && gone}${more}`
}

function choices({ task, classes, noun }: Review, kind: Kind, { suggested }: Entry, { labels }: ReviewedSample): Html {
  const other = suggested && String(suggested) !== String(labels) ? suggested : undefined
  const button = (action: Decision['action'], text: string, to?: string[]) =>
    html`<button type="button" aria-pressed="false" data-action="${action}"${to && html` data-labels="${JSON.stringify(to)}" class="own"`}>${text}</button>`
  const relabel =
    task === 'single'
      ? html`<select aria-label="Another label"><option value="">Relabel …</option>${classes.map(c => html`<option value="${c}">${c}</option>`)}</select>`
      : task === 'multi'
        ? html`<details><summary>Relabel …</summary>${!labels && html`<p class="score">The present labels of this ${noun.one} are not stored in the run.</p>`}<div class="boxes">${classes.map(
            c =>
              html`<label><input type="checkbox" value="${c}"${labels?.includes(c) && raw(' checked')}><span>${name(c)}</span></label>`,
          )}</div>${button('relabel', 'Take these labels')}</details>`
        : html`${classes.map(
            (c, i) =>
              html`<label class="value">${name(c)} <input type="number" step="any" value="${labels?.[i] ?? ''}"></label>`,
          )}${button('relabel', 'Take this value')}`
  return html`${other && kind !== 'near duplicate' && button('relabel', `It is ${other.join(', ') || 'without a label'}`, other)}
${button('keep', 'Keep')}${button('drop', 'Leave out')}${relabel}`
}
