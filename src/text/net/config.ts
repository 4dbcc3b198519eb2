/** The shape of a BERT-like net, as its card stores it. Names are those of Hugging Face's config.json. */
export interface BertConfig {
  /** `bert`, `roberta`, `distilbert`, …: which of its relatives it is. */
  kind: string
  layers: number
  width: number
  heads: number
  /** Width of the layer inside the feed-forward part. */
  inner: number
  activation: 'gelu' | 'gelu_tanh' | 'relu'
  eps: number
  vocabulary: number
  /** The most positions that have an embedding. */
  positions: number
  /** The number of the first position: 0 for BERT, the padding token's number plus one for RoBERTa. */
  firstPosition: number
  /** How many token types have an embedding; 0: none (DistilBERT). */
  types: number
  dropout: number
  attentionDropout: number
  /** The mean over a text's tokens, or the first token alone. */
  pooling: 'mean' | 'first'
  /** Numbers of the tokens before and after each window. */
  begin: number
  end: number
  /** The most tokens of a window, with those two. */
  window: number
}
