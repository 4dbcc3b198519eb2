export {
  functionGraph,
  type NetworkGraphOptions,
  type NetworkOutputs,
  networkGraph,
  type PictureShape,
} from './network.ts'
export { type StoredWeights, storeWeights } from './store-weights.ts'
