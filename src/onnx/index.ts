export * from './card.ts'
export * from './graph.ts'
export { probePicture } from './probe.ts'
export { readCard } from './read.ts'
