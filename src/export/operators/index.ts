import { convolution } from './convolution.ts'
import { elementwise } from './elementwise.ts'
import type { Rule } from './emitter.ts'
import { normalisation } from './normalisation.ts'
import { pooling } from './pooling.ts'
import { products } from './products.ts'
import { reduction } from './reduction.ts'
import { shape } from './shape.ts'

/** How each operator of libtorch is written, by its name. */
export const rules: Readonly<Record<string, Rule>> = {
  ...convolution,
  ...pooling,
  ...elementwise,
  ...products,
  ...normalisation,
  ...reduction,
  ...shape,
}
