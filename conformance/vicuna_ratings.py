"""Writes packages/eval/test/golden/vicuna-ratings.json: the released GPT-4 ratings of the Vicuna benchmark (artidoro/qlora,
eval/ratings-gpt4, MIT), scores only.

Usage: python conformance/vicuna_ratings.py DIR        (DIR holds `relative-gpt-3.5/` and `pairwise/`)

The scores are facts; the judge's prose is left out. Which system a score belongs to is settled here independently of the TypeScript
reader: in the relative files ChatGPT's answer to a question is the answer id that occurs in most files.
"""

import collections
import json
import pathlib
import re
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "packages/eval/test/golden/vicuna-ratings.json"
SUFFIX = re.compile(r"-gpt-?4-reviewer(-threeclass)?$")
SAMPLING = "-vicuna-generations-topp0.9-temp0.7"
NAMES = {
    "gpt4": "GPT-4", "answer-gpt4": "GPT-4", "gpt-3.5": "ChatGPT", "answer-gpt35": "ChatGPT", "bard": "Bard",
    "answer-bard": "Bard", "vicuna-13b": "Vicuna 13B", "answer-vicuna-13b": "Vicuna 13B",
}
TRAINED = {
    "guanaco": "Guanaco", "alpaca": "Alpaca", "flan": "FLAN v2", "hh-rlhf": "HH-RLHF", "chip2": "Chip2", "longform": "Longform",
    "unnatural-instructions": "Unnatural Instructions", "self-instruct": "Self-Instruct", "huggingchat": "Open Assistant",
}


def system(part):
    if part in NAMES:
        return NAMES[part]
    size, kind = re.fullmatch(r"(\d+)b-(.+)", part.replace(SAMPLING, "")).groups()
    return f"{TRAINED[kind]} {'33' if size == '30' else size}B"


def load(folder):
    for path in sorted(folder.glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["question_id"] for row in rows] == list(range(1, 81)), path
        yield SUFFIX.sub("", path.stem), [system(part) for part in SUFFIX.sub("", path.stem).split("-vs-")], rows


def number(x):
    return str(int(x)) if x == int(x) else str(x)


def main(root):
    relative, pairwise = [], []
    files = list(load(root / "relative-gpt-3.5"))
    occurs = [collections.Counter() for _ in range(81)]
    for _, _, rows in files:
        for row in rows:
            occurs[row["question_id"]].update([row["answer1_id"], row["answer2_id"]])
    for name, (left, right), rows in files:
        chatgpt_first = {row["answer1_id"] == occurs[row["question_id"]].most_common(1)[0][0] for row in rows}
        assert len(chatgpt_first) == 1, name
        first, second = (left, right) if chatgpt_first == {left == "ChatGPT"} else (right, left)
        scores = ["-" if -1 in row["score"] else " ".join(number(x) for x in row["score"]) for row in rows]
        relative.append(dict(file=name, first=first, second=second, inverted=first != left, scores=",".join(scores)))
    for name, (left, right), rows in load(root / "pairwise"):
        verdicts = "".join("-" if row["score"] == -1 else str(row["score"]) for row in rows)
        pairwise.append(dict(file=name, first=left, second=right, inverted=False, verdicts=verdicts))
    entries = lambda items: ",\n".join("    " + json.dumps(item) for item in items)
    source = "artidoro/qlora, eval/ratings-gpt4 (MIT): scores only; conformance/vicuna_ratings.py"
    OUT.write_text(
        f'{{\n  "format": "qlora-eval-ratings-1",\n  "source": "{source}",\n'
        f'  "relative": [\n{entries(relative)}\n  ],\n  "pairwise": [\n{entries(pairwise)}\n  ]\n}}\n'
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
