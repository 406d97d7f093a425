/** Actions on columns and tables that an application from before them cannot work with; constraints may go. */
const CONTRACTIONS = [
  /\bDROP\s+TABLE\b/i,
  /\bRENAME\s+(?!CONSTRAINT\b)/i,
  /\bALTER\s+(COLUMN\s+)?"?\w+"?\s+(SET\s+DATA\s+)?TYPE\b/i,
  /\bSET\s+NOT\s+NULL\b/i,
];
const DROPPED = /\bDROP\s+(?!CONSTRAINT\b|DEFAULT\b|NOT\s+NULL\b|EXPRESSION\b|IDENTITY\b)/i;
/** Whoever does not know of the column gives it no value. */
const DEMANDED = /\bADD\s+(?!CONSTRAINT\b)[^,]*\bNOT\s+NULL\b(?![^,]*\bDEFAULT\b)(?<!\bDEFAULT\b[^,]*)/i;

/** Whether a statement takes away, renames, or newly demands what an older application uses or leaves out. */
export function takesAway(sql: string): boolean {
  if (CONTRACTIONS.some((pattern) => pattern.test(sql))) return true;
  return /^\s*ALTER\s+TABLE\b/i.test(sql) && (DROPPED.test(sql) || DEMANDED.test(sql));
}
