/** A picture with what the model made of it. `probability` is that of `predicted`; `thumbnail` is a small JPEG in
 *  base64, or the path of a picture file inside the run folder. */
export type JudgedPicture = {
  file: string
  actual: string
  predicted: string
  loss: number
  probability: number
  thumbnail: string
}

/** A training picture as the model saw it, augmented. */
export type SamplePicture = { label: string; thumbnail: string }

/** Scores of one class on the validation pictures; `support` counts its pictures. */
export type ClassScore = { name: string; precision: number; recall: number; f1: number; support: number }

/** `interpret.json`: what the best weights do on the validation pictures, ready to be drawn. `confusion[i][j]` counts
 *  pictures of class i that were taken for class j. */
export type Interpretation = {
  classes: string[]
  confusion: number[][]
  topLosses: JudgedPicture[]
  mostUncertain: JudgedPicture[]
  samples: SamplePicture[]
  perClass: ClassScore[]
  test?: { accuracy: number; loss: number; confusion: number[][] }
}
