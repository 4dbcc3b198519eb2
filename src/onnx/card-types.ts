// The cards of exported models as types, for the entries that show them: `anneal/export`, `anneal/serve`, `@anneal/run`.
export type {
  Card,
  CardCheck,
  CardCost,
  CardInput,
  CardMetric,
  CardQuantization,
  CardValidation,
  FileCard,
  NetCard,
  NetCheck,
} from './card.ts'
export type { SoundCardInput, SoundCheck, SoundFileCard } from './sound-card.ts'
export type {
  TableCardInput,
  TableCardReading,
  TableCardTexts,
  TableCardTokens,
  TableCell,
  TableCheck,
  TableFileCard,
} from './table-card.ts'
export type { TextCardInput, TextCheck, TextFileCard } from './text-card.ts'
