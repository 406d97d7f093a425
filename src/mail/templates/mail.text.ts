/** One source for both parts, so that text and HTML cannot say different things. Strings are Liquid. */
export interface MailText {
  subject: string;
  heading: string;
  paragraphs: string[];
  /** Rows of a small table: label and name of the datum; those without a value are left out. */
  facts?: [label: string, datum: string][];
  button?: string;
  /** Below the button: what to do when this was not expected. */
  closing: string;
}
