import { bytes as size } from '../base/format.ts'
import type { CardCost, CardQuantization } from '../onnx/index.ts'
import { metricInfo } from '../runs/index.ts'

/** What quantisation did: layers, sizes, times, and what it costs. */
export function quantization(q: CardQuantization, task: 'single' | 'multi' | 'regression'): string {
  const { layers, float32, bytes, milliseconds, loss, metric, same, method, calibration, pictures, part } = q
  const kept =
    float32.length === 0
      ? `all ${layers} layers compute with integers`
      : `${layers - float32.length} of ${layers} layers compute with integers; in float32 stay ${float32.join(', ')}`
  const { name, say } = metricInfo(metric.name, task)
  const of = part === 'valid' ? 'validation pictures' : 'training pictures (folds leave no others)'
  const times = milliseconds.map(({ runtime, float32, quantized }) => {
    const faster = quantized <= float32
    const by = faster ? float32 / quantized : quantized / float32
    return `  ${runtime}: ${float32.toFixed(1)} → ${quantized.toFixed(1)} ms per picture (${by.toFixed(1)}x as ${faster ? 'fast' : 'slow'})`
  })
  return [
    `quantised: ${kept}; ranges by ${method} on ${calibration} training pictures`,
    `the net alone, float32 → quantised: ${size(bytes.float32)} → ${size(bytes.quantized)}`,
    ...times,
    `on ${pictures} ${of}: ${name} ${say(metric.before)} → ${say(metric.after)}, loss ${loss.before.toFixed(4)} → ${loss.after.toFixed(4)} (${interval(loss)})${task === 'regression' ? '' : `, ${(100 * same).toFixed(1)} % same labels`}`,
    '',
  ].join('\n')
}

const interval = ({ cost: [low, high], allowed }: CardCost): string =>
  `change ${low.toFixed(4)} to ${high.toFixed(4)} with 95 %, accepted up to ${allowed.toFixed(4)}`
