"""What transformers renders from chat templates, for packages/data/test/template-golden.test.ts.

Writes packages/data/test/golden/chats.json: for every template in packages/data/test/fixtures/templates and every
conversation below the text with and without the generation prompt, the assistant's spans where the template marks them,
and the ids of the text. Needs transformers 5.18 and tokenizers 0.23.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer
from transformers.utils.chat_template_utils import render_jinja_template

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "packages/data/test/fixtures"
GOLDEN = ROOT / "packages/data/test/golden/chats.json"

# The tokenizer whose special tokens each template speaks of.
TOKENIZER = {
    "chatml": "byte-level",
    "generation": "byte-level",
    "features": "byte-level",
    "closing": "byte-level",
    "unstable": "byte-level",
    "llama3": "llama3",
    "generation-dashes": "llama3",
    "llama2": "metaspace",
    "zephyr": "stories260K",
}


def turns(*contents, system=None):
    messages = [] if system is None else [{"role": "system", "content": system}]
    for i, content in enumerate(contents):
        messages.append({"role": "assistant" if i % 2 else "user", "content": content})
    return messages


CONVERSATIONS = [
    turns("Hi", "Hello! How can I help?"),
    turns("What is 2 + 2?", "4.", system="You are terse."),
    turns("Name a colour.", "Blue.", "Another?", "Green, of course.", "Thanks", "You are welcome."),
    turns("Напиши функцию", "Вот функция:\n\n```swift\nfunc f() {}\n```", "続けて", "はい 😊", system="多言語"),
    turns("  padded user\n", "padded answer  "),
    turns("line\nbreaks\n\nhere", "\nstarts with one\n"),
    turns("empty answer follows", ""),
]


def main():
    cases = []
    for template, name in TOKENIZER.items():
        source = (FIXTURES / f"templates/{template}.jinja").read_text("utf-8")
        folder = GOLDEN.parent / "tokenizers" / name
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        special = {k: v for k, v in config.items() if k.endswith("_token") and isinstance(v, str)}
        marked = "generation %}" in source or "generation -%}" in source
        for messages in CONVERSATIONS:
            values = {"chat_template": source, **special}
            [text], spans = render_jinja_template(
                [messages], add_generation_prompt=False, return_assistant_tokens_mask=marked, **values
            )
            [prompt], _ = render_jinja_template([messages[:-1]], add_generation_prompt=True, **values)
            case = {"template": template, "tokenizer": name, "messages": messages, "text": text, "prompt": prompt}
            if marked:
                case["spans"] = [text[a:b] for a, b in spans[0]]
            case["ids"] = tokenizer.encode(text, add_special_tokens=False).ids
            cases.append(case)
    GOLDEN.write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{len(cases)} cases, {GOLDEN.stat().st_size} bytes")


main()
