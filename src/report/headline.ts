import { basename } from 'node:path'
import { duration, percent, plural, quoted } from '../base/format.ts'
import type { RunRecord } from '../runs/index.ts'
import { mistakes } from './confusion.ts'
import type { Facts, Score } from './facts.ts'
import { Html, html, type Piece } from './html.ts'
import type { Material } from './material.ts'
import { name } from './parts.ts'
import { interval } from './series.ts'
import { count, kinds, unbroken } from './words.ts'

/** What a reader wants first: how good, how long, which model, and what to do next. */
export function header({ record, facts }: Material): Html {
  const { config } = record
  const model = config?.model ?? record.result?.model ?? record.model ?? ''
  const { train, valid, test } = facts.pictures
  const all = train + valid + test
  const title = basename(config?.data ?? '') || record.name
  return html`<header>
<p class="eyebrow">Anneal training report</p>
<h1>${name(title)}</h1>
<p class="lead">${summary(facts, model)}</p>
${ended(facts, record)}
<dl class="tiles">
${facts.test && tile('Test accuracy', percent(facts.test.accuracy), range(facts.test), 'main')}
${facts.valid && tile('Validation accuracy', percent(facts.valid.accuracy), facts.test ? ofPictures(facts.valid) : range(facts.valid), facts.test ? '' : 'main')}
${tile('Time', duration(facts.seconds), facts.epochs.length > 0 && plural(facts.epochs.length, 'epoch'))}
${model !== '' && tile('Model', model, sizeOf(record))}
${all > 0 && tile('Pictures', count(all), `${count(train)} train, ${count(valid)} validation${test > 0 ? `, ${count(test)} test` : ''}`, 'wide')}
${facts.classes.length > 0 && tile('Classes', count(facts.classes.length), facts.classes.length <= 4 && html`${facts.classes.map((c, i) => html`${i > 0 && ', '}${name(c)}`)}`)}
</dl>
${next(record, facts)}
${warned(facts)}
</header>`
}

const tile = (title: string, value: string, extra: Piece, kind = '') =>
  html`<div class="tile ${kind}"><dt>${title}</dt><dd><div class="value${value.length > 11 && ' long'}">${value.split(/(?<=_)/).map(part => html`${part}<wbr>`)}</div>${
    extra !== undefined && extra !== false && html`<div class="extra">${extra}</div>`
  }</dd></div>`

const ofPictures = ({ pictures }: Score) => pictures > 0 && `of ${plural(pictures, 'picture')}`

/** Of how many pictures, and what so few can tell. */
function range(score: Score): Html | false {
  if (score.pictures === 0) return false
  const [low, high] = interval(score.accuracy, score.pictures)
  return html`of ${plural(score.pictures, 'picture')}<br>${unbroken(`95 % interval ${(100 * low).toFixed(1)}\u2060–\u2060${percent(high)}`)}`
}

function sizeOf({ config }: RunRecord): string | false {
  const size = config?.settings?.size
  return typeof size === 'number' || typeof size === 'string' ? `at ${size} px` : false
}

function summary(facts: Facts, model: string): string {
  const { test, valid, ending } = facts
  const score = test ?? valid
  const part = test ? 'test' : 'validation'
  const got = score
    ? `gets ${percent(score.accuracy)} of ${score.pictures > 0 ? plural(score.pictures, `${part} picture`) : `the ${part} pictures`} right`
    : 'has no accuracy yet'
  const so = ending.state === 'done' || !score ? '' : ' so far'
  return `${model || 'The model'} ${got}${so}${score && facts.classes.length > 1 ? `; guessing among ${facts.classes.length} classes would get ${percent(1 / facts.classes.length, facts.classes.length > 40 ? 1 : 0)}` : ''}.`
}

function ended({ ending, epochs }: Facts, record: RunRecord): Html | undefined {
  if (ending.state === 'done') return undefined
  const after = epochs.length > 0 ? ` after ${plural(epochs.length, 'epoch')}` : ' before the end of the first epoch'
  const title = {
    stopped: `This run stopped early,${after}`,
    failed: `This run failed${after}`,
    running: 'This run has not ended yet',
  }[ending.state]
  const go = html`What is shown here is what it had written by then. Go on with <code>npx anneal train --resume ${quoted(record.dir)}</code>`
  return html`<div class="card alarm" role="note"><h3>${title}</h3><ul>${
    ending.reason !== undefined && html`<li>${ending.reason}</li>`
  }<li>${ending.state === 'running' ? 'What is shown here is what it had written by now.' : go}</li></ul></div>`
}

function warned({ problems, warnings }: Facts): Html | undefined {
  if (warnings.length + problems.length === 0) return undefined
  const found =
    problems.length > 0 &&
    html`<li><a href="#data">${plural(problems.length, 'picture')} with problems</a>: ${kinds(problems)}</li>`
  const more = warnings.length > 20 && html`<li>and ${count(warnings.length - 20)} more</li>`
  return html`<div class="card alarm" role="note"><h3>Warnings</h3><ul>${warnings
    .slice(0, 20)
    .map(w => html`<li>${w}</li>`)}${more}${found}</ul></div>`
}

/** What to do with the result, the most useful first. */
function next(record: RunRecord, facts: Facts): Html | undefined {
  const usable = facts.valid !== undefined
  const pairs = facts.confusion ? mistakes(facts.confusion.classes, facts.confusion.counts) : []
  const wrong = pairs.reduce((sum, p) => sum + p.count, 0)
  const worst = facts.scores.filter(s => s.support >= 3).sort((a, b) => a.recall - b.recall)[0]
  const top = pairs[0]
  const steps = [
    usable &&
      html`Use the model on pictures of your own:<pre><code>npx anneal predict ${quoted(record.dir)} FILE</code></pre>`,
    !usable &&
      facts.ending.state !== 'done' &&
      html`Go on where it stopped:<pre><code>npx anneal train --resume ${quoted(record.dir)}</code></pre>`,
    top &&
      html`Look at <a href="#pictures">the pictures it gets most wrong</a>: a wrong label is the cheapest mistake to mend. Most often ${name(top.actual)} is taken for ${name(top.predicted)} (${top.count} of ${plural(wrong, 'mistake')}).`,
    worst &&
      worst.recall < 0.9 &&
      html`More training pictures of ${name(worst.name)} would help most: of its ${plural(worst.support, 'validation picture')} it finds ${percent(worst.recall, 0)}.`,
  ].filter(s => s instanceof Html)
  return steps.length > 0
    ? html`<div class="card next"><h3>What to do next</h3><ol>${steps.map(s => html`<li>${s}</li>`)}</ol></div>`
    : undefined
}
