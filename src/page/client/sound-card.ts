import { heatColour } from '../../base/heat-colour.ts'
import type { SoundPrediction } from '../../runtime/browser.ts'
import { scoreTable, words } from './answers.ts'
import type { Engine } from './engine.ts'
import { make, percent, type SoundSetup } from './setup.ts'
import type { SoundQuestion } from './sound-engine.ts'
import { drawSpectrogram } from './spectrogram.ts'

/** A recording with its answer, or why there is none. */
export interface ShownSound {
  name: string
  file: Blob
  /** One channel at the model's rate, and the answer. */
  found?: { samples: Float32Array; prediction: SoundPrediction }
  error?: string
}

/** The engine of a page of sounds. */
export type SoundEngine = Engine<SoundQuestion, readonly SoundPrediction[]>

/** Into so many pieces a recording is cut to find where the net listened, and the longest recording for which that is quick, in
 *  seconds. */
const [pieces, longest] = [16, 20]

/** A recording with its answer as an item of the page's list. */
export function soundCard(
  setup: SoundSetup,
  { name, file, found, error }: ShownSound,
  engine: SoundEngine,
): HTMLLIElement {
  const item = make('li', [], { className: 'card' })
  const about = make('p', [make('bdi', name)], { className: 'file' })
  const body = make('div', [about])
  if (!found) {
    body.append(make('p', error!, { className: 'bad' }))
    item.className += ' alone'
    item.append(body)
    return item
  }
  const { samples, prediction } = found
  about.append(` · ${prediction.seconds.toFixed(2)} s`)
  const canvas = make('canvas', [], { width: 300, height: 128 })
  canvas.setAttribute('role', 'img')
  canvas.setAttribute('aria-label', `Spectrogram of ${name}, up to ${setup.rate / 2} Hz`)
  drawSpectrogram(canvas, samples)
  const player = make('audio', [], { controls: true, src: URL.createObjectURL(file) })
  player.setAttribute('aria-label', name)
  const side = make('div', [make('div', [canvas], { className: 'picture' }), player])
  if (setup.task !== 'regression') {
    const title = make('h3', [make('bdi', words(setup, { prediction }))])
    if (prediction.task === 'single') title.append(` ${percent(prediction.probability)}`)
    body.append(title)
  }
  body.append(scoreTable(setup, prediction.scores))
  if (setup.task !== 'regression' && prediction.parts.length > 1) side.append(partsOf(setup, prediction))
  if (setup.task !== 'regression' && prediction.seconds <= longest)
    body.append(listening(setup, { samples, prediction }, canvas, engine))
  item.append(side, body)
  return item
}

/** What each window of a long recording was heard as. */
function partsOf(setup: SoundSetup, { parts }: SoundPrediction): HTMLElement {
  const list = parts.map(({ from, to, scores }) => {
    const best = scores.reduce((a, p, c) => (p > scores[a]! ? c : a), 0)
    return make('li', [
      `${from.toFixed(1)} to ${to.toFixed(1)} s: `,
      make('bdi', setup.classes[best]!),
      ` ${percent(scores[best]!)}`,
    ])
  })
  return make('details', [make('summary', `${parts.length} windows`), make('ol', list, { className: 'parts' })])
}

/** A button that finds where the net listened: each piece of the recording is silenced once, and the piece is coloured by how
 *  much less probable the answer becomes. */
function listening(
  setup: SoundSetup,
  { samples, prediction }: NonNullable<ShownSound['found']>,
  canvas: HTMLCanvasElement,
  engine: SoundEngine,
): HTMLElement {
  const button = make('button', 'Where did it listen?', { type: 'button' })
  const note = make('p', '', { className: 'soft' })
  note.setAttribute('aria-live', 'polite')
  button.addEventListener('click', async () => {
    button.disabled = true
    note.textContent = 'Looking …'
    const { scores } = prediction
    const best = scores.reduce((a, p, c) => (p > scores[a]! ? c : a), 0)
    const length = samples.length / pieces
    const silenced = Array.from({ length: pieces }, (_, i) => {
      const copy = samples.slice()
      copy.fill(0, Math.floor(i * length), Math.floor((i + 1) * length))
      return copy
    })
    const answers = await engine.answer({ sounds: silenced })
    const losses = answers.map(answer => scores[best]! - answer.scores[best]!)
    const most = Math.max(...losses)
    const context = canvas.getContext('2d')!
    drawSpectrogram(canvas, samples)
    if (most < 0.01) {
      note.textContent = 'No single piece of it decides: without any of them the answer stays.'
      return
    }
    const width = canvas.width / pieces
    for (const [i, loss] of losses.entries()) {
      const share = Math.max(0, loss / most)
      context.fillStyle = `rgb(${heatColour(share).map(Math.round).join(' ')})`
      context.fillRect(i * width, canvas.height - 12, Math.ceil(width), 12)
    }
    const at = losses.indexOf(most)
    const [from, to] = [at, at + 1].map(i => ((i * length) / setup.rate).toFixed(2))
    note.textContent = `Most between ${from} and ${to} s: if that is silent, the probability of ${setup.classes[best]} falls by ${(100 * most).toFixed(1)} points. The brighter the strip under the spectrogram, the more a piece counts.`
  })
  return make('div', [button, note])
}
