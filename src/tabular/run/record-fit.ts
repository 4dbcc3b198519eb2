import type { FitStep, FitTableOptions } from '../types.ts'
import type { TableSession } from './session.ts'

/** Epochs that get a line of their own in each fit; the others are progress. */
const mostLines = 32

/** Writes the steps, choices and rate finders of a fit into the run's log. Epochs count on from one model to the next. */
export class FitRecorder implements Pick<Required<FitTableOptions>, 'onStep' | 'onChoice' | 'onFinder'> {
  readonly #session: TableSession
  readonly #listen: (step: FitStep) => void
  #model: FitStep['model'] | undefined
  #before = 0
  #epoch = 0
  #best = false

  constructor(session: TableSession, listen: (step: FitStep) => void = () => {}) {
    this.#session = session
    this.#listen = listen
  }
  /** All epochs so far, over all models. */
  get epochs(): number {
    return this.#before + this.#epoch
  }

  onStep = (step: FitStep): void => {
    const { model, epoch, epochs, trainLoss, validLoss, seconds, best } = step
    const lrs = model === 'trees' ? [] : step.lrs // the rate of trees is the same all along
    if (model !== this.#model) {
      const began = this.#session.firstEpoch(model) // a resumed run may begin with its second model
      this.#before = began === undefined ? this.epochs : began - 1
      this.#model = model
      this.#best = false
      this.#session.emit({ type: 'phase', phase: model, epochs, firstEpoch: this.#before + 1, steps: epochs })
    }
    this.#epoch = epoch
    this.#best ||= best
    const at = { phase: model, epoch: this.epochs, step: this.epochs }
    this.#session.emit({ type: 'batch', ...at, loss: trainLoss, smooth: trainLoss, lrs: [...lrs] })
    const every = Math.ceil(epochs / mostLines)
    if (epoch % every === 0 || epoch === 1 || epoch === epochs) {
      this.#session.emit({
        type: 'epoch',
        ...at,
        trainLoss,
        validLoss,
        metrics: {},
        seconds,
        lrs: [...lrs],
        best: this.#best,
      })
      this.#best = false
    }
    this.#listen(step)
  }
  onChoice = (what: string, value: string, reason: string): void => this.#session.choice(what, value, reason)
  onFinder = ({ lrs, losses, chosen, how }: { lrs: number[]; losses: number[]; chosen: number; how: string }): void =>
    this.#session.emit({ type: 'lrFind', phase: 'find', lrs, losses, smoothed: losses, suggestions: {}, chosen, how })
}
