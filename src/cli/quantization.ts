import { bytes as size } from '../base/format.ts'
import type { CardCost, CardQuantization } from '../onnx/index.ts'
import { metricInfo } from '../runs/index.ts'

/** What quantisation did: layers, sizes, times, and what it costs. noun: what its samples are. */
export function quantization(
  q: CardQuantization,
  task: 'single' | 'multi' | 'regression',
  noun: { one: string; many: string } = { one: 'picture', many: 'pictures' },
): string {
  const { one, many } = noun
  const { layers, float32, bytes, milliseconds, loss, metric, same, method, calibration, samples, part } = q
  const kept =
    float32.length === 0
      ? `all ${layers} layers compute with integers`
      : `${layers - float32.length} of ${layers} layers compute with integers; in float32 stay ${float32.join(', ')}`
  const { name, say } = metricInfo(metric.name, task)
  const of = part === 'valid' ? `validation ${many}` : `training ${many} (folds leave no others)`
  const times = milliseconds.map(({ runtime, float32, quantized }) => {
    const faster = quantized <= float32
    const by = faster ? float32 / quantized : quantized / float32
    return `  ${runtime}: ${float32.toFixed(1)} → ${quantized.toFixed(1)} ms per ${one} (${by.toFixed(1)}x as ${faster ? 'fast' : 'slow'})`
  })
  return [
    `quantised: ${kept}; ranges by ${method} on ${calibration} training ${many}`,
    `the net alone, float32 → quantised: ${size(bytes.float32)} → ${size(bytes.quantized)}`,
    ...times,
    `on ${samples} ${of}: ${name} ${say(metric.before)} → ${say(metric.after)}, loss ${loss.before.toFixed(4)} → ${loss.after.toFixed(4)} (${interval(loss)})${task === 'regression' ? '' : `, ${(100 * same).toFixed(1)} % same labels`}`,
    '',
  ].join('\n')
}

const interval = ({ cost: [low, high], allowed }: CardCost): string =>
  `change ${low.toFixed(4)} to ${high.toFixed(4)} with 95 %, accepted up to ${allowed.toFixed(4)}`
