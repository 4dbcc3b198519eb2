import { call, keep, nn, noGrad, scope, type Tensor } from '../torch/index.ts'

/** An exponential average of a net's weights and statistics over about `steps` steps (Polyak & Juditsky 1992): it
 *  validates better than the weights of the last step. */
export class WeightAverage {
  readonly #state: () => ReadonlyMap<string, Tensor>
  readonly #decay: number
  #kept: Map<string, Tensor> | undefined

  constructor(net: nn.Module, steps: number) {
    this.#state = nn.whileUnchanged(() => net.stateDict())
    this.#decay = 1 - 1 / steps
  }

  /** Adds the weights of one more step. */
  update(): void {
    this.blend(this.#decay)
  }

  /** Keeps this share of the average; the rest becomes the net's weights. */
  protected blend(share: number): void {
    noGrad(() =>
      scope(() => {
        const now = this.#state()
        this.#kept ??= keep(new Map(this.#copies(now)))
        const names = [...this.#kept.keys()]
        const weights = names.map(name => now.get(name)!)
        call('anneal::blend', [...this.#kept.values()], weights, share)
      }),
    )
  }

  *#copies(now: ReadonlyMap<string, Tensor>): Iterable<[string, Tensor]> {
    for (const [name, t] of now) if (t.dtype.startsWith('float')) yield [name, t.detach().clone()]
  }

  /** Runs `fn` with the averaged weights in the net. */
  async during<T>(fn: () => Promise<T> | T): Promise<T> {
    this.#swap()
    try {
      return await fn()
    } finally {
      this.#swap()
    }
  }

  /** The averaged tensors themselves; empty before the first step. */
  get tensors(): ReadonlyMap<string, Tensor> {
    return this.#kept ?? new Map()
  }
  restore(tensors: ReadonlyMap<string, Tensor>): void {
    for (const t of this.#kept?.values() ?? []) t.dispose()
    const own = this.#state()
    // In the memory format of the weights, since another one may round differently.
    const like = (name: string, t: Tensor) => own.get(name)!.detach().clone().copy_(t)
    this.#kept =
      tensors.size > 0
        ? noGrad(() => scope(() => keep(new Map(Array.from(tensors, ([name, t]) => [name, like(name, t)])))))
        : undefined
  }

  #swap(): void {
    noGrad(() =>
      scope(() => {
        const own = this.#state()
        for (const [name, kept] of this.#kept ?? []) {
          const t = own.get(name)!
          const held = t.detach().clone()
          t.copy_(kept)
          kept.copy_(held)
        }
      }),
    )
  }
}
