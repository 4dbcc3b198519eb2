import assert from 'node:assert/strict'
import { test } from 'node:test'
import { functionGraph } from '../../src/export/network.ts'
import { rules } from '../../src/export/operators/index.ts'
import { Graph } from '../../src/onnx/index.ts'
import {
  aten,
  call,
  cat,
  F,
  keep,
  manualSeed,
  nn,
  noGrad,
  ones,
  randn,
  scope,
  stack,
  type Tensor,
  tensor,
  zeros,
} from '../../src/torch/index.ts'
import { trace } from '../../src/torch/trace.ts'
import { checkStructure, difference, fileOf, runFile } from './nets.make.ts'

type Fn = (x: Tensor) => Tensor
type Cases = Record<string, Fn>

const known = <T>(make: () => T): (() => T) => {
  let made: T | undefined
  return () => (made ??= make())
}
/** Weights that stay the same from run to run. */
const fixed = (...shape: number[]): (() => Tensor) => known(() => keep(randn(shape)))

const w3 = fixed(6, 4, 3, 3)
const w2 = fixed(4, 5, 2, 2)
const b6 = fixed(6)
const depthwise = fixed(8, 1, 3, 3)
const c4 = fixed(4)
const square = fixed(8, 8)
const rows = fixed(3, 8)
const b3 = fixed(3)
const line = fixed(8, 5, 3)
const one = fixed(1)
const cube = fixed(2, 1, 2, 2, 2)

/** Maps x: [N, 4, 6, 7]. */
const maps: Cases = {
  conv: x => aten.conv2d(x, w3(), { bias: b6(), stride: [2, 1], padding: [1, 0] }),
  'conv with dilation': x => aten.conv2d(x, w3(), { dilation: 2, padding: 2 }),
  'conv in groups': x => aten.conv2d(x, depthwise(), { groups: 4, padding: 1 }),
  'conv that keeps the size': x => aten.conv2d(x, w2().narrow(1, 0, 4), { padding: 'same' } as never),
  'conv with padding by name': x => aten.conv2d(x, w3(), { padding: 'valid' } as never),
  'conv1d over flattened pixels': x => aten.conv1d(x.flatten(2), line().narrow(1, 0, 4), { padding: 1 }),
  conv3d: x => aten.conv3d(x.unsqueeze(1), cube()),
  'conv transposed': x => aten.conv_transpose2d(x, w2(), { stride: 2, output_padding: 1 }),
  'conv transposed 1d': x => aten.conv_transpose1d(x.flatten(2), line().narrow(0, 0, 4)),
  'TensorFlow padding before a conv': x => aten.conv2d(F.samePad(3, 2)(x), w3(), { stride: 2 }),
  'padding that two layers read': x => {
    const padded = aten.constant_pad_nd(x, [1, 2, 0, 1])
    return aten
      .conv2d(padded, w3())
      .sum([2, 3])
      .add(aten.amax(padded, { dim: [1, 2, 3] }).unsqueeze(1))
  },
  'padding with a number': x => aten.constant_pad_nd(x, [1, 2, 0, 1], { value: 0.5 }),
  'padding before a conv, with a number': x => aten.conv2d(aten.constant_pad_nd(x, [1, 1], { value: 2 }), w3()),
  'padding by reflection': x => aten.reflection_pad2d(x, [1, 2, 0, 1]),
  'padding by the edge': x => aten.replication_pad2d(x, [1, 2, 0, 1]),
  'max pool': x => aten.max_pool2d(x, 2),
  'max pool, padded, steps of 2': x => aten.max_pool2d(x, 3, { stride: 2, padding: 1 }),
  'max pool, rounding up': x => aten.max_pool2d(x, 2, { ceil_mode: true }),
  'max pool, rounding up, last window outside': x => aten.max_pool2d(x, 2, { stride: 3, padding: 1, ceil_mode: true }),
  'max pool, dilated': x => aten.max_pool2d(x, 2, { dilation: 3, stride: 1 }),
  'max pool 1d': x => aten.max_pool1d(x.flatten(2), 5),
  'average pool': x => aten.avg_pool2d(x, 2),
  'average pool, padding counts': x => aten.avg_pool2d(x, 3, { stride: 2, padding: 1 }),
  'average pool, padding does not count': x => aten.avg_pool2d(x, 3, { padding: 1, count_include_pad: false }),
  'average pool, rounding up': x => aten.avg_pool2d(x, 2, { ceil_mode: true }),
  'average pool, rounding up, padding counts': x => aten.avg_pool2d(x, 3, { stride: 2, padding: 1, ceil_mode: true }),
  'average pool, padding counts, window over it': x =>
    aten.avg_pool2d(x, [3, 4], { stride: [2, 3], padding: 1, ceil_mode: true }),
  'average pool, rounding up, padding does not count': x =>
    aten.avg_pool2d(x, [3, 4], { stride: [2, 3], padding: 1, ceil_mode: true, count_include_pad: false }),
  'average pool, own divisor': x => aten.avg_pool2d(x, 2, { divisor_override: 3 }),
  'average pool 1d': x => aten.avg_pool1d(x.flatten(2), 5),
  'adaptive pool to one': x => aten.adaptive_avg_pool2d(x, [1, 1]),
  'adaptive pool, equal parts': x => aten.adaptive_avg_pool2d(x, [3, 7]),
  'adaptive pool, parts that overlap': x => aten.adaptive_avg_pool2d(x, [4, 5]),
  'adaptive pool to more than there is': x => aten.adaptive_avg_pool2d(x, [7, 9]),
  'adaptive pool 1d': x => aten.adaptive_avg_pool1d(x.flatten(2), 6),
  'adaptive maximum': x => aten.adaptive_max_pool2d(x, [1, 1])[0],
  'adaptive maximum, equal parts': x => aten.adaptive_max_pool2d(x, [2, 7])[0],
  'batch norm alone': x => aten.batch_norm(x.relu(), c4(), null, c4().mul(2), c4().abs(), false, 0.1, 1e-3, true),
  'batch norm after a conv': x =>
    aten.batch_norm(aten.conv2d(x, w3()), b6(), b6(), b6(), b6().abs(), false, 0.1, 1e-3, true),
  'group norm': x => aten.group_norm(x, 2, { weight: c4(), bias: c4() }),
  'instance norm': x => aten.instance_norm(x, c4(), null, null, null, true, 0.1, 1e-5, true),
  'layer norm over channels': x => nnLayerNorm(x.permute(0, 2, 3, 1), 4),
  'concatenated pools': nn.concatPool,
  'pixel shuffle': x => aten.pixel_shuffle(x, 2),
  'pixel unshuffle': x => aten.pixel_unshuffle(x.narrow(3, 0, 6), 2),
  'channel shuffle': x => aten.channel_shuffle(x, 2),
  upsample: x => aten.upsample_nearest2d(x, [9, 14]),
  'upsample by lines': x => aten.upsample_bilinear2d(x, [9, 14], false),
  'upsample by lines, corners': x => aten.upsample_bilinear2d(x, [9, 14], true),
  'upsample by cubes': x => aten.upsample_bicubic2d(x, [9, 14], false),
  flip: x => aten.flip(x, [1, -1]),
  roll: x => aten.roll(x, [2, -3], { dims: [2, 3] }),
  'roll by more than the size': x => aten.roll(x, [-11], { dims: [1] }),
  prelu: x => aten.prelu(x, c4()),
  'prelu with one slope': x => aten.prelu(x, one()),
}

/** Tokens x: [N, 6, 8]. */
const tokens: Cases = {
  linear: x => aten.linear(x, rows(), { bias: b3() }),
  'linear without bias': x => aten.linear(x, rows()),
  'linear on vectors': x => aten.linear(x.select(1, 0), rows(), { bias: b3() }),
  'linear after batch norm': x => {
    const v = x.select(1, 2)
    const eight = square().select(0, 0)
    const normed = aten.batch_norm(v, eight, eight, eight, eight.abs(), false, 0.1, 1e-5, true)
    return aten.linear(normed, rows(), { bias: b3() })
  },
  'batch norm after linear': x => {
    const y = aten.linear(x.select(1, 2), rows())
    return aten.batch_norm(y, b3(), b3(), b3(), b3().abs(), false, 0.1, 1e-5, true)
  },
  'linear with computed weights': x => aten.linear(x, x.select(1, 0).mean(0, { keepdim: true })),
  matmul: x => x.matmul(square()),
  mm: x => aten.mm(x.select(1, 0), square()),
  bmm: x => aten.bmm(x, x.transpose(1, 2)),
  addmm: x => aten.addmm(square().select(0, 1), x.select(1, 0), square(), { beta: 2, alpha: 0.5 }),
  einsum: x => aten.einsum('nsd, de -> nse', [x, square()]),
  softmax: x => x.softmax(-1),
  'log softmax': x => x.logSoftmax(1),
  attention: x => aten.scaled_dot_product_attention(x, x, x),
  'attention in heads': x => {
    const parts = aten.unbind(x.reshape(x.shape[0]!, 6, 2, 2, 2).permute(2, 0, 3, 1, 4))
    return F.attention(parts[0]!, parts[1]!, parts[0]!, { fused: false })
  },
  'attention with a scale, causal': x => aten.scaled_dot_product_attention(x, x, x, { is_causal: true, scale: 0.3 }),
  'attention with a mask': x =>
    aten.scaled_dot_product_attention(x, x, x, { attn_mask: square().narrow(0, 0, 6).narrow(1, 0, 6) }),
  'attention with a mask of bits': x =>
    aten.scaled_dot_product_attention(x, x, x, {
      attn_mask: aten.gt(square().narrow(0, 0, 6).narrow(1, 0, 6).abs(), 0.1),
    }),
  'layer norm': x => nnLayerNorm(x, 8),
  'layer norm over two': x => aten.layer_norm(x, [6, 8]),
  'sum, mean, extremes': x =>
    cat([x.sum(1), x.mean(1), aten.amax(x, { dim: [1] }), aten.amin(x, { dim: [1] }), aten.logsumexp(x, [1])], 1),
  'spread and norms': x =>
    cat(
      [
        aten.var(x, [1, 2]),
        aten.var(x, [1, 2], { unbiased: false }),
        aten.std(x, { dim: [1, 2], correction: 0.5 }),
        aten.linalg_vector_norm(x, { dim: [1, 2] }),
        aten.norm(x, 1, [1, 2]),
      ].map(t => t.unsqueeze(1)),
      1,
    ),
  'sums so far': x => aten.cumsum(x, -1),
  baddbmm: x => aten.baddbmm(x.narrow(2, 0, 6), x, x.transpose(1, 2), { beta: 0.5, alpha: 2 }),
  mv: x => aten.mv(x.select(1, 0), square().select(0, 0)),
  'other names': x =>
    aten.concatenate(
      [
        aten.multiply(x, x),
        aten.divide(x, 2),
        aten.true_divide(x, 3),
        aten.subtract(x, 1),
        aten.negative(x),
        aten.absolute(x),
        aten.clip(x, { min: 0 }),
        aten.moveaxis(call('mT', x) as Tensor, 1, 2),
      ],
      { dim: 1 },
    ),
  ravelled: x => aten.ravel(x).reshape(x.shape[0]!, -1),
  'mean over two': x => x.mean([1, 2], { keepdim: true }),
  product: x => aten.prod(x, 1, { keepdim: true }),
  'maximum along a dimension': x => aten.max(x, 2)[0],
  'minimum along a dimension': x => aten.min(x, -1, { keepdim: true })[0],
  'split, one part unread': x => aten.split(x, 3, { dim: 2 })[1]!,
  'split by sizes': x => aten.split_with_sizes(x, [1, 7], { dim: -1 })[1]!,
  chunk: x => aten.chunk(x, 4, { dim: 1 })[2]!,
  'tensor split': x => aten.tensor_split(x, 3, { dim: 2 })[2]!,
  'unbind of one': x => aten.unbind(x.narrow(1, 0, 1), { dim: 1 })[0]!,
  'select from the end': x => x.select(2, -1),
  'select by numbers': x => x.indexSelect(1, tensor([4n, 0n, 4n])),
  narrow: x => x.narrow(-1, -3, 2),
  slice: x => aten.slice(x, { dim: 1, start: 1, end: -1, step: 2 }),
  'slice of all': x => aten.slice(x, { dim: 0 }).add(1),
  'views of one batch': x => {
    const n = x.shape[0]!
    return aten.view(x, [n, 2, 3, 8]).flatten(0, 1).reshape(-1, 4, 6).unsqueeze(1).squeeze(1).reshape(n, 48)
  },
  unflatten: x => aten.unflatten(x, 2, [2, -1]),
  'reshape as another': x => aten.reshape_as(x, x.transpose(1, 2)).add(aten.view_as(x, x.reshape(x.shape[0]!, 8, 6))),
  'transposes of all kinds': x =>
    aten
      .swapaxes(aten.swapdims(aten.movedim(x, [0], [2]), 0, 1), 0, 2)
      .add((call('t', x.select(1, 0)) as Tensor).sum()),
  movedim: x => aten.movedim(x, -1, 0).permute(1, 2, 0),
  expand: x => x.mean(1, { keepdim: true }).expand(-1, 5, 8),
  'expand as another': x => aten.expand_as(x.mean(2, { keepdim: true }), x),
  repeat: x => aten.repeat(x, [2, 1, 1, 3]),
  tile: x => aten.tile(x, [2, 1]),
  'a token for each picture': x => cat([one().expand(x.shape[0]!, 1, 8), x], 1),
  'a batch of noughts': x => cat([zeros([x.shape[0]!, 2, 8]), x], 1),
  'two tokens for each picture': x => cat([x.reshape(-1, 8).narrow(1, 0, 3), ones([6 * x.shape[0]!, 2])], 1),
  concat: x => aten.concat([x, x], { dim: -1 }),
  stack: x => stack([x, x.mul(2)], 1),
  'in place': x => F.relu_(x.add(1)).mul_(2).add_(x, { alpha: 0.5 }),
  'in place on one half': x => {
    const [a, b] = aten.chunk(x.mul(1), 2, { dim: 2 }) as [Tensor, Tensor]
    aten.sigmoid_(b)
    return a.mul(b)
  },
  'copied in': x => x.mul(2).copy_(x.mean(1, { keepdim: true })),
  'types in between': x => x.mul(4).to('int64').to('float32').add(aten.type_as(x, x)),
  'whole numbers': x => x.mul(4).to('int64').add(3).to('float64').mul(0.5).to('float32'),
  'by the names that others use': x =>
    call('_to_copy', call('_unsafe_view', x, [x.shape[0], 48]), { dtype: 'float64' }).to('float32'),
  'tensors like another': x =>
    stack([aten.zeros_like(x), aten.ones_like(x), aten.full_like(x, 0.5), x.mul(aten.zeros_like(x).add(2))], 1),
  'new tensors': x =>
    cat(
      [aten.new_zeros(x, [x.shape[0]!, 3]), aten.new_ones(x, [x.shape[0]!, 2]), aten.new_full(x, [x.shape[0]!, 2], 7)],
      1,
    ).add(x.mean()),
  'a copy': x => x.clone().contiguous().detach().add(aten.alias(x)),
  dropout: x =>
    aten
      .dropout(x, 0.5, false)
      .add(aten.feature_dropout(x, 0.5, false))
      .add(aten.alpha_dropout(x, 0.5, false)),
}

/** Element by element, x: [N, 6, 8]. */
const elements: Cases = {
  activations: x =>
    stack(
      [
        x.relu(),
        x.sigmoid(),
        aten.tanh(x),
        F.silu(x),
        F.hardswish(x),
        F.hardsigmoid(x),
        aten.mish(x),
        F.relu6(x.mul(5)),
        aten.relu6(x.mul(5)),
        aten.softplus(x),
        aten.elu(x, { alpha: 0.7 }),
        aten.selu(x),
        aten.leaky_relu(x, { negative_slope: 0.2 }),
      ],
      1,
    ),
  'more functions': x => {
    const p = x.abs()
    return stack(
      [
        aten.log1p(p),
        aten.expm1(x),
        aten.log_sigmoid(x),
        aten.celu(x, { alpha: 0.7 }),
        aten.addcdiv(x, x, p.add(1), { value: 2 }),
      ],
      1,
    )
  },
  'joined bits': x =>
    aten.logical_and(aten.gt(x, -0.5), aten.logical_or(aten.lt(x, 0.1), aten.gt(x, 0.5))).to('float32'),
  gelu: x => stack([F.gelu(x), aten.gelu(x, { approximate: 'tanh' })], 1),
  glu: x => aten.glu(x, { dim: 1 }),
  functions: x => {
    const p = x.abs().add(0.1)
    return stack(
      [
        x.exp(),
        p.log(),
        p.sqrt(),
        p.rsqrt(),
        aten.reciprocal(p),
        x.neg(),
        aten.erf(x),
        aten.floor(x),
        aten.ceil(x),
        aten.round(x),
        aten.sign(x),
        aten.sin(x),
        aten.cos(x),
        aten.square(x),
      ],
      1,
    )
  },
  arithmetic: x => {
    const p = x.abs().add(0.5)
    return stack(
      [
        x.add(p),
        x.sub(p),
        x.mul(p),
        x.div(p),
        x.add(2),
        x.sub(0.5),
        x.mul(3),
        x.div(4),
        aten.rsub(x, 1),
        aten.sub(x, p, { alpha: 2 }),
        aten.add(x, p, { alpha: 0.25 }),
        p.pow(1.5),
        x.pow(2),
        p.pow(p),
        aten.div(x, p, { rounding_mode: 'floor' }),
      ],
      1,
    )
  },
  'with constants': x =>
    x
      .mul(square().select(0, 0))
      .add(square().narrow(0, 0, 6))
      .sub(one()),
  'larger and smaller': x =>
    stack([aten.maximum(x, x.neg()), aten.minimum(x, x.mul(2)), aten.max(x, x.mul(2)), aten.min(x, x.neg())], 1),
  clamped: x =>
    stack(
      [
        x.clamp(-0.5, 0.3),
        aten.clamp(x, { min: 0.1 }),
        aten.clamp(x, { max: 0.1 }),
        aten.clamp_min(x, -0.2),
        aten.clamp_max(x, 0.2),
        aten.clamp(x, { min: one() }),
      ],
      1,
    ),
  joined: x => stack([aten.addcmul(x, x, x, { value: 0.5 }), aten.lerp(x, x.mul(3), 0.25)], 1),
  compared: x => {
    const bits = [x.eq(x), aten.ne(x, x.abs()), aten.gt(x, 0), aten.ge(x, 0.3), aten.lt(x, 0), aten.le(x, x.neg())]
    return stack(
      [...bits, aten.logical_not(aten.gt(x, 0))].map(b => b.to('float32')),
      1,
    )
  },
  chosen: x =>
    stack(
      [
        aten.where(aten.gt(x, 0), x, x.mul(0.1)),
        aten.where(aten.gt(x, 0), 1.5, -0.5 as never) as unknown as Tensor,
        aten.masked_fill(x, aten.gt(x, 0.5), 0.5),
      ],
      1,
    ),
}

const nnLayerNorm = (x: Tensor, c: number) =>
  aten.layer_norm(x, [c], { weight: square().flatten().narrow(0, 0, c), bias: square().flatten().narrow(0, 9, c) })

const seen = new Set<string>()
const groups = { maps: [maps, [4, 6, 7]], tokens: [tokens, [6, 8]], elements: [elements, [6, 8]] } as const

for (const [group, [cases, shape]] of Object.entries(groups))
  test(`each operator gives in a graph what it gives in libtorch: ${group}`, async () => {
    manualSeed(3)
    const graph = new Graph()
    const input = graph.input('x', 'float', ['N', ...shape])
    const names = Object.entries(cases).map(([name, fn]) => {
      const { calls } = trace(x => [fn(x)], randn([2, ...shape]))
      for (const { operator } of calls) seen.add(operator)
      const [made] = functionGraph(graph, x => [fn(x)], input, shape, { model: name })
      return made!
    })
    checkStructure(graph, names, [input])
    const ranks = Object.values(cases).map(fn => noGrad(() => scope(() => fn(randn([1, ...shape])).shape.length)))
    for (const [j, name] of names.entries())
      if (names.indexOf(name) === j)
        graph.output(
          name,
          'float',
          Array.from({ length: ranks[j]! }, (_, k) => `${name}/${k}`),
        )
    const inputs = [randn([1, ...shape]), randn([5, ...shape])]
    const made = await runFile(fileOf(graph), input, inputs)
    for (const [i, x] of inputs.entries())
      for (const [j, [name, fn]] of Object.entries(cases).entries()) {
        const [dims, wanted] = noGrad(() => scope(() => [fn(x).shape, fn(x).numbers()] as const))
        const got = made[i]![names[j]!]!
        assert.deepEqual(got.dims, dims, `${name}, ${x.shape[0]} pictures: another shape`)
        const apart = difference(got.values, wanted)
        assert.ok(apart <= 2e-6, `${name}, ${x.shape[0]} pictures: ${apart} apart`)
      }
  })

test('each rule was tried', () => {
  assert.deepEqual(
    Object.keys(rules).filter(name => !seen.has(name)),
    [],
  )
})
