// What a dataset is made of, whatever file it came from.

export type Role = "system" | "user" | "assistant" | "tool";

export interface Message {
  role: Role;
  content: string;
}

/** Where an example stood in its file. */
export interface Origin {
  path: string;
  /** 1-based line at which the record starts. */
  line: number;
}

/** A conversation; the assistant's turns are what is learnt. */
export interface MessagesExample {
  kind: "messages";
  messages: Message[];
  origin?: Origin;
}

/** Stanford Alpaca's record; `input` is "" where there is none. */
export interface InstructionExample {
  kind: "instruction";
  instruction: string;
  input: string;
  output: string;
  origin?: Origin;
}

/** A prompt and what follows it, joined as they are. */
export interface CompletionExample {
  kind: "completion";
  prompt: string;
  completion: string;
  origin?: Origin;
}

/** Running text; all of it is learnt. A long document comes in several parts, each continuing the one before. */
export interface TextExample {
  kind: "text";
  text: string;
  part?: "first" | "middle" | "last";
  origin?: Origin;
}

export type Example = MessagesExample | InstructionExample | CompletionExample | TextExample;

/** An example as a conversation: the instruction and its input are one user turn; text has no turns. */
export function toMessages(example: Exclude<Example, TextExample>): Message[] {
  switch (example.kind) {
    case "messages":
      return example.messages;
    case "instruction": {
      const { instruction, input, output } = example;
      const content = input === "" ? instruction : `${instruction}\n\n${input}`;
      return [
        { role: "user", content },
        { role: "assistant", content: output },
      ];
    }
    case "completion":
      return [
        { role: "user", content: example.prompt },
        { role: "assistant", content: example.completion },
      ];
  }
}
