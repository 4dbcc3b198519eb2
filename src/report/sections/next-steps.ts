import { percent, plural, quoted } from '../../base/format.ts'
import { samples } from '../../base/samples.ts'
import { metricInfo, type RunRecord } from '../../runs/index.ts'
import { mistakes } from '../charts/confusion.ts'
import type { Facts } from '../facts/facts.ts'
import { name } from '../page/components.ts'
import { Html, html } from '../page/html.ts'
import { decimals } from '../page/text.ts'
import { tableNext, tableSummary } from './table-next.ts'

/** The result in one sentence. */
export function summary(facts: Facts, model: string): string {
  const { test, valid, ending, task, classes, regression, leading, sample, table } = facts
  const score = test ?? valid
  const who = model || 'The model'
  if (!score)
    return ending.state === 'done'
      ? `${who} has no ${leading.name}: there are too few validation ${sample}s to compute it, or all have the same label or value.`
      : `${who} has no ${leading.name} yet.`
  const part = test ? 'test' : 'validation'
  const on = score.pictures > 0 ? plural(score.pictures, `${part} ${sample}`) : `the ${part} ${sample}s`
  const so = ending.state === 'done' ? '' : ' so far'
  if (table) return tableSummary(facts, { who, on: `${on}${so}` })
  if (task === 'single') {
    const guess = `; guessing among ${classes.length} classes would reach ${percent(1 / classes.length, classes.length > 40 ? 1 : 0)}`
    return `${who} classifies ${percent(score.value)} of ${on} correctly${so}${classes.length > 1 ? guess : ''}.`
  }
  const say = (key: string) => metricInfo(key).say(score.metrics[key] ?? NaN)
  if (task === 'multi') {
    const f = (['f2', 'f1'] as const).find(key => score.metrics[key] !== undefined)
    return `${who} reaches mAP ${say('mAP')} on ${on}${so}${classes.length > 1 ? `, over ${classes.length} labels` : ''}${f ? `; its ${metricInfo(f).title} is ${say(f)}` : ''}.`
  }
  const one = (regression?.targets.length ?? classes.length) <= 1
  const off = score.metrics.mae !== undefined && one ? `; its mean absolute error is ${say('mae')}` : ''
  return `${who} reaches R² ${say('r2')} on ${on}${so}${off}. Always predicting the mean would reach 0.`
}

/** What to do with the result, the most useful first. */
export function next(record: RunRecord, facts: Facts): Html | undefined {
  if (record.config?.domain === 'tables') return tableNext(record, facts)
  const usable = facts.valid !== undefined || facts.ending.state === 'done'
  const { labelIssues: issues, nearDuplicates: twins } = facts
  const steps = [
    usable &&
      html`Use the model on ${samples.many} of your own:<pre><code>npx anneal predict ${quoted(record.dir)} FILE</code></pre>`,
    !usable &&
      facts.ending.state !== 'done' &&
      html`Resume the run where it stopped:<pre><code>npx anneal train --resume ${quoted(record.dir)}</code></pre>`,
    issues.length > 0 &&
      html`Check <a href="#issues">${plural(issues.length, 'label')} that may be wrong</a>: a wrong label is the easiest mistake to correct.`,
    twins.length > 0 &&
      html`Look at <a href="#duplicates">${plural(twins.length, 'group')} of ${samples.many} that are nearly the same</a>: if they lie on both sides of the split, the result looks too good.`,
    ...(facts.task === 'multi' ? labelSteps(facts) : classSteps(facts, issues.length === 0)),
    facts.task === 'regression' &&
      (facts.regression?.worst.length ?? 0) > 0 &&
      html`Look at <a href="#pictures">the ${samples.many} with the largest error</a>: a wrong target value is the easiest mistake to correct.`,
  ].filter(s => s instanceof Html)
  return steps.length > 0
    ? html`<div class="card next"><h3>What to do next</h3><ol>${steps.map(s => html`<li>${s}</li>`)}</ol></div>`
    : undefined
}

function classSteps({ confusion, scores }: Facts, first: boolean): (Html | false | undefined)[] {
  const pairs = confusion ? mistakes(confusion.classes, confusion.cells) : []
  const wrong = pairs.reduce((sum, p) => sum + p.count, 0)
  const worst = scores.filter(s => s.support >= 3).sort((a, b) => a.recall - b.recall)[0]
  const top = pairs[0]
  return [
    top &&
      html`Look at <a href="#pictures">the ${samples.many} it gets most wrong</a>${first && ': a wrong label is the easiest mistake to correct'}. Most often the model predicts ${name(top.predicted)} for ${name(top.actual)} (${top.count} of ${plural(wrong, 'mistake')}).`,
    worst &&
      worst.recall < 0.9 &&
      html`More training ${samples.many} of ${name(worst.name)} would help most: the model finds ${percent(worst.recall, 0)} of its ${plural(worst.support, `validation ${samples.one}`)}.`,
  ]
}

function labelSteps({ multi, topLosses }: Facts): (Html | false | undefined)[] {
  const worst = multi?.perClass.filter(s => s.support >= 3 && s.ap !== null).sort((a, b) => a.ap! - b.ap!)[0]
  const shown = topLosses.length + (multi?.topLosses.length ?? 0) + (multi?.worst.length ?? 0) > 0
  return [
    shown &&
      html`Look at <a href="#pictures">the ${samples.many} it gets most wrong</a>: missing or wrong labels are the easiest mistakes to correct.`,
    worst &&
      worst.ap! < 0.9 &&
      html`More training ${samples.many} of ${name(worst.name)} would help most: its average precision is ${decimals(worst.ap!)} (${plural(worst.support, `validation ${samples.one}`)}).`,
  ]
}
