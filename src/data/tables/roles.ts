/** Columns that name files. */
export const fileNames =
  /^(file|files|filename|file_?name|path|file_?path|image|images|(image|img|picture|photo)_?(name|file|path|id)|img|picture|photo|f_?name|name|id)$/i

/** Those of them that are almost never the name of a column of numbers or notes. */
export const plainFileNames =
  /^(files?|file_?names?|paths?|(file|image|img)_?paths?|(image|img|picture|photo)_?(names?|files?)|image|img|picture|photo|f_?name)$/i

/** Columns of labels. */
export const labelNames =
  /^(label|labels|class|classes|class_?name|label_?name|target|targets|tag|tags|category|categories|diagnosis|species|breed|y)$/i

/** Columns of train, valid and test, and of folds. */
export const splitColumns = /^(split|set|subset|fold|partition|is_?valid|dataset|phase)$/i

/** Columns of groups: a group must not be on both sides of a split. */
export const groupColumns = /^(patient|subject|person|group|site|session|scene|video|series)(_?(id|name|number))?$/i

/** Names of columns that number the rows, and the names given to columns without a name. */
export const indexNames =
  /^(column \d+|unnamed.*|index|__index_level_\d+__|idx|row_?(names?|numbers?|id|index)?|rownames|no\.?|nr\.?|num|number|#|rank|order|)$/i
