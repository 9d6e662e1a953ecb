#!/usr/bin/env python3
"""Writes tests/cases/embeddings: vectors of sentence-transformers and scores of a cross-encoder.

usage: make_embedding_goldens.py MODELS
  MODELS  folder that holds all-MiniLM-L6-v2 (tools/dev/fetch_models.py brings it)

minilm.json      texts with the vectors that sentence-transformers gives for them
tiny-reranker/   BertForSequenceClassification with one logit and random weights, and pairs with their
                 logits by transformers
tiny-embedder/   BertModel with random weights, vectors by the first token, not normalised
Needs torch, transformers, sentence-transformers and safetensors. Everything is computed in float32.
"""
import base64
import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

CASES = pathlib.Path(__file__).resolve().parents[2] / "tests/cases"
OUT = CASES / "embeddings"
KOREAN = (
    "마루는 조직이 소유하는 인공지능입니다. 모델과 대화와 기록이 모두 조직의 컴퓨터 안에 머물고, 누가 무엇을 얼마나 썼는지 "
    "관리자가 볼 수 있습니다. 질문을 하면 문서를 찾아 근거를 보여 주고, 모르는 것은 모른다고 말합니다. "
)
ENGLISH = (
    "An organisation that keeps its own language model keeps its questions, too. The machine in the "
    "basement reads the manuals, the minutes and the contracts, and nothing of them leaves the house. "
)
WORDS = ["maru", "마루", "open", "model", "river", "##s", "##ing", "!", "?", ".", ",", "서울", "강", "물",
         "what", "is", "the", "a", "of", "run", "fast", "slow", "cat", "dog", "하늘", "b", "c"]
TINY = dict(vocab_size=len(WORDS) + 5, hidden_size=48, num_hidden_layers=2, num_attention_heads=3,
            intermediate_size=80, max_position_embeddings=96, type_vocab_size=2,
            attn_implementation="eager")
PAIRS = [("what is maru", "maru is the open model."), ("what is maru", "a slow dog."),
         ("서울 강", "하늘 강 물 서울"), ("", "cat"), ("cat", ""), ("runs fast?", "the cat is running fast! " * 9),
         ("마루", "마루"), ("maru", "unknown words here")]


def encoded(vector):
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def minilm(models):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(models / "all-MiniLM-L6-v2"), device="cpu")
    corpus = json.loads((CASES / "tokenizer/corpus.json").read_text())
    texts = ["Hello", "안녕하세요", ".", "the the the", "마루", "A cat sits on the mat.", "고양이가 매트 위에 앉아 있다.",
             "SELECT name FROM users WHERE id = 7;", "3.14159 2.71828", "🙂🙃", "日本語の文章です。"]
    texts += [KOREAN * n for n in (1, 2, 3, 8)] + [ENGLISH * n for n in (1, 2, 4, 9, 40)]
    texts += [(KOREAN + ENGLISH) * n for n in (1, 5)]
    texts += [t for name in ("english", "korean", "code", "long") for t in corpus["texts"][name]]
    # What a user wrote never becomes a control token in Maru, so such texts have other ids there.
    texts = [t for t in dict.fromkeys(texts) if t.strip() and "[" not in t]
    vectors = model.encode(texts, convert_to_numpy=True, batch_size=1)
    lengths = [len(model.tokenizer(t)["input_ids"]) for t in texts]
    return {"sentence_transformers": transformers.__version__,
            "cases": [{"text": t, "n_tokens": n, "vector": encoded(v)}
                      for t, n, v in zip(texts, lengths, vectors)]}


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in sorted(model.named_parameters()):
            noise = torch.randn(tensor.shape, generator=generator)
            scale = 0.2 if tensor.dim() == 2 else 0.1
            tensor.copy_(noise * scale + (1 if name.endswith("LayerNorm.weight") else 0))


def tokenizer_of(folder):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}) + "\n")
    from tokenizers.implementations import BertWordPieceTokenizer

    return BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)


def tensors(encoding):
    return {"input_ids": torch.tensor([encoding.ids]), "token_type_ids": torch.tensor([encoding.type_ids]),
            "attention_mask": torch.ones(1, len(encoding.ids), dtype=torch.long)}


def save(folder, model, architecture):
    config = {k: v for k, v in TINY.items() if k != "attn_implementation"}
    config.update(model_type="bert", architectures=[architecture], hidden_act="gelu", layer_norm_eps=1e-12)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors",
              metadata={"format": "pt"})


def tiny_reranker():
    folder = OUT / "tiny-reranker"
    folder.mkdir(parents=True, exist_ok=True)
    config = transformers.BertConfig(**TINY, num_labels=1)
    model = transformers.BertForSequenceClassification(config).eval()
    randomise(model, 1)
    tokenizer = tokenizer_of(folder)
    save(folder, model, "BertForSequenceClassification")
    cases = []
    for first, second in PAIRS:
        encoding = tokenizer.encode(first, second)
        with torch.no_grad():
            logit = model(**tensors(encoding)).logits[0, 0].item()
        cases.append({"query": first, "document": second, "ids": encoding.ids, "logit": logit})
    assert np.std([c["logit"] for c in cases]) > 0.05
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")


def tiny_embedder():
    folder = OUT / "tiny-embedder"
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    model = transformers.BertModel(transformers.BertConfig(**TINY), add_pooling_layer=False).eval()
    randomise(model, 2)
    tokenizer = tokenizer_of(folder)
    save(folder, model, "BertModel")
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
               {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules, indent=1) + "\n")
    pooling = {"word_embedding_dimension": TINY["hidden_size"], "pooling_mode_cls_token": True,
               "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling, indent=1) + "\n")
    cases = []
    for text in sorted({t for pair in PAIRS for t in pair if t}):
        with torch.no_grad():
            state = model(**tensors(tokenizer.encode(text))).last_hidden_state[0, 0]
        cases.append({"text": text, "vector": encoded(state.numpy())})
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    tiny_reranker()
    tiny_embedder()
    golden = minilm(pathlib.Path(sys.argv[1]))
    (OUT / "minilm.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
