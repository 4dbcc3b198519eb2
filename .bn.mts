import { call } from './src/torch/call.ts'
import { autocast, F, fromArray, generator, grad, nn, noGrad, randn, scope, withKernels } from './src/torch/index.ts'

const one = (c: number, h: number, batch: boolean, residual: boolean) => {
  const bn = nn.batchNorm2d(c).train(batch)
  const x = randn([32, c, h, h], { generator: generator(1) })
    .to('bfloat16')
    .contiguous('channels_last')
  x.requiresGrad = true
  const r = randn([32, c, h, h], { generator: generator(2) })
    .to('bfloat16')
    .contiguous('channels_last')
  r.requiresGrad = true
  const g = randn([32, c, h, h], { generator: generator(3) })
    .to('bfloat16')
    .contiguous('channels_last')
  const { weight, bias } = bn.own.parameters,
    { running_mean, running_var } = bn.own.buffers
  const t = (f: () => void) => {
    let b = 1e9
    for (let i = 0; i < 15; i++) {
      const s = performance.now()
      scope(f)
      b = Math.min(b, performance.now() - s)
    }
    return b.toFixed(2)
  }
  const own = () => {
    const y = call(
      'anneal::norm_act',
      x,
      weight,
      bias,
      running_mean,
      running_var,
      residual ? r : null,
      'relu',
      batch,
      1e-5,
      0.1,
    ) as any
    grad([y], [x, weight!, bias!, ...(residual ? [r] : [])], { gradients: [g] })
  }
  const own0 = () =>
    noGrad(() => {
      call(
        'anneal::norm_act',
        x,
        weight,
        bias,
        running_mean,
        running_var,
        residual ? r : null,
        'relu',
        batch,
        1e-5,
        0.1,
      ) as any
    })
  const lib = () =>
    withKernels('aten', () => {
      const y = residual ? bn(x).add_(r).pipe(F.relu_) : x.pipe(bn, F.relu_)
      grad([y], [x, weight!, bias!, ...(residual ? [r] : [])], { gradients: [g] })
    })
  console.log(c, h, batch ? 'batch' : 'kept', residual ? 'res' : '', 'own fwd', t(own0), 'both', t(own), 'aten', t(lib))
}
for (const [c, h] of [
  [64, 56],
  [256, 56],
  [512, 28],
  [1024, 14],
  [2048, 7],
  [256, 32],
  [512, 16],
  [1024, 8],
  [2048, 4],
  [128, 32],
] as const) {
  one(c, h, true, false)
  one(c, h, true, true)
}
