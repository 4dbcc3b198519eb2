/** Trains a small net without the recipe: tensors, autograd, modules and an optimizer. Run:
 *  node --import tsx examples/03-torch.ts */
import { F, manualSeed, nn, optim, randn, scope } from '../src/torch/index.ts'

manualSeed(1)
const net = nn.sequential(nn.linear(2, 16), nn.layer(F.relu), nn.linear(16, 1))
const optimizer = optim.adamw(net.parameters(), { lr: 0.02 })

const x = randn([256, 2])
const y = x.mul(x).sum(1, { keepdim: true }) // target: the squared distance from the origin
for (let step = 1; step <= 300; step++) {
  const loss = scope(() => {
    const loss = F.mse(net(x), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss.item()
  })
  if (step % 100 === 0) console.log(`step ${step}: loss ${loss.toFixed(4)}`)
}
