// What an inspection finds, for a program and for a person.
export interface Report {
  json: Record<string, unknown>;
  text: string;
  /** The text is made for the terminal already: its control characters are this program's own. */
  styled?: boolean;
}
