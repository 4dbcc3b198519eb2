import { AnnealError, ImageError } from '../../base/errors.ts'
import type { Kernels } from '../../torch/index.ts'
import type { StoredModel } from '../../train/saved-model.ts'
import type { ComputeOptions } from './answer.ts'
import type { ReadImage } from './image-inputs.ts'
import type { Preprocessing } from './saved.ts'

/** What the thread that predicts is asked. Each `id` gets one `Reply`, but `cancel`. */
export type Request =
  | { kind: 'load'; id: number; model: number; stored: StoredModel<Preprocessing>; options: ComputeOptions }
  | {
      kind: 'answer'
      id: number
      model: number
      images: readonly ReadImage[]
      alone: boolean
      /** How the asking thread computes, where its user has said so. */
      threads: number | undefined
      kernels: Kernels
    }
  | { kind: 'drop'; id: number; model: number }
  /** Whoever asked `id` does not wait any more. */
  | { kind: 'cancel'; id: number }

/** What it answers. */
export type Reply = { id: number } & ({ result: unknown } | { failed: PlainError })

/** An error as another thread can be told. */
export interface PlainError {
  name: string
  message: string
  stack?: string | undefined
  /** Of errors that have one: `ENOENT`. */
  code?: unknown
  isOurs: boolean
  cause?: PlainError | undefined
}

/** Takes an error apart; its class would not survive. */
export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), isOurs: false }
  const { name, message, stack, cause } = error
  const isOurs = error instanceof AnnealError
  const code = 'code' in error ? String(error.code) : undefined
  return { name, message, stack, code, isOurs, cause: cause === undefined ? undefined : plainError(cause) }
}

/** Makes the error again. */
export function madeError({ name, message, stack, code, isOurs, cause: inner }: PlainError): Error {
  const cause = inner && madeError(inner)
  const error = isOurs ? new ImageError(message, { cause }) : new Error(message, cause ? { cause } : {})
  error.name = name
  if (code !== undefined) Object.assign(error, { code })
  if (stack !== undefined) error.stack = stack
  return error
}
