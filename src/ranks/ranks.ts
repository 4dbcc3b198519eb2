import { createHash } from 'node:crypto'
import { RanksError } from '../base/errors.ts'
import { call, fromArray, group, noGrad, scope, type Tensor } from '../torch/index.ts'
import { type Lost, lostText, readTrouble, troubleOf } from './trouble.ts'

/** The part of a batch that this rank computes, and the weight of its mean loss in that of the whole batch. */
export interface Share {
  samples: Uint32Array
  /** Where they are in the batch: from the first one up to the place after the last. */
  rows: { from: number; to: number }
  weight: number
}

/** What the ranks of a group do together. Every rank calls the same methods in the same order. In a group of one they do
 *  nothing. */
export class Ranks {
  readonly rank: number
  readonly size: number
  /** The name by which operators find the group. */
  readonly name: string
  /** Aborted when the group can't go on. */
  readonly signal: AbortSignal | undefined
  readonly #told = new Map<string, number>()
  readonly #abort: AbortController | undefined
  #timer: NodeJS.Timeout | undefined
  #lost: Lost | undefined
  #left = false
  #said = 0
  #hear: ((text: string) => void) | undefined
  #waited = 0

  constructor({ rank = 0, size = 1, name = '' }: { rank?: number; size?: number; name?: string } = {}) {
    this.rank = rank
    this.size = size
    this.name = name
    if (size === 1) return
    this.#abort = new AbortController()
    this.signal = this.#abort.signal
    this.#timer = setInterval(() => this.#look(), lookMs)
    this.#timer.unref()
  }

  get isFirst(): boolean {
    return this.rank === 0
  }
  get alone(): boolean {
    return this.size === 1
  }
  /** Whether this process has left the group. */
  get hasLeft(): boolean {
    return this.#left
  }

  /** The part of a batch that this rank computes. A batch of fewer than two samples for each rank is computed by all of
   *  them, since BatchNorm needs two. */
  share(batch: Uint32Array): Share {
    const { rank, size } = this
    const { length } = batch
    const whole = { samples: batch, rows: { from: 0, to: length } }
    if (size === 1) return { ...whole, weight: 1 }
    if (length < 2 * size) return { ...whole, weight: 1 / size }
    const [from, to] = [rank, rank + 1].map(r => Math.floor((length * r) / size)) as [number, number]
    return { samples: batch.subarray(from, to), rows: { from, to }, weight: (to - from) / length }
  }

  /** Whether this rank does the part of a work with this number: parts go to the ranks in turn. */
  takes(part: number): boolean {
    return part % this.size === this.rank
  }

  /** Begins to sum a tensor over all ranks, in place; the function that it returns waits for the end. */
  beginSum(t: Tensor): () => void {
    if (this.size === 1) return () => {}
    const guarded = <T>(fn: () => T): T => this.#guarded(() => noGrad(() => scope(fn)))
    guarded(() => void call('_c10d_functional::all_reduce_', t, 'sum', this.name))
    return () => guarded(() => void call('_c10d_functional::wait_tensor', t))
  }
  /** Sums a tensor over all ranks, in place. */
  sum(t: Tensor): void {
    this.beginSum(t)()
  }
  /** Sums numbers over all ranks. */
  sumNumbers(values: readonly number[]): number[] {
    if (this.size === 1) return [...values]
    const all = Float64Array.from(values)
    this.gather(all)
    return [...all]
  }
  /** Fills an array of which each rank has filled some elements and left the others 0. */
  gather(values: Float32Array | Float64Array | Int32Array): void {
    if (this.size === 1 || values.length === 0) return
    scope(() => {
      const t = fromArray(values, [values.length], { copy: true })
      this.sum(t)
      values.set(t.data() as Float64Array)
    })
  }
  /** A number of each rank. */
  ofEach(value: number): number[] {
    return this.sumNumbers(Array.from({ length: this.size }, (_, r) => (r === this.rank ? value : 0)))
  }
  /** Copies tensors of the first rank to all others, in place. */
  copyFirst(tensors: Iterable<Tensor>): void {
    if (this.size === 1) return
    this.#guarded(() =>
      noGrad(() =>
        scope(() => {
          for (const t of tensors) {
            const flat = t.detach().clone().contiguous()
            call('_c10d_functional::broadcast_', flat, 0, this.name)
            call('_c10d_functional::wait_tensor', flat)
            if (!this.isFirst) t.copy_(flat)
          }
        }),
      ),
    )
  }
  /** Copies bytes of the first rank to all others. */
  bytesOfFirst(bytes: Uint8Array | undefined, length: number): Uint8Array {
    if (this.size === 1) return bytes!
    const out = new Uint8Array(length)
    const part = 64 * 2 ** 20
    for (let at = 0; at < length; at += part)
      scope(() => {
        const here = bytes ? bytes.slice(at, at + part) : new Uint8Array(Math.min(part, length - at))
        const t = fromArray(here, [here.length])
        this.copyFirst([t])
        out.set(t.data() as Uint8Array, at)
      })
    return out
  }

  /** The result of `fn` on the first rank, on all of them; only there it runs. Plain data. `signal` ends the wait. */
  async fromFirst<T>(name: string, fn: () => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    if (this.size === 1) return fn()
    const number = this.#told.get(name) ?? 0
    this.#told.set(name, number + 1)
    return this.#fromFirst(`${number}/${name}`, fn, signal)
  }
  /** The same for a name that stands for one answer, however often and in whatever order the ranks ask. */
  async onceFromFirst<T>(name: string, fn: () => Promise<T> | T): Promise<T> {
    return this.size === 1 ? fn() : this.#fromFirst(`once/${name}`, fn)
  }
  async #fromFirst<T>(name: string, fn: () => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    const key = `anneal/told/${name}`
    if (this.isFirst) {
      const value = await fn()
      this.#guarded(() => group.set(key, JSON.stringify({ value })))
      return value
    }
    const text = await this.#awaited(key, signal)
    return (JSON.parse(text) as { value: T }).value
  }
  async #awaited(key: string, signal?: AbortSignal): Promise<string> {
    for (let ms = 5; ; ms = Math.min(200, ms * 2)) {
      const text = this.#guarded(() => group.get(key))
      if (text !== undefined) return text
      this.#check()
      signal?.throwIfAborted()
      await new Promise(resolve => setTimeout(resolve, ms))
    }
  }

  /** Throws if a rank has another text than the first: `what` says of what. */
  compare(what: string, text: string): void {
    if (this.size === 1) return
    const digest = Number.parseInt(createHash('sha256').update(text).digest('hex').slice(0, 12), 16)
    const all = this.ofEach(digest)
    const others = all.flatMap((value, rank) => (value === all[0] ? [] : [rank]))
    if (others.length > 0)
      throw new RanksError(
        `${others.length === 1 ? 'rank' : 'ranks'} ${others.join(', ')} of ${this.size}: other ${what} than rank 0. All ranks must have the same.`,
      )
  }
  /** Throws if a rank has other weights than the first. */
  compareTensors(what: string, tensors: ReadonlyMap<string, Tensor>): void {
    if (this.size === 1) return
    const hash = createHash('sha256')
    scope(() => {
      for (const [name, t] of tensors) {
        const { buffer, byteOffset, byteLength } = t.detach().data()
        hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength))
      }
    })
    this.compare(what, hash.digest('hex'))
  }

  /** Seconds that each rank has waited for the others since the last such question. */
  waits(): number[] {
    if (this.size === 1) return [0]
    const [waited] = group.work()
    const since = waited - this.#waited
    this.#waited = waited
    return this.ofEach(since)
  }
  /** Seconds that this rank waited for others, and bytes that it sent, since it joined. */
  work(): { waitedSeconds: number; sentBytes: number } {
    const [waitedSeconds, sentBytes] = this.size === 1 ? [0, 0] : group.work()
    return { waitedSeconds, sentBytes }
  }

  /** Gives a warning of this rank to the first one. */
  warnFirst(text: string): void {
    if (this.isFirst) return
    try {
      const n = group.add('anneal/saids', 1)
      group.set(`anneal/said/${n}`, JSON.stringify({ rank: this.rank, text }))
    } catch {
      // The store is gone: the group ends for that reason.
    }
  }
  /** From now on `hear` is called with the warnings of other ranks. Returns a function that gives them to whoever heard
   *  them before. */
  hearWarnings(hear: (text: string) => void): () => void {
    const before = this.#hear
    if (this.isFirst) this.#hear = hear
    return () => {
      this.#hear = before
    }
  }

  /** The error that a thrown one is, where the group is in trouble: what others threw since then follows from it. */
  explained(error: unknown): unknown {
    this.#ask(0)
    return this.#lost && !(error instanceof LostError) ? new LostError(this.#lost, this.size) : error
  }

  /** Waits until the first rank is done too, where this one is: while it writes the result and the report, somebody has to
   *  notice if it is gone. */
  async untilFirstIsDone(): Promise<void> {
    if (this.isFirst) return
    try {
      const [how = '', text = ''] = (await this.#awaited('anneal/end/0')).split('\t')
      if (how !== 'done') throw new LostError({ rank: 0, kind: how as Lost['kind'], text }, this.size)
    } catch (error) {
      const found = this.explained(error)
      throw found instanceof LostError ? new LostError(found.lost, this.size, { worked: true }) : found
    }
  }

  /** Says to the others how this rank ended, and leaves. The first rank, which keeps the store, leaves as the last. */
  async leave(how: 'done' | 'failed' | 'stopped', text = ''): Promise<void> {
    if (this.size === 1 || this.#left) return
    this.#left = true
    clearInterval(this.#timer)
    try {
      if (this.#lost?.rank !== -1) {
        this.#hearAll()
        group.set(`anneal/end/${this.rank}`, `${how}\t${text}`)
        group.add('anneal/ends', 1)
        const gone = this.#lost && this.#lost.kind === 'silent' ? 1 : 0
        const until = performance.now() + (how === 'done' ? 60_000 : 5000)
        while (this.isFirst && group.add('anneal/ends', 0) < this.size - gone && performance.now() < until) {
          if (how === 'done' && group.trouble(100) !== '') break
          await new Promise(resolve => setTimeout(resolve, 100))
        }
        this.#hearAll()
      }
    } catch {
      // The store is gone: nobody can be told any more.
    }
    group.leave()
  }

  /** The same without waiting for timers: where the process ends. `text`: the reason of a failure. */
  leaveNow(how: 'done' | 'failed', text = ''): void {
    if (this.size === 1 || this.#left) return
    this.#left = true
    clearInterval(this.#timer)
    const pause = new Int32Array(new SharedArrayBuffer(4))
    try {
      group.set(`anneal/end/${this.rank}`, `${how}\t${text}`)
      group.add('anneal/ends', 1)
      const until = performance.now() + 5000
      while (this.isFirst && group.add('anneal/ends', 0) < this.size && performance.now() < until)
        Atomics.wait(pause, 0, 0, 50)
    } catch {
      // The store is gone: nobody can be told any more.
    }
    group.leave()
  }

  #look(): void {
    this.#ask(lookMs)
    if (!this.#lost && this.#hear) this.#hearAll()
  }
  #ask(passedMs: number): void {
    if (this.size === 1 || this.#left || this.#lost) return
    this.#lost = readTrouble(group.trouble(passedMs))
    if (this.#lost) this.#abort!.abort()
  }
  #check(): void {
    if (this.#lost) throw new LostError(this.#lost, this.size)
  }
  #hearAll(): void {
    if (!this.#hear) return
    try {
      for (const there = group.add('anneal/saids', 0); this.#said < there; this.#said++) {
        const text = group.get(`anneal/said/${this.#said + 1}`)
        if (text === undefined) return
        const said = JSON.parse(text) as { rank: number; text: string }
        this.#hear(`rank ${said.rank}: ${said.text}`)
      }
    } catch {
      // As in `warnFirst`.
    }
  }
  #guarded<T>(fn: () => T): T {
    try {
      return fn()
    } catch (error) {
      const lost = troubleOf(error)
      if (!lost) throw error
      this.#lost ??= lost
      this.#abort?.abort()
      throw new LostError(this.#lost, this.size)
    }
  }
}

/** How often the group is looked after while nothing is computed, in milliseconds. */
const lookMs = 1000

/** The group lost a rank, or a rank has ended. */
export class LostError extends RanksError {
  readonly lost: Lost
  /** `worked`: the ranks had finished what they do together. */
  constructor(lost: Lost, size: number, { worked = false }: { worked?: boolean } = {}) {
    super(lostText(lost, size, { worked }))
    this.lost = lost
  }
}

/** The group of one process. */
export const alone: Ranks = new Ranks()
