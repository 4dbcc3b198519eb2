import type { FitStep, FitTableOptions } from '../types.ts'
import type { TableSession } from './session.ts'

/** Whether an epoch gets a line of its own; the others are progress. All of the first eight do; later each is a seventh further
 *  than the one before, so that a fit that ends early has enough of them, and one of a thousand trees not too many. */
const hasLine = (epoch: number): boolean => epoch <= 8 || lines(epoch) > lines(epoch - 1)
const lines = (epoch: number): number => Math.floor(Math.log(epoch) / Math.log(8 / 7))

/** Writes the steps, choices and rate finders of a fit into the run's log. Epochs count on from one model to the next. */
export class FitRecorder implements Pick<Required<FitTableOptions>, 'onStep' | 'onChoice' | 'onFinder'> {
  readonly #session: TableSession
  readonly #listen: (step: FitStep) => void
  #model: FitStep['model'] | undefined
  #before = 0
  #epoch = 0
  /** Steps without a line since the last one: the best one, if one was, and the last one. */
  #best: FitStep | undefined
  #last: FitStep | undefined

  constructor(session: TableSession, listen: (step: FitStep) => void = () => {}) {
    this.#session = session
    this.#listen = listen
  }
  /** All epochs so far, over all models. */
  get epochs(): number {
    return this.#before + this.#epoch
  }

  onStep = (step: FitStep): void => {
    const { model, epoch, epochs, trainLoss } = step
    if (model !== this.#model) {
      this.end()
      const began = this.#session.firstEpoch(model) // a resumed run may begin with its second model
      this.#before = began === undefined ? this.epochs : began - 1
      this.#model = model
      this.#session.emit({ type: 'phase', phase: model, epochs, firstEpoch: this.#before + 1, steps: epochs })
    }
    this.#epoch = epoch
    if (step.best) this.#best = step
    this.#last = step
    const at = { phase: model, epoch: this.epochs, step: this.epochs }
    this.#session.emit({ type: 'batch', ...at, loss: trainLoss, smooth: trainLoss, lrs: ratesOf(step) })
    if (hasLine(epoch) || epoch === epochs) this.end()
    this.#listen(step)
  }
  /** Gives the best epoch and the last one their lines, if they have none yet. To be called when all fits have ended. */
  end(): void {
    if (this.#best && this.#best !== this.#last) this.#line(this.#best)
    if (this.#last) this.#line(this.#last)
    this.#best = undefined
    this.#last = undefined
  }
  #line(step: FitStep): void {
    const { model, trainLoss, validLoss, seconds, best } = step
    const epoch = this.#before + step.epoch
    const at = { phase: model, epoch, step: epoch }
    this.#session.emit({ type: 'epoch', ...at, trainLoss, validLoss, metrics: {}, seconds, lrs: ratesOf(step), best })
  }
  onChoice = (what: string, value: string, reason: string): void => {
    this.end() // a choice is made before a fit or after it
    this.#session.choice(what, value, reason)
  }
  onFinder = ({ lrs, losses, chosen, how }: { lrs: number[]; losses: number[]; chosen: number; how: string }): void =>
    this.#session.emit({ type: 'lrFind', phase: 'find', lrs, losses, smoothed: losses, suggestions: {}, chosen, how })
}

/** The rate of trees is the same all along. */
const ratesOf = ({ model, lrs }: FitStep): number[] => (model === 'trees' ? [] : [...lrs])
