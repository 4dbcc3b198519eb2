/** Type of the elements, by torch's name. */
export type DType =
  | 'uint8'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float16'
  | 'bfloat16'
  | 'float32'
  | 'float64'
  | 'bool'
  | 'complex64'
  | 'complex128'
/** The layout of the elements in memory, by torch's name. */
export type MemoryFormat = 'contiguous_format' | 'channels_last' | 'channels_last_3d' | 'preserve_format'
/** A number as an operand beside tensors. */
export type Scalar = number | boolean | bigint
