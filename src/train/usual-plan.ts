/** The samples that the whole net sees in its usual first cycle, all epochs together, and the limits of that length in
 *  epochs. Small sets need many epochs to make enough steps; large ones converge in a few (BiT's HyperRule, Kolesnikov
 *  et al. 2020, arXiv:1912.11370, also sets the steps by the number of samples). Chosen by `bench/accuracy.ts`. */
const [usualSamples, fewest, most] = [7000, 4, 32]

/** The epochs of the first cycle of the whole net, if nothing else is asked for. */
export const usualEpochs = (samples: number): number =>
  Math.min(most, Math.max(fewest, Math.round(usualSamples / Math.max(1, samples))))

/** The batch size, if nothing else is asked for: smaller for few samples over pretrained weights, where the number of
 *  steps counts more than the quality of each. */
export const usualBatch = (
  samples: number,
  { pretrained = true }: { pretrained?: boolean | undefined } = {},
): number => (pretrained && samples < 2000 ? 16 : 32)
