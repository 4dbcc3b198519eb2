import { F, type Layer, nn } from '../torch/index.ts'

/** Blocks that several families use, under torchvision's names. */

/** Convolution, BatchNorm, activation, as torchvision's Conv2dNormActivation: children `0`, `1`, and `2` if there is an
 *  activation. */
export function convNormAct(
  cin: number,
  cout: number,
  k: number,
  {
    stride = 1,
    groups = 1,
    act,
    norm = {},
  }: { stride?: number; groups?: number; act?: Layer | undefined; norm?: nn.BatchNormOptions } = {},
): nn.Module {
  return nn.sequential(
    nn.conv2d(cin, cout, k, { stride, groups, padding: k >> 1, bias: false }),
    nn.batchNorm2d(cout, norm),
    ...(act ? [nn.layer(act, 'Activation')] : []),
  )
}

/** Squeeze-and-excitation (Hu et al. 2018, arXiv:1709.01507): each channel is scaled by a gate computed from the means
 *  of all channels. */
export function squeezeExcite(c: number, squeezed: number, { act, gate }: { act: Layer; gate: Layer }): nn.Module {
  const m = { fc1: nn.conv2d(c, squeezed, 1), fc2: nn.conv2d(squeezed, c, 1) }
  return nn.module(m, x => x.mul(x.pipe(F.adaptiveAvgPool2d(1), m.fc1, act, m.fc2, gate)), { kind: 'SqueezeExcite' })
}
