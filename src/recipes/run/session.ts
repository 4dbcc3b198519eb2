import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { RunError } from '../../base/errors.ts'
import { ensureFolder, writeAtomic } from '../../base/files.ts'
import type { ClassCount } from '../../data/types.ts'
import type { ModelChoice, Narrator } from '../../domain/index.ts'
import { alone, type Ranks } from '../../ranks/ranks.ts'
import { type EventBody, type Interpretation, type Run, type RunEvent, readEvents } from '../../runs/index.ts'
import type { Tensor } from '../../torch/index.ts'
import { storedTensors } from '../../train/saved-model.ts'
import { readWeights, type StoredTensor, writeSafetensors } from '../../weights/index.ts'
import type { Best } from '../steps/best-weights.ts'
import type { HeadState } from '../steps/head-state.ts'
import type { HeadResult, StageResult, Tuned, WholeState } from '../steps/types.ts'

/** The remembered answers of the steps that are done, by name. */
interface Answers {
  /** The data that it began with. */
  data: { fingerprint: string; counts: ClassCount[] }
  /** The number of the current size. */
  at: number
  /** The best weights so far, which are saved. */
  kept: Best
  /** The model, where the domain chooses one. */
  model: ModelChoice
  /** What a person should check in the data. */
  doubts: Pick<Interpretation, 'labelIssues' | 'nearDuplicates'>
  [stage: `stage ${number}`]: StageResult
  [head: `head ${number}`]: HeadResult
  /** What became of training the body by pairs. */
  pairs: Tuned
}

/** The resume state of a run: the answers of the steps that are done, and the phase in progress. */
interface ResumeState {
  format: 3
  step: number
  epoch: number
  /** How many states this run has written. Runs of earlier versions have none. */
  number?: number
  answers: Record<string, unknown>
  /** What the phase in progress needs, beside the tensors. */
  inner?: Inner | undefined
  tensors?: string
}

type Inner = HeadState | WholeState

/** Two events with the same text are the same for a reader. The reason of a choice is left out: it names options in the
 *  style of the command line or of the library. */
const wordsOf = (body: EventBody): string =>
  body.type === 'choice' ? `${body.what}: ${body.value}` : JSON.stringify(body)

/** A run in progress. Steps that are done answer from memory (`once`), so that a resumed recipe is the same program run
 *  again; the step in progress goes on from the last checkpoint. */
export class Session implements Narrator {
  readonly run: Run
  readonly #listen: (event: RunEvent) => void
  /** The processes that do this run together, and its name among the runs that they do. */
  readonly ranks: Ranks
  readonly #name: string
  #state: ResumeState = { format: 3, step: 0, epoch: 0, answers: {} }
  readonly #path: string
  /** Events that earlier processes wrote and that this one repeats until it reaches the same point, as JSON. */
  readonly #written = new Set<string>()

  constructor(
    run: Run,
    listen: (event: RunEvent) => void,
    { ranks = alone, name = '' }: { ranks?: Ranks; name?: string } = {},
  ) {
    this.run = run
    this.ranks = ranks
    this.#name = name
    this.#listen = listen
    this.#path = join(run.paths.resume, 'state.json')
  }

  /** Loads the last checkpoint; false if the run has none yet. */
  resume(): boolean {
    let text: string
    try {
      text = readFileSync(this.#path, 'utf8')
    } catch {
      this.run.truncateAfter({ step: 0 })
      this.#remember()
      return false
    }
    try {
      this.#state = JSON.parse(text) as ResumeState
      if (this.#state.format !== 3)
        throw new Error(`its format is ${this.#state.format}, this version of Anneal writes 3`)
    } catch (cause) {
      throw new RunError(
        `${this.#path}: the resume state can't be read (${(cause as Error).message}); start a new run.`,
        { cause },
      )
    }
    this.run.truncateAfter(this.#state)
    this.#remember()
    this.emit({ type: 'resumed', step: this.#state.step })
    return true
  }

  /** The step of the last checkpoint. */
  get step(): number {
    return this.#state.step
  }

  emit(body: EventBody): void {
    if (body.type === 'warning') this.ranks.warnFirst(body.message)
    if (body.type === 'batch') this.#written.clear()
    if (this.#written.has(wordsOf(body))) this.#listen({ t: this.run.seconds, ...body })
    else this.#listen(this.run.append(body))
  }
  #remember(): void {
    for (const { t, ...body } of readEvents(this.run.paths.events).events)
      if (['choice', 'line', 'scan', 'lrFind'].includes(body.type)) this.#written.add(wordsOf(body))
  }
  choice(what: string, value: string, reason: string): void {
    this.emit({ type: 'choice', what, value, reason })
  }
  warn(message: string): void {
    this.emit({ type: 'warning', message })
  }

  /** Runs a step whose answer is plain data, or returns its answer from before the run was resumed. Of several ranks the
   *  first one runs it, and the others get its answer, so that they never differ. */
  async once<T>(name: string, fn: () => Promise<T> | T): Promise<T> {
    const { answers } = this.#state
    answers[name] = await this.ranks.onceFromFirst(`${this.#name}/${name}`, async () =>
      Object.hasOwn(answers, name) ? answers[name] : ((await fn()) ?? null),
    )
    return answers[name] as T
  }
  /** The same for a step that the ranks do together: each runs it. */
  async together<T>(name: string, fn: () => Promise<T> | T): Promise<T> {
    const { answers } = this.#state
    const own = Object.hasOwn(answers, name) ? answers[name] : ((await fn()) ?? null)
    answers[name] = await this.ranks.onceFromFirst(`${this.#name}/${name}`, () => own)
    return answers[name] as T
  }
  /** The answer that an earlier process of this run stored under a name. */
  known<K extends keyof Answers>(name: K): Answers[K] | undefined {
    return this.#state.answers[name] as Answers[K] | undefined
  }
  know<K extends keyof Answers>(name: K, value: Answers[K]): void {
    this.#state.answers[name] = value
  }

  /** The state of the phase in progress in the resumed checkpoint. */
  inner<K extends Inner['kind']>(kind: K): Extract<Inner, { kind: K }> | undefined {
    const { inner } = this.#state
    return inner?.kind === kind ? (inner as Extract<Inner, { kind: K }>) : undefined
  }
  /** The tensors of the resumed checkpoint. From here on all events are new, since several sizes emit the same texts;
   *  except while a step is `going` on that emitted some of them before. */
  tensors({ going = false } = {}): Map<string, StoredTensor> | undefined {
    if (this.#state.tensors === undefined) return undefined
    if (!going) this.#written.clear()
    return readWeights(join(this.run.paths.resume, this.#state.tensors))
  }

  /** Writes the resume state atomically: the state before it stays until the new one is on the disk. A full disk is a
   *  warning: training goes on, and the last good state stays. */
  checkpoint({
    step,
    epoch,
    inner,
    tensors,
  }: {
    step: number
    epoch: number
    inner?: Inner
    tensors?: ReadonlyMap<string, Tensor>
  }): boolean {
    if (!this.ranks.isFirst) return true
    const number = (this.#state.number ?? 0) + 1
    const name = tensors ? `step-${step}-${number}.safetensors` : undefined
    const next: ResumeState = {
      format: 3,
      step,
      epoch,
      number,
      answers: this.#state.answers,
      ...(inner ? { inner } : {}),
      ...(name ? { tensors: name } : {}),
    }
    try {
      if (name) writeSafetensors(join(this.run.paths.resume, name), storedTensors(tensors!))
      this.run.checkpoint({ step, epoch, number })
      writeAtomic(this.#path, JSON.stringify(next))
    } catch (error) {
      if (name) rmSync(join(this.run.paths.resume, name), { force: true })
      this.warn(
        `the resume state could not be written (${(error as Error).message}); training goes on, and the state before it is kept`,
      )
      return false
    }
    this.#state = next
    for (const file of readdirSync(this.run.paths.resume))
      if (file.endsWith('.safetensors') && file !== name) rmSync(join(this.run.paths.resume, file))
    return true
  }

  /** Notes what is kept beside the last checkpoint if the run stops now, and what would be done again. */
  stands(kept: string, again?: string): void {
    this.#standing = again === undefined ? { kept } : { kept, again }
  }
  #standing: { kept: string; again?: string } = { kept: 'the settings' }

  /** Called at a stop: saves the answers of all steps that are done, beside the last checkpoint. Returns in words what
   *  is kept and what will be done again. */
  save(): string {
    const { kept, again } = this.#standing
    try {
      ensureFolder(this.run.paths.resume)
      writeAtomic(this.#path, JSON.stringify(this.#state))
    } catch (error) {
      return `nothing can be written to the disk (${(error as Error).message}); the run goes on from step ${this.#state.step}`
    }
    return `saved: ${kept}${again === undefined ? '' : `; to be done again: ${again}`}`
  }

  /** Deletes the resume state of a run that has ended well. */
  forget(): void {
    rmSync(this.run.paths.resume, { recursive: true, force: true })
  }
}
