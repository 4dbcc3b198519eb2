import { basename } from 'node:path'
import { duration, plural, quoted } from '../../base/format.ts'
import { samples } from '../../base/samples.ts'
import { metricInfo, orderMetrics, type RunRecord } from '../../runs/index.ts'
import { interval } from '../charts/series.ts'
import type { Facts, Score } from '../facts/facts.ts'
import type { Material } from '../facts/material.ts'
import { name } from '../page/components.ts'
import { type Html, html, type Piece } from '../page/html.ts'
import { capital, count, kinds, unbroken } from '../page/text.ts'
import { kindOf } from './folds.ts'
import { next, summary } from './next-steps.ts'

/** The head of the page: the result, the time, the model, and what to do next. */
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
${scoreTiles(facts)}
${tile('Time', duration(facts.seconds), facts.ran > 0 && plural(facts.ran, 'epoch'))}
${model !== '' && tile('Model', model, sizeOf(record))}
${all > 0 && tile(capital(`${facts.sample}s`), count(all), `${count(train)} train, ${count(valid)} validation${test > 0 ? `, ${count(test)} test` : ''}`, 'wide')}
${facts.classes.length > 0 && tile({ single: 'Classes', multi: 'Labels', regression: 'Targets' }[facts.task], count(facts.classes.length), facts.classes.length <= 4 && html`${facts.classes.map((c, i) => html`${i > 0 && ', '}${name(c)}`)}`)}
</dl>
${next(record, facts)}
${warned(facts)}
</header>`
}

const tile = (title: string, value: string, extra: Piece, kind = '') =>
  html`<div class="tile ${kind}"><dt>${title}</dt><dd><div class="value${value.length > 11 && ' long'}">${value.split(/(?<=_)/).map(part => html`${part}<wbr>`)}</div>${
    extra !== undefined && extra !== false && html`<div class="extra">${extra}</div>`
  }</dd></div>`

/** Tiles for the leading metric of each part, then for the task's other metrics on the first part. */
function scoreTiles({
  task,
  leading: main,
  sample,
  test,
  valid,
  multi,
  folds,
  spread,
  choseOnValid,
}: Facts): (Html | false)[] {
  const { title: leading, key, say } = main
  const first = test ?? valid
  const title = (part: string) => `${part} ${/^[A-Z][a-z]/.test(leading) ? leading.toLowerCase() : leading}`
  const apart = spread[key]
  const overFolds =
    folds.length > 0 && apart
      ? html`mean of ${plural(folds.length, kindOf(folds))}<br>${unbroken(`standard deviation ${say(apart.std)}`)}`
      : undefined
  const at = multi && Number.isFinite(multi.threshold) && 'at the thresholds found'
  const rmse = first?.metrics.mae === undefined ? undefined : first.metrics.rmse
  const more: Record<string, string | false | undefined> = {
    f1: at,
    f2: at,
    mae: rmse !== undefined && `RMSE ${metricInfo('rmse').say(rmse)}`,
  }
  const keys = orderMetrics([...Object.keys(first?.metrics ?? {}), ...Object.keys(valid?.metrics ?? {})], task)
  const beside = keys.filter(other => other !== key && !(other === 'rmse' && rmse !== undefined))
  return [
    test !== undefined && tile(title('Test'), say(test.value), range(test, { key, sample }), 'main'),
    valid !== undefined &&
      tile(
        title('Validation'),
        say(valid.value),
        overFolds ?? html`${test ? ofSamples(valid, sample) : range(valid, { key, sample })}${alsoChose(choseOnValid)}`,
        test ? '' : 'main',
      ),
    ...beside.map(key => {
      const value = first?.metrics[key] ?? valid?.metrics[key]
      const part = test && test.metrics[key] === undefined && 'validation'
      const { title, note, say } = metricInfo(key, task)
      const notes = [note, more[key]].filter(words => words).join('; ')
      const extra = [part, notes].filter(words => words).join(': ')
      return value !== undefined && tile(title, say(value), extra !== '' && extra)
    }),
  ]
}

/** What else the validation samples were used for. */
const alsoChose = (what: readonly string[]): Html | false =>
  what.length > 0 && html`<br>these also chose: ${what.join(', ')}`

const ofSamples = ({ pictures }: Score, sample: string) => pictures > 0 && `of ${plural(pictures, sample)}`

/** The number of samples, and the 95 % interval: the run's own, or for an accuracy the one that follows from the count. */
function range(score: Score, { key, sample }: { key: string; sample: string }): Html | false {
  const { pictures, value, intervals } = score
  const said = intervals[key] ?? (key === 'accuracy' && pictures > 0 ? interval(value, pictures) : undefined)
  const { say } = metricInfo(key)
  const bounds = said && unbroken(`95 % interval ${say(said[0]).replace(' %', '')}\u2060–\u2060${say(said[1])}`)
  return (
    (pictures > 0 || bounds !== undefined) &&
    html`${ofSamples(score, sample)}${pictures > 0 && bounds && html`<br>`}${bounds}`
  )
}

function sizeOf({ config }: RunRecord): string | false {
  const size = config?.settings?.size
  const sizes = Array.isArray(size) ? size.join(', ') : size
  if (typeof sizes !== 'number' && typeof sizes !== 'string') return false
  return config?.domain === 'texts' ? `up to ${sizes} tokens of a text` : `at ${sizes} px`
}

function ended({ ending, epochs }: Facts, record: RunRecord): Html | undefined {
  if (ending.state === 'done') return undefined
  const after = epochs.length > 0 ? ` after ${plural(epochs.length, 'epoch')}` : ' before the end of the first epoch'
  const title = {
    stopped: `This run stopped early,${after}`,
    failed: `This run failed${after}`,
    running: 'This run has not ended yet',
  }[ending.state]
  const go = html`This page shows what it had written by then. To go on, run <code>npx anneal train --resume ${quoted(record.dir)}</code>`
  return html`<div class="card alarm" role="note"><h3>${title}</h3><ul>${
    ending.reason !== undefined && html`<li>${ending.reason}</li>`
  }<li>${ending.state === 'running' ? 'This page shows what it has written so far.' : go}</li></ul></div>`
}

function warned({ problems, warnings }: Facts): Html | undefined {
  if (warnings.length + problems.length === 0) return undefined
  const found =
    problems.length > 0 &&
    html`<li><a href="#data">${samples.count(problems.length)} with problems</a>: ${kinds(problems)}</li>`
  const more = warnings.length > 20 && html`<li>and ${count(warnings.length - 20)} more</li>`
  return html`<div class="card alarm" role="note"><h3>Warnings</h3><ul>${warnings
    .slice(0, 20)
    .map(w => html`<li>${w}</li>`)}${more}${found}</ul></div>`
}
