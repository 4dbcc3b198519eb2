import { bool, choice, int, text } from '../base/option-kinds.ts'
import { group } from '../base/option-table.ts'
import { batchOption } from '../recipes/options.ts'

// biome-ignore format: one option, one line or two
/** The options of `anneal bench`. */
export const benchOptions = group('Run', ['bench'], {
    model: text('the name of a model').flag('--model <name>').default('tf_efficientnet_lite0').says('the model by its torchvision or timm name'),
    size: int(32, 2048).flag('--size <pixels>').otherwise("the model's own").example(224).says('the side of the pictures in pixels'),
    batchSize: batchOption(2).says('the batch size: pictures per step'),
    precision: choice('auto', 'float32', 'bfloat16').flag('--precision <type>').default('auto').says('what to measure; auto is all that the processor has'),
    steps: int(1, 10_000).flag('--steps <n>').default(6).says('how many steps of each kind are timed'),
    layers: bool().flag('--layers').default(false).says('also show how long each convolution takes in each way, and which way training takes'),
  })
