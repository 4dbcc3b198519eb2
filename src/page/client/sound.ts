import type { Ort, SoundPrediction } from '../../runtime/browser.ts'
import { soundHost } from '../../runtime/sound/browser.ts'
import { samplesOf } from '../../runtime/sound/input.ts'
import { streamCutter } from '../../runtime/sound/stream.ts'
import { scoreTable, words } from './answers.ts'
import { type Microphone, openMicrophone, waveFile } from './microphone.ts'
import { at, make, percent, readSetup, type SoundSetup } from './setup.ts'
import { type ShownSound, type SoundEngine, soundCard } from './sound-card.ts'
import { sounds } from './sound-engine.ts'
import { drawSpectrogram } from './spectrogram.ts'
import { say, startModel } from './start.ts'
import { work } from './worker.ts'

/** The most recordings that are shown, the most seconds of one, and how often at most a screen reader hears a new answer, in
 *  milliseconds. */
const [mostCards, mostSeconds, pause] = [24, 600, 2000]

/** Starts the page, or in a worker its part there. */
export function start(ort: Ort): void {
  if (typeof document === 'undefined') work(ort, sounds)
  else new Page(ort, readSetup<SoundSetup>()).run()
}

class Page {
  readonly #ort: Ort
  readonly #setup: SoundSetup
  #turn: Promise<void> = Promise.resolve()

  constructor(ort: Ort, setup: SoundSetup) {
    this.#ort = ort
    this.#setup = setup
  }

  run(): void {
    const engine = startModel(this.#ort, this.#setup, sounds)
    engine.catch(() => {}) // said where it is loaded
    const take = (files: readonly File[]) => {
      for (const file of files) this.#turn = this.#turn.then(() => this.#one(engine, file).catch(() => {}))
    }
    const input = at<HTMLInputElement>('file')
    const drop = at('drop')
    input.addEventListener('change', () => {
      take([...input.files!])
      input.value = ''
    })
    at('form').addEventListener('submit', event => event.preventDefault())
    document.addEventListener('dragover', event => {
      event.preventDefault()
      drop.classList.add('over')
    })
    document.addEventListener('dragleave', () => drop.classList.remove('over'))
    document.addEventListener('drop', event => {
      event.preventDefault()
      drop.classList.remove('over')
      const files = [...event.dataTransfer!.files]
      if (files.length > 0) take(files)
      else say('That is a link or a text, no recording. Save the recording first, and drop the file.', true)
    })
    for (const button of document.querySelectorAll<HTMLButtonElement>('button.example'))
      button.addEventListener('click', () => {
        const number = Number(button.dataset.example)
        const { wav, label } = this.#setup.examples[number]!
        const bytes = Uint8Array.from(atob(wav), c => c.charCodeAt(0))
        take([new File([bytes], `example ${number + 1}, labelled ${label}`, { type: 'audio/wav' })])
      })
    new Listener(this.#setup, engine, { take: file => take([file]), say })
  }

  async #one(engine: Promise<SoundEngine>, file: File): Promise<void> {
    const loaded = await engine
    say('Listening …')
    const shown: ShownSound = { name: file.name, file }
    try {
      const samples = await samplesOf(file, soundHost, { rate: this.#setup.rate, seconds: mostSeconds })
      const [prediction] = (await loaded.answer({ sounds: [samples] })) as [SoundPrediction]
      shown.found = { samples, prediction }
    } catch (error) {
      shown.error = `Not usable: ${(error as Error).message}.`
    }
    const list = at('answers')
    list.prepend(soundCard(this.#setup, shown, loaded))
    while (list.children.length > mostCards) list.lastChild!.remove()
    if (!shown.found) return say(`${shown.name}: ${shown.error}`, true)
    const { prediction } = shown.found
    const sure = prediction.task === 'single' ? `, ${percent(prediction.probability)}` : ''
    say(`${shown.name}: ${words(this.#setup, { prediction })}${sure}`)
  }
}

/** What a listener tells the page. */
interface Tell {
  take(file: File): void
  say(text: string, bad?: boolean): void
}

/** The live answers for the microphone, and recordings from it. */
class Listener {
  readonly #setup: SoundSetup
  readonly #engine: Promise<SoundEngine>
  readonly #tell: Tell
  #open: Microphone | undefined
  #recording: Float32Array[] | undefined
  #cutter: ReturnType<typeof streamCutter> | undefined
  #busy = false
  #said = ''
  #before = ''
  #saidAt = 0
  #count = 0

  constructor(setup: SoundSetup, engine: Promise<SoundEngine>, tell: Tell) {
    this.#setup = setup
    this.#engine = engine
    this.#tell = tell
    at('microphone').addEventListener('click', () => void this.#begin())
    at('stop').addEventListener('click', () => {
      this.#end()
      at('microphone').focus()
    })
    at('hop').parentElement!.hidden = setup.window === undefined
    at('hop').addEventListener('change', () => this.#cut())
    at('record').addEventListener('click', () => (this.#recording ? this.#keep() : this.#record()))
  }

  async #begin(): Promise<void> {
    const button = at<HTMLButtonElement>('microphone')
    button.disabled = true
    try {
      this.#open = await openMicrophone(
        samples => this.#hear(samples),
        () => this.#end(),
      )
      this.#cut()
      at('live').hidden = false
      button.hidden = true
      at('stop').focus()
    } catch (error) {
      this.#tell.say((error as Error).message, true)
    } finally {
      button.disabled = false
    }
  }

  /** Cuts from now on into windows at the chosen hop. */
  #cut(): void {
    const { rate, window } = this.#setup
    if (!this.#open || window === undefined) return
    const step = Math.round(Number(at<HTMLSelectElement>('hop').value) * rate)
    this.#cutter = streamCutter({ own: this.#open.rate, rate, size: window, step })
  }

  #hear(samples: Float32Array): void {
    this.#recording?.push(samples)
    const power = samples.reduce((sum, v) => sum + v * v, 0) / samples.length
    at<HTMLMeterElement>('level').value = 10 * Math.log10(power + 1e-12)
    const windows = this.#cutter?.push(samples) ?? []
    const last = windows.at(-1)
    if (!last || document.hidden) return
    drawSpectrogram(at<HTMLCanvasElement>('sound'), last.samples)
    // A slow device hears the newest window, and not all of them late.
    if (!this.#busy) void this.#answer(last.samples)
  }

  async #answer(window: Float32Array): Promise<void> {
    this.#busy = true
    try {
      const [prediction] = (await (await this.#engine).answer({ sounds: [window] })) as [SoundPrediction]
      if (!this.#open) return
      const text = words(this.#setup, { prediction })
      at('live-answer').replaceChildren(
        make('h3', [make('bdi', text), prediction.task === 'single' ? ` ${percent(prediction.probability)}` : '']),
        scoreTable(this.#setup, prediction.scores),
      )
      const isNew = text !== this.#said && text === this.#before && performance.now() - this.#saidAt > pause
      this.#before = text
      if (!isNew || prediction.task === 'regression') return
      this.#tell.say(`Microphone: ${text}`)
      this.#said = text
      this.#saidAt = performance.now()
    } catch (error) {
      this.#tell.say((error as Error).message, true)
      this.#end()
    } finally {
      this.#busy = false
    }
  }

  #record(): void {
    this.#recording = []
    this.#press(true)
  }

  #keep(): void {
    const pieces = this.#recording ?? []
    this.#recording = undefined
    this.#press(false)
    if (pieces.length === 0 || !this.#open) return
    const samples = new Float32Array(pieces.length * pieces[0]!.length)
    for (const [i, piece] of pieces.entries()) samples.set(piece, i * piece.length)
    const name = `microphone ${++this.#count}.wav`
    this.#tell.take(new File([waveFile(samples, this.#open.rate)], name, { type: 'audio/wav' }))
  }

  #press(pressed: boolean): void {
    const button = at('record')
    button.setAttribute('aria-pressed', String(pressed))
    button.textContent = pressed ? 'Stop and predict' : 'Record'
  }

  #end(): void {
    this.#keep()
    this.#open?.stop()
    this.#open = undefined
    at('live').hidden = true
    at('microphone').hidden = false
  }
}
