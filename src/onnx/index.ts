export * from './card.ts'
export * from './graph.ts'
