import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { AnnealError } from '../../base/errors.ts'
import { ensureFolder, writeAtomic } from '../../base/files.ts'
import type { ClassCount } from '../../data/types.ts'
import type { Narrator } from '../../domain/index.ts'
import { type EventBody, type Interpretation, type Run, type RunEvent, readEvents } from '../../runs/index.ts'
import type { Tensor } from '../../torch/index.ts'
import { storedTensors } from '../../train/saved-model.ts'
import { readWeights, type StoredTensor, writeSafetensors } from '../../weights/index.ts'
import type { HeadState } from '../steps/head-state.ts'
import type { HeadResult, StageResult, WholeState } from '../steps/types.ts'

/** What a run remembers of the steps that are done, by name. */
interface Answers {
  /** The data that it began with. */
  data: { fingerprint: string; counts: ClassCount[] }
  /** The number of the size that it is at. */
  at: number
  /** What of the data a person should look at. */
  doubts: Pick<Interpretation, 'labelIssues' | 'nearDuplicates'>
  [stage: `stage ${number}`]: StageResult
  [head: `head ${number}`]: HeadResult
}

/** Where a run stands: the answers of the steps that are done, and what goes on. */
interface ResumeState {
  format: 2
  step: number
  epoch: number
  answers: Record<string, unknown>
  /** What the phase in progress needs, beside the tensors. */
  inner?: Inner | undefined
  tensors?: string
}

type Inner = HeadState | WholeState

/** What makes two events the same to a reader. A reason names options as the one who runs it types them. */
const wordsOf = (body: EventBody): string =>
  body.type === 'choice' ? `${body.what}: ${body.value}` : JSON.stringify(body)

/** A run in progress. Steps that are done answer from memory (`once`), so that a resumed recipe is the same program run
 *  again; the step in progress goes on from the last checkpoint. */
export class Session implements Narrator {
  readonly run: Run
  readonly #listen: (event: RunEvent) => void
  #state: ResumeState = { format: 2, step: 0, epoch: 0, answers: {} }
  readonly #path: string
  /** What earlier processes told and this one comes by again until it is where they were, as JSON. */
  readonly #told = new Set<string>()

  constructor(run: Run, listen: (event: RunEvent) => void) {
    this.run = run
    this.#listen = listen
    this.#path = join(run.paths.resume, 'state.json')
  }

  /** Takes up the last checkpoint; false where the run had none yet. */
  resume(): boolean {
    let text: string
    try {
      text = readFileSync(this.#path, 'utf8')
    } catch {
      this.run.truncateAfter(0)
      this.#remember()
      return false
    }
    try {
      this.#state = JSON.parse(text) as ResumeState
      if (this.#state.format !== 2)
        throw new Error(`its format is ${this.#state.format}, this version of Anneal writes 2`)
    } catch (cause) {
      throw new AnnealError(
        `${this.#path}: the resume state can't be read (${(cause as Error).message}); start a new run.`,
        { cause },
      )
    }
    this.run.truncateAfter(this.#state.step)
    this.#remember()
    this.emit({ type: 'resumed', step: this.#state.step })
    return true
  }

  /** The step of the last checkpoint. */
  get step(): number {
    return this.#state.step
  }

  emit(body: EventBody): void {
    if (body.type === 'batch') this.#told.clear()
    if (this.#told.has(wordsOf(body))) this.#listen({ t: this.run.seconds, ...body })
    else this.#listen(this.run.append(body))
  }
  #remember(): void {
    for (const { t, ...body } of readEvents(this.run.paths.events).events)
      if (['choice', 'line', 'scan', 'lrFind'].includes(body.type)) this.#told.add(wordsOf(body))
  }
  choice(what: string, value: string, reason: string): void {
    this.emit({ type: 'choice', what, value, reason })
  }
  warn(message: string): void {
    this.emit({ type: 'warning', message })
  }

  /** Runs a step whose answer is plain data, or gives the answer that it had before the run was resumed. */
  async once<T>(name: string, fn: () => Promise<T> | T): Promise<T> {
    if (!Object.hasOwn(this.#state.answers, name)) this.#state.answers[name] = (await fn()) ?? null
    return this.#state.answers[name] as T
  }
  /** What an earlier process of this run knew under a name. */
  known<K extends keyof Answers>(name: K): Answers[K] | undefined {
    return this.#state.answers[name] as Answers[K] | undefined
  }
  know<K extends keyof Answers>(name: K, value: Answers[K]): void {
    this.#state.answers[name] = value
  }

  /** Where the phase in progress stood at the checkpoint that was resumed. */
  inner<K extends Inner['kind']>(kind: K): Extract<Inner, { kind: K }> | undefined {
    const { inner } = this.#state
    return inner?.kind === kind ? (inner as Extract<Inner, { kind: K }>) : undefined
  }
  /** The tensors of the checkpoint that was resumed. What is told from here on is new, for several sizes say the same words;
   *  unless a step is `going` on in which some of it was told. */
  tensors({ going = false } = {}): Map<string, StoredTensor> | undefined {
    if (this.#state.tensors === undefined) return undefined
    if (!going) this.#told.clear()
    return readWeights(join(this.run.paths.resume, this.#state.tensors))
  }

  /** Writes the resume state, whole or not at all; the state before it stays until the new one is on the disk. A full
   *  disk is a warning: training goes on, and the last good state stays. */
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
    const name = tensors ? `step-${step}.safetensors` : undefined
    const next: ResumeState = {
      format: 2,
      step,
      epoch,
      answers: this.#state.answers,
      ...(inner ? { inner } : {}),
      ...(name ? { tensors: name } : {}),
    }
    try {
      if (name) writeSafetensors(join(this.run.paths.resume, name), storedTensors(tensors!))
      this.run.checkpoint({ step, epoch })
      writeAtomic(this.#path, JSON.stringify(next))
    } catch (error) {
      if (name && name !== this.#state.tensors) rmSync(join(this.run.paths.resume, name), { force: true })
      this.warn(
        `the resume state could not be written (${(error as Error).message}); training goes on, the one before stays`,
      )
      return false
    }
    this.#state = next
    for (const file of readdirSync(this.run.paths.resume))
      if (file.endsWith('.safetensors') && file !== name) rmSync(join(this.run.paths.resume, file))
    return true
  }

  /** Notes what is kept if the run is stopped now, beside what the last checkpoint has, and what would be done again. */
  stands(kept: string, again?: string): void {
    this.#standing = again === undefined ? { kept } : { kept, again }
  }
  #standing: { kept: string; again?: string } = { kept: 'the settings' }

  /** At a stop: keeps the answers of all steps that are done, beside the last checkpoint. Says in words what is kept and what
   *  will be done again. */
  save(): string {
    const { kept, again } = this.#standing
    try {
      ensureFolder(this.run.paths.resume)
      writeAtomic(this.#path, JSON.stringify(this.#state))
    } catch (error) {
      return `the disk takes nothing more (${(error as Error).message}); the run goes on from step ${this.#state.step}`
    }
    return `saved: ${kept}${again === undefined ? '' : `; to be done again: ${again}`}`
  }

  /** Drops the resume state of a run that has ended well. */
  forget(): void {
    rmSync(this.run.paths.resume, { recursive: true, force: true })
  }
}
