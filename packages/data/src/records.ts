// One JSON record of a dataset file → an example, for each of the known forms.
import { DataError, escapeControls, show } from "./errors.js";
import type {
  CompletionExample,
  Example,
  InstructionExample,
  Message,
  MessagesExample,
  Origin,
  Role,
} from "./example.js";
import { isTranscript, splitTranscript } from "./guanaco.js";

export type RecordFormat = "alpaca" | "messages" | "prompt-completion" | "input-output" | "text";

type Fields = Record<string, unknown>;

const ROLES: readonly string[] = ["system", "user", "assistant", "tool"];

const FORMS =
  'known are {"instruction", "input", "output"}, {"messages": [{"role", "content"}]}, {"prompt", "completion"}, {"input", "output"} and {"text"}';

/** Parses one JSON value of a file and checks that it is an object. */
export function parseRecord(text: string, origin: Origin): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const message = escapeControls((cause as Error).message);
    throw new DataError("JSON", `not valid JSON: ${message}`, { ...origin, cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DataError("NOT_OBJECT", `${show(value)} is not a JSON object`, origin);
  }
  return value as Fields;
}

/** Which form a record has, by its fields. Throws DataError FORMAT_UNKNOWN naming the fields it found. */
export function detectFormat(record: Fields, origin: Origin): RecordFormat {
  const has = (name: string): boolean => Object.hasOwn(record, name);
  if (has("messages")) return "messages";
  if (has("instruction") && has("output")) return "alpaca";
  if (has("prompt") && has("completion")) return "prompt-completion";
  if (has("input") && has("output")) return "input-output";
  if (has("text")) return "text";
  const found = show(Object.keys(record), 120);
  throw new DataError("FORMAT_UNKNOWN", `the record's fields are ${found}; ${FORMS}`, origin);
}

/** A record of the given form as an example. Throws DataError FIELD_MISSING, FIELD_TYPE, ROLE, UTF8. */
export function toExample(record: Fields, format: RecordFormat, origin: Origin): Example {
  const text = (name: string): string => stringField(record, name, origin);
  switch (format) {
    case "messages":
      return messagesExample(record, origin);
    case "alpaca": {
      const input = record.input === undefined || record.input === null ? "" : text("input");
      const example: InstructionExample = {
        kind: "instruction",
        instruction: text("instruction"),
        input,
        output: text("output"),
        origin,
      };
      return example;
    }
    case "prompt-completion":
      return completionExample(text("prompt"), text("completion"), origin);
    case "input-output":
      return completionExample(text("input"), text("output"), origin);
    case "text": {
      const whole = text("text");
      if (isTranscript(whole)) return { kind: "messages", messages: splitTranscript(whole), origin };
      return { kind: "text", text: whole, origin };
    }
  }
}

// A transcript cut at its last "### Assistant:" (how OASST1 is stored) becomes turns; anything else stays as it is.
function completionExample(prompt: string, completion: string, origin: Origin): MessagesExample | CompletionExample {
  if (isTranscript(prompt) && /### Assistant:\s*$/.test(prompt)) {
    return { kind: "messages", messages: splitTranscript(`${prompt.trimEnd()} ${completion}`), origin };
  }
  return { kind: "completion", prompt, completion, origin };
}

function stringField(record: Fields, name: string, origin: Origin, label = name): string {
  const value = record[name];
  if (value === undefined) throw new DataError("FIELD_MISSING", `"${label}" is missing`, origin);
  if (typeof value !== "string") {
    throw new DataError("FIELD_TYPE", `"${label}" is ${show(value)}, expected a string`, origin);
  }
  if (/\p{Surrogate}/u.test(value)) {
    throw new DataError("UTF8", `"${label}" holds half of a surrogate pair, which no encoding can write`, origin);
  }
  return value;
}

function messagesExample(record: Fields, origin: Origin): MessagesExample {
  if (record.messages === undefined) throw new DataError("FIELD_MISSING", '"messages" is missing', origin);
  if (!Array.isArray(record.messages)) {
    throw new DataError("FIELD_TYPE", `"messages" is ${show(record.messages)}, expected an array`, origin);
  }
  if (record.messages.length === 0) throw new DataError("FIELD_MISSING", '"messages" is empty', origin);
  const messages = record.messages.map((message: unknown, i): Message => {
    const label = `messages[${i}]`;
    if (typeof message !== "object" || message === null || Array.isArray(message)) {
      throw new DataError("FIELD_TYPE", `"${label}" is ${show(message)}, expected {"role", "content"}`, origin);
    }
    const fields = message as Fields;
    const role = stringField(fields, "role", origin, `${label}.role`);
    if (!ROLES.includes(role)) {
      throw new DataError("ROLE", `"${label}.role" is ${show(role)}, known are ${ROLES.join(", ")}`, origin);
    }
    return { role: role as Role, content: stringField(fields, "content", origin, `${label}.content`) };
  });
  return { kind: "messages", messages, origin };
}
