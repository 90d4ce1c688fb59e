"""Makes testdata/tiny-qwen3 and testdata/tiny-llama3: the results of transformers, in
float64, for two tiny models with random weights.

    python3 -m venv v && v/bin/pip install torch transformers safetensors
    v/bin/python model/modeltest/reference.py model/modeltest/testdata

tiny-qwen3 normalizes its queries and keys, has heads wider than hidden/heads, and is
tied. tiny-llama3 has Llama 3's scaling of rotary frequencies, over a length so short
that all three kinds of frequency occur. The frequencies are transformers' own float32
values; everything computed from them is float64.
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM, get_scheduler
from transformers.models.llama import modeling_llama as llama
from transformers.models.qwen3 import modeling_qwen3 as qwen3

SEED = 20
END = 2


def norm64(self, x):
    return self.weight * x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.variance_epsilon)


def rotary64(self, x, position_ids, *_):
    angles = position_ids[..., None].double() * self.own_frequencies
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


softmax = F.softmax
F.softmax = lambda x, dim=-1, dtype=None, **_: softmax(x, dim=dim)  # without the cast to float32
for module, norm, rotary in [(qwen3, "Qwen3RMSNorm", "Qwen3RotaryEmbedding"), (llama, "LlamaRMSNorm", "LlamaRotaryEmbedding")]:
    getattr(module, norm).forward = norm64
    getattr(module, rotary).forward = rotary64


def as_float64(model):
    rotary = model.model.rotary_emb
    frequencies = rotary.inv_freq.clone()
    model.double()
    rotary.own_frequencies = frequencies.double()
    return model.eval()


COMMON = dict(num_hidden_layers=2, bos_token_id=1, eos_token_id=END, initializer_range=0.1, attn_implementation="eager")
MODELS = {
    "tiny-qwen3": (Qwen3ForCausalLM, Qwen3Config(
        vocab_size=131, hidden_size=40, intermediate_size=56, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        max_position_embeddings=256, rms_norm_eps=1e-6, tie_word_embeddings=True, pad_token_id=0,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, **COMMON)),
    "tiny-llama3": (LlamaForCausalLM, LlamaConfig(
        vocab_size=113, hidden_size=48, intermediate_size=56, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
        max_position_embeddings=256, rms_norm_eps=1e-5, tie_word_embeddings=False, pad_token_id=0,
        rope_parameters={"rope_type": "llama3", "rope_theta": 5e3, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 64}, **COMMON)),
}


def draw(vocab, generator, rows=4):
    """Rows of random tokens, and how many of each are prompt."""
    seqs, prompts = [], []
    for _ in range(rows):
        n = int(torch.randint(6, 36, (), generator=generator))
        row = torch.randint(3, vocab, (n,), generator=generator)
        row[-1] = END
        seqs.append(row)
        prompts.append(int(torch.randint(1, n - 1, (), generator=generator)))
    return seqs, prompts


def padded(seqs, prompts, side, labels):
    longest = max(map(len, seqs))
    ids = torch.zeros(len(seqs), longest, dtype=torch.long)
    mask, targets = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, (row, prompt) in enumerate(zip(seqs, prompts)):
        at = slice(longest - len(row), longest) if side == "left" else slice(0, len(row))
        own = row.clone()
        own[: prompt if labels == "output" else 1] = -100  # the first token is no target
        ids[i, at], mask[i, at], targets[i, at] = row, 1, own
    return ids, mask, targets


def loss_sum(model, ids, mask, targets):
    logits = model(input_ids=ids, attention_mask=mask).logits
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten(), ignore_index=-100, reduction="sum"), logits


def count(targets):
    return int((targets[:, 1:] != -100).sum())


def values(seqs, prompts, prefix=""):
    return {prefix + "tokens": torch.cat(seqs), prefix + "lengths": torch.tensor([len(s) for s in seqs]), prefix + "prompts": torch.tensor(prompts)}


def passes(model, seqs, prompts, with_gradients):
    tensors, losses = {}, {}
    for side in ("left", "right"):
        for labels in ("output", "all"):
            batch = padded(seqs, prompts, side, labels)
            model.zero_grad()
            total, logits = loss_sum(model, *batch)
            loss = total / count(batch[2])
            losses[f"{side}.{labels}"] = loss.item()
            if labels == "output":
                tensors[f"{side}.logits"] = logits[batch[1].bool()].detach().float()
            if with_gradients:
                loss.backward()
                tensors |= {f"{side}.{labels}.grad.{n}": p.grad.float() for n, p in model.named_parameters()}
    return tensors, losses


def trajectory(model, labels, vocab):
    """Ten AdamW steps of two micro-batches, padded left."""
    generator = torch.Generator().manual_seed(SEED + 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    schedule = get_scheduler("linear", optimizer, num_warmup_steps=2, num_training_steps=10)
    tensors, log = {}, []
    for step in range(10):
        micro = [draw(vocab, generator) for _ in range(2)]
        batches = [padded(*m, "left", labels) for m in micro]
        targets = sum(count(b[2]) for b in batches)
        loss = 0.0
        for b in batches:
            part = loss_sum(model, *b)[0] / targets
            part.backward()
            loss += part.item()
        size = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
        log.append({"step": step, "loss": loss, "grad_norm": size, "lr": optimizer.param_groups[0]["lr"], "targets": targets})
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        for i, m in enumerate(micro):
            tensors |= values(*m, f"train.{step}.{i}.")
    tensors |= {f"train.{labels}.final.{n}": p.detach().float() for n, p in model.named_parameters()}
    return tensors, log


def continuations(model, seqs):
    out = []
    for row, n in zip(seqs, (3, 9, 5, 4)):
        ids = row[:n]
        for _ in range(24):
            ids = torch.cat([ids, model(input_ids=ids[None]).logits[0, -1].argmax()[None]])
        out.append({"prompt": ids[:n].tolist(), "new": ids[n:].tolist()})
    return out


def make(name, out):
    cls, config = MODELS[name]
    torch.manual_seed(SEED)
    model = cls(config)
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1:
                p.add_(0.1 * torch.randn_like(p))
    directory = out / name
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    model = as_float64(model)

    trains = name == "tiny-qwen3"
    seqs, prompts = draw(config.vocab_size, torch.Generator().manual_seed(SEED + 1))
    tensors = values(seqs, prompts)
    more, expected = passes(model, seqs, prompts, trains)
    tensors |= more
    with torch.no_grad():
        expected["greedy"] = continuations(model, seqs)
    if trains:
        expected["trajectory"] = {}
        for labels in ("output", "all"):
            again = as_float64(cls.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager"))
            more, expected["trajectory"][labels] = trajectory(again, labels, config.vocab_size)
            tensors |= more
    expected["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    save_file({k: v.contiguous() for k, v in tensors.items()}, directory / "expected.safetensors")
    (directory / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    for name in MODELS:
        make(name, Path(sys.argv[1]))
