import { ModelError } from '../base/errors.ts'
import { aten, type nn, type Tensor } from '../torch/index.ts'

/** Adapts the weight of a first convolution from three channels to `channels`: [cout, 3, k, k] → [cout, channels, k,
 *  k]. For one channel it is the sum of the three; otherwise they are repeated in turn and scaled by 3 / channels, so
 *  that activations keep their size (timm's adapt_input_conv). */
export function adaptFirstConv(weight: Tensor, channels: number): Tensor {
  const [, given] = weight.shape
  if (given === channels) return weight
  if (given !== 3 || !Number.isInteger(channels) || channels < 1)
    throw new ModelError(
      `adaptFirstConv: a weight [${weight.shape}] can't be adapted to ${channels} channels; expected [cout, 3, k, k] and a whole number from 1`,
    )
  if (channels === 1) return aten.sum(weight, [1], { keepdim: true })
  const repeated = aten.repeat(weight, [1, Math.ceil(channels / 3), 1, 1]).narrow(1, 0, channels)
  return repeated.mul(3 / channels)
}

/** The name of the weight of the net's first convolution. */
export function firstConv(net: nn.Module): string | undefined {
  for (const [name, m] of net.modules()) if (m.kind === 'Conv2d') return name ? `${name}.weight` : 'weight'
  return undefined
}
