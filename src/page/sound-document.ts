import { plural } from '../base/format.ts'
import type { SoundFileCard } from '../onnx/index.ts'
import { type Html, html } from '../report/page/html.ts'
import { about, aboutModel, checkedRow, labelList, lastRows, metricRows, type Parts, pageShell } from './document.ts'

/** An example recording: a WAVE file in base64, and what it is labelled with. */
export interface SoundExample {
  wav: string
  label: string
}

/** The page of a model of sounds: files are chosen, the microphone is heard, or an example is taken. `parts` that have no address follow in the body
 *  (`embedded`). */
export function soundPageOf(
  card: SoundFileCard,
  parts: Parts,
  examples: readonly SoundExample[],
  embedded: Html = html``,
): string {
  const { name, task, classes, thresholds, input } = card
  const [window] = input.windows as [number]
  const streams = input.windows.every(other => other === window)
  const setup = {
    name,
    task,
    classes,
    ...(thresholds && { thresholds }),
    rate: input.rate,
    ...(streams && { window }),
    examples,
  }
  const seconds = (window / input.rate).toFixed(2)
  const main = html`<main>
<h1>${name}</h1>
<p class="soft">${about(card, 'recording')}</p>
<form id="form">
<label id="drop"><strong>Choose recordings</strong> or drop them here<input id="file" type="file" accept="audio/*,video/*" multiple></label>
<div class="row"><button type="button" id="microphone">Use the microphone</button></div>
</form>
${examples.length > 0 && exampleList(examples)}
<div id="state"><p id="said" role="status">Loading the model …</p><progress id="progress" aria-label="Loading the model"></progress></div>
<noscript><p class="bad">This page needs JavaScript: the model computes in the browser.</p></noscript>
<section id="live" class="heard" aria-labelledby="live-h" hidden>
<h2 id="live-h" class="hidden">Microphone</h2>
<div><canvas id="sound" width="640" height="160" role="img" aria-label="Spectrogram of what the microphone hears"></canvas>
<p class="soft"><label for="level">Level</label> <meter id="level" min="-60" max="0" low="-45" high="-3" optimum="-15" value="-60"></meter></p>
<div class="row"><label for="hop">An answer every <select id="hop"><option value="0.25">0.25 s</option><option value="0.5" selected>0.5 s</option><option value="1">1 s</option></select></label><button type="button" id="record" aria-pressed="false">Record</button><button type="button" id="stop">Stop the microphone</button></div></div>
<div id="live-answer"></div>
</section>
<section aria-labelledby="answers-h">
<h2 id="answers-h" class="hidden">Answers</h2>
<ol id="answers"></ol>
</section>
<p class="soft">Your recordings stay on this device: the model computes in this page, and the page sends nothing. It hears windows of ${seconds} s; of a longer recording the mean is shown.</p>
${aboutModel(facts(card), 'recording')}
</main>`
  return pageShell({ title: name, setup, rules: { 'media-src': 'blob:' }, sources: ' blob:', main }, parts, embedded)
}

const exampleList = (examples: readonly SoundExample[]) => html`<section aria-labelledby="examples-h">
<h2 id="examples-h">Or try an example</h2>
<ul id="examples">${examples.map(
  ({ label }, i) =>
    html`<li><button type="button" class="example" data-example="${i}"><bdi>${label}</bdi></button></li>`,
)}</ul>
</section>`

/** The model's card, for a person. */
function facts(card: SoundFileCard): [string, string][] {
  const { task, classes, thresholds, metrics, checks, architectures, input } = card
  const check = checks?.find(({ runtime }) => runtime.startsWith('onnxruntime-web'))
  return [
    ...metricRows(task, metrics.valid, 'validation recordings'),
    ...metricRows(task, metrics.test ?? {}, 'test recordings'),
    [task === 'regression' ? 'Numbers' : task === 'multi' ? 'Labels' : 'Classes', labelList(classes, thresholds)],
    ['Network', [...new Set(architectures)].join(', ')],
    ['Hears', `one channel at ${input.rate.toLocaleString('en-US')} Hz`],
    ...checkedRow(check && { ...check, samples: plural(check.recordings, 'recording') }, task),
    ...lastRows(card, 'recording'),
  ]
}
