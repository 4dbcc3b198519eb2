/** Pages that are served only to this machine. */
export { type Decided, decide, decisionsOf, decisionsPath, tally } from './decide.ts'
export { command, summary } from './page.ts'
export { type Entry, type Kind, type Review, type ReviewedPicture, reviewOf, type Section } from './review.ts'
export { type Served, serveReview } from './server.ts'
