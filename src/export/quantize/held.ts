import { calibrationSamples, heldSamples } from './index.ts'

/** What the loss of a quantised net is measured on: validation samples, or others of training than those of calibration where
 *  folds leave no validation samples and there are enough. */
export function heldOf<T>(samples: {
  held: 'valid' | 'train'
  of(part: 'valid' | 'train', most: number, skip?: number): T
}): T {
  if (samples.held === 'valid') return samples.of('valid', heldSamples)
  try {
    return samples.of('train', heldSamples, calibrationSamples)
  } catch {
    return samples.of('train', heldSamples)
  }
}
