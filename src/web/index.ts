/** Pages that are served only to this machine. */
export { withTexts } from './contents.ts'
export { type Decided, decide, decisionsOf, decisionsPath, tally } from './decide.ts'
export { command, summary } from './page.ts'
export { type Entry, type Kind, type Review, type ReviewedSample, reviewOf, type Section } from './review.ts'
export { type Served, serveReview } from './server.ts'
