import { didYouMean, TrainingError } from '../base/errors.ts'
import type { Callback, Training } from './callback.ts'

const fit = ['stop', 'cancel']
const epoch = [...fit, 'skip epoch']
const train = [...epoch, 'skip train']
const batch = [...train, 'skip batch']
const validate = [...epoch, 'skip validate']
/** The events in the order in which a fit emits them, with the allowed answers to each. `inside`: emitted inside a
 *  step's scope, so hooks must not be async. */
export const events = {
  beforeFit: { answers: fit },
  beforeEpoch: { answers: epoch },
  beforeTrain: { answers: train },
  beforeBatch: { answers: batch, inside: true },
  afterPrediction: { answers: batch, inside: true },
  afterLoss: { answers: batch, inside: true },
  beforeBackward: { answers: [...batch, 'skip backward'], inside: true },
  afterBackward: { answers: batch, inside: true },
  beforeStep: { answers: [...batch, 'skip step'], inside: true },
  afterStep: { answers: batch, inside: true },
  beforeZeroGrad: { answers: [...batch, 'skip zero-grad'], inside: true },
  afterBatch: { answers: train },
  afterTrain: { answers: epoch },
  beforeValidate: { answers: validate },
  beforeValidationBatch: { answers: validate, inside: true },
  afterValidationBatch: { answers: validate, inside: true },
  afterValidate: { answers: epoch },
  afterEpoch: { answers: fit },
  afterFit: { answers: fit },
} as const satisfies Record<Exclude<keyof Callback, 'name' | 'order'>, { answers: readonly string[]; inside?: boolean }>

/** The name of an event, which is the name of its hook. */
export type EventName = keyof typeof events
/** The answer of a hook. */
export type Answer = NonNullable<Exclude<Awaited<ReturnType<NonNullable<Callback[EventName]>>>, void>>
/** The subject of an event: the first argument of its hook. */
export type Subject<N extends EventName> = Parameters<NonNullable<Callback[N]>>[0]

/** The answers of all callbacks to an event. */
export type Answers = ReadonlySet<Answer>
const nothing: Answers = new Set()

/** Callbacks by their events. */
export class Events {
  readonly #heard = new Map<EventName, readonly Callback[]>()
  /** All of them, in their order. */
  readonly callbacks: readonly Callback[]

  constructor(callbacks: readonly Callback[] = []) {
    this.callbacks = callbacks.toSorted((a, b) => (a.order ?? 0) - (b.order ?? 0))
    for (const c of this.callbacks) checkNames(c)
    for (const name of Object.keys(events) as EventName[]) {
      const hearing = this.callbacks.filter(c => c[name])
      if (hearing.length > 0) this.#heard.set(name, hearing)
    }
  }

  /** The callbacks with a hook for this event. */
  hearing(name: EventName): readonly Callback[] {
    return this.#heard.get(name) ?? []
  }

  /** Emits an event inside a step. */
  now<N extends EventName>(name: N, subject: Subject<N>, learn: Training): Answers {
    let answers = nothing
    for (const c of this.hearing(name)) {
      const answer = call(c, name, subject, learn)
      if (answer instanceof Promise) {
        answer.catch(() => undefined) // this error is the one to read
        throw new TrainingError(
          `callback ${nameOf(c)}: ${name} must not be async: it runs inside the step; await in afterBatch instead`,
        )
      }
      answers = joined(answers, checked(c, name, answer))
    }
    return answers
  }

  /** Emits an event between two steps. */
  async tell<N extends EventName>(name: N, subject: Subject<N>, learn: Training): Promise<Answers> {
    let answers = nothing
    for (const c of this.hearing(name)) answers = joined(answers, checked(c, name, await call(c, name, subject, learn)))
    return answers
  }
}

const joined = (answers: Answers, answer: Answer | undefined): Answers =>
  answer ? new Set([...answers, answer]) : answers

/** The name of a callback in errors and in `showTrainingLoop()`. */
export function nameOf(c: Callback): string {
  const kind = c.constructor.name
  return c.name ?? (kind === 'Object' ? '(callback without a name)' : kind)
}

const call = (c: Callback, name: EventName, subject: unknown, learn: Training): unknown =>
  (c[name] as (this: Callback, subject: unknown, learn: Training) => unknown).call(c, subject, learn)

/** Ignores answers that are not strings (arrow functions may return numbers), and throws for unknown strings. */
function checked(c: Callback, name: EventName, answer: unknown): Answer | undefined {
  if (typeof answer !== 'string') return undefined
  const known: readonly string[] = events[name].answers
  if (known.includes(answer)) return answer as Answer
  throw new TrainingError(
    `callback ${nameOf(c)}: ${name} answered "${answer}"; expected ${known.map(a => `"${a}"`).join(', ')} or nothing.${didYouMean(answer, known)}`,
  )
}

/** Throws for hooks with unknown names, which would never be called. */
function checkNames(c: Callback): void {
  const names = Object.keys(events)
  for (const name in c)
    if (/^(on|before|after)[A-Z]/.test(name) && !names.includes(name))
      throw new TrainingError(
        `callback ${nameOf(c)}: there is no event "${name}".${didYouMean(name, names)} The events are ${names.join(', ')}`,
      )
}
