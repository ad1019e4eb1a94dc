"""Token ids of the Hugging Face tokenizers library, for packages/data/test/tokenizer-golden.test.ts.

Writes packages/data/test/golden/tokenizers/* (small tokenizers of the kinds in use, trained here) and
packages/data/test/golden/tokenizers.json (texts, ids, decodings). Needs tokenizers 0.23 and the folder with the shared
data (QLORA_SHARED, default ../shared beside the repository). Training the Unigram model does not give the same file twice;
everything else does.
"""

import array
import hashlib
import json
import os
import random
import shutil
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("QLORA_SHARED", ROOT.parent / "shared"))
TOKENIZERS = ROOT / "packages/data/test/golden/tokenizers"
GOLDEN = ROOT / "packages/data/test/golden/tokenizers.json"

# The patterns published with these models' tokenizer.json.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

EDGES = [
    "",
    " ",
    "  ",
    "\n",
    "a",
    " a",
    "a ",
    "Hello, world!",
    "  leading and trailing  ",
    "tabs\tand\n\nnew lines\r\nand CRLF",
    "don't I'll WE'VE it's 'tis",
    "1234567890 3.14159 1,000,000",
    "def f(x):\n    return x ** 2  # square\n",
    "https://example.org/a?b=c&d=%20e",
    "naïve café — “quotes” … ½ ﬁ",
    "e\u0301 is e-acute in two code points",
    "Москва 北京 東京 서울 القاهرة ירושלים हिन्दी ไทย",
    "👍🏽 👨‍👩‍👧‍👦 🇨🇭 😊",
    "zero\u200bwidth\u200djoiner and \ufeff inside",
    "nbsp\u00a0thin\u2009ideographic\u3000space",
    "control \x00\x01\x7f\x85 characters",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U00010348 \U000e0001",
    "▁already▁there ▁ Ġ",
    "<s> </s> <unk> <|endoftext|> <|im_start|>user\nhi<|im_end|>",
    "</s></s>text</s> text",
    "<0x41> is not a byte",
    "### Human: hi ### Assistant: hello",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "                                        forty spaces",
]


def corpus():
    with open(SHARED / "data/oasst1_messages.jsonl", encoding="utf-8") as f:
        return [m["content"] for line in f for m in json.loads(line)["messages"]]


def samples(messages):
    """Short messages of the dialogues, one or more for every script that occurs in them."""
    rng = random.Random(0)
    short = sorted({m for m in messages if 10 <= len(m) <= 160})
    rng.shuffle(short)
    kept = short[:60]
    seen = {ord(c) >> 7 for m in kept for c in m}
    for m in short[60:]:
        blocks = {ord(c) >> 7 for c in m}
        if blocks - seen:
            kept.append(m)
            seen |= blocks
    return kept


def trained(tokenizer, specials, vocab, messages, alphabet=()):
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=specials, initial_alphabet=list(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(messages, trainer)
    return tokenizer


def byte_level(messages):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t = trained(t, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], 700, messages, pre_tokenizers.ByteLevel.alphabet())
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "tokenizer_class": "Qwen2Tokenizer"}


def llama3(messages):
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    t.decoder = decoders.ByteLevel()
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    t = trained(t, specials, 700, messages, pre_tokenizers.ByteLevel.alphabet())
    t.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A",
        pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
        special_tokens=[("<|begin_of_text|>", t.token_to_id("<|begin_of_text|>"))],
    )
    config = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "tokenizer_class": "PreTrainedTokenizerFast"}
    return t, config


def with_bytes(t):
    """Byte tokens cannot be trained; put them into the saved vocabulary."""
    j = json.loads(t.to_str())
    vocab = j["model"]["vocab"]
    for b in range(256):
        vocab.setdefault(f"<0x{b:02X}>", len(vocab))
    j["model"]["byte_fallback"] = True
    j["model"]["fuse_unk"] = True
    j["model"]["unk_token"] = "<unk>"
    return Tokenizer.from_str(json.dumps(j))


def metaspace(messages):
    """Llama 2 as transformers 4.39 and later write it: Metaspace that prefixes the first section only."""
    t = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    t = with_bytes(trained(t, ["<unk>", "<s>", "</s>"], 500, [m for m in messages if m.isascii()]))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", t.token_to_id("<s>"))]
    )
    return t, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": "LlamaTokenizer"}


def unigram(messages):
    """A SentencePiece unigram model with NFKC, as T5-style and some multilingual models have."""
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    t.train_from_iterator([m for m in messages if m.isascii()], trainer)
    t.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", t.token_to_id("</s>"))]
    )
    return t, {"eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": "PreTrainedTokenizerFast"}


def whole(t, messages):
    """Every message of the corpus: how many tokens, and the hash of all ids as little-endian int32."""
    digest = hashlib.sha256()
    tokens = 0
    for message in messages:
        ids = t.encode(message).ids
        tokens += len(ids)
        digest.update(array.array("i", ids).tobytes())
    return {"messages": len(messages), "tokens": tokens, "sha256": digest.hexdigest()}


def golden(t, texts, messages):
    vocab_size = t.get_vocab_size()
    rng = random.Random(1)
    streams = [[rng.randrange(vocab_size) for _ in range(12)] for _ in range(20)]
    bytes_of = [t.token_to_id(f"<0x{b:02X}>") for b in (0xEF, 0xBB, 0xBF, 0xE4, 0xB8, 0x96, 0xFF)]
    if None not in bytes_of:
        streams += [bytes_of, bytes_of[:2], bytes_of[3:5], [*bytes_of[3:6], bytes_of[6]]]
    ids = [t.encode(x).ids for x in texts]
    return {
        "corpus": whole(t, messages),
        "ids": ids,
        "decoded": [t.decode(x, skip_special_tokens=True) for x in ids],
        "streams": [{"ids": x, "text": t.decode(x, skip_special_tokens=False)} for x in streams],
    }


def main():
    messages = corpus()
    texts = EDGES + samples(messages)
    out = {"texts": texts, "tokenizers": {}}
    shutil.rmtree(TOKENIZERS, ignore_errors=True)
    for name, make in {"byte-level": byte_level, "llama3": llama3, "metaspace": metaspace, "unigram": unigram}.items():
        tokenizer, config = make(messages)
        folder = TOKENIZERS / name
        folder.mkdir(parents=True)
        (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n", encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        out["tokenizers"][name] = golden(tokenizer, texts, messages)
    stories = TOKENIZERS / "stories260K"
    stories.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (stories / name).write_text((SHARED / "models/stories260K" / name).read_text("utf-8"), encoding="utf-8")
    for name, path in {"stories260K": stories, "gpt-neox": SHARED / "tokenizers/gpt-neox"}.items():
        tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
        out["tokenizers"][name] = golden(tokenizer, texts, messages)
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{len(texts)} texts, {GOLDEN.stat().st_size} bytes")


main()
