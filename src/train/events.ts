import { AnnealError, didYouMean } from '../base/errors.ts'
import type { Callback, Training } from './callback.ts'

const fit = ['stop', 'cancel']
const epoch = [...fit, 'skip epoch']
const train = [...epoch, 'skip train']
const batch = [...train, 'skip batch']
const validate = [...epoch, 'skip validate']
/** Names of the events, in the order in which a fit comes by them, and what may be answered to each. `inside`: told
 *  inside a step's scope, so the answer must come at once. */
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

/** The name of an event: that of the hook which hears it. */
export type EventName = keyof typeof events
/** What a hook answered. */
export type Answer = NonNullable<Exclude<Awaited<ReturnType<NonNullable<Callback[EventName]>>>, void>>
/** What an event is about: the hook's first argument. */
export type Subject<N extends EventName> = Parameters<NonNullable<Callback[N]>>[0]

/** What all who heard an event answered. */
export type Answers = ReadonlySet<Answer>
const nothing: Answers = new Set()

/** Callbacks by what they hear. */
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

  /** Who hears an event. */
  hearing(name: EventName): readonly Callback[] {
    return this.#heard.get(name) ?? []
  }

  /** Tells of an event inside a step. */
  now<N extends EventName>(name: N, subject: Subject<N>, learn: Training): Answers {
    let answers = nothing
    for (const c of this.hearing(name)) {
      const answer = call(c, name, subject, learn)
      if (answer instanceof Promise) {
        answer.catch(() => undefined) // this error is the one to read
        throw new AnnealError(
          `callback ${nameOf(c)}: ${name} must not be async: it runs inside the step; await in afterBatch instead`,
        )
      }
      answers = joined(answers, checked(c, name, answer))
    }
    return answers
  }

  /** Tells of an event between two steps. */
  async tell<N extends EventName>(name: N, subject: Subject<N>, learn: Training): Promise<Answers> {
    let answers = nothing
    for (const c of this.hearing(name)) answers = joined(answers, checked(c, name, await call(c, name, subject, learn)))
    return answers
  }
}

const joined = (answers: Answers, answer: Answer | undefined): Answers =>
  answer ? new Set([...answers, answer]) : answers

/** How a callback is called where loops are shown and in errors. */
export function nameOf(c: Callback): string {
  const kind = c.constructor.name
  return c.name ?? (kind === 'Object' ? '(callback without a name)' : kind)
}

const call = (c: Callback, name: EventName, subject: unknown, learn: Training): unknown =>
  (c[name] as (this: Callback, subject: unknown, learn: Training) => unknown).call(c, subject, learn)

/** Answers that are no words (numbers of arrow functions) mean nothing; a word that is not known is a mistake. */
function checked(c: Callback, name: EventName, answer: unknown): Answer | undefined {
  if (typeof answer !== 'string') return undefined
  const known: readonly string[] = events[name].answers
  if (known.includes(answer)) return answer as Answer
  throw new AnnealError(
    `callback ${nameOf(c)}: ${name} answered "${answer}"; expected ${known.map(a => `"${a}"`).join(', ')} or nothing.${didYouMean(answer, known)}`,
  )
}

/** A hook whose name is not known would never be called. */
function checkNames(c: Callback): void {
  const names = Object.keys(events)
  for (const name in c)
    if (/^(on|before|after)[A-Z]/.test(name) && !names.includes(name))
      throw new AnnealError(
        `callback ${nameOf(c)}: no event is called ${name}.${didYouMean(name, names)} Events are ${names.join(', ')}`,
      )
}
