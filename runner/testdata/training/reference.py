"""Trains the cells of study.cue with torch and transformers and prints what every
step should show, as reference.json. usage: reference.py MODEL > reference.json, with
MODEL the directory experiments/tiny/model. Made with torch 2.15.0 and transformers
5.24.0; the text of schema/schema.cue and of the packages' documentation is all that
it was written from: template, truncation, held-out items, order, positions, weights.
"""
import hashlib, json, math, os, struct, sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, get_scheduler

MAX_LENGTH, HOLDOUT, EVERY = 64, 2, 3
EPOCHS, BATCH, ACCUMULATE, LR, WARMUP, SEED = 2.4, 2, 2, 1e-3, 0.2, 7
WITH_INPUT = "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\n%s\n\n### Input:\n%s\n\n### Response:\n"
WITHOUT = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n%s\n\n### Response:\n"

here = os.path.dirname(os.path.abspath(__file__))
items = json.load(open(os.path.join(here, "items.json"), encoding="utf-8"))
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])


def row(item):
    """(tokens, how many of them are prompt): the end token, then the prompt's left end gives way, then the right end."""
    prompt = tokenizer(WITH_INPUT % (item["instruction"], item["input"]) if item["input"] else WITHOUT % item["instruction"])["input_ids"]
    output = tokenizer(item["output"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    over = len(prompt) + len(output) - MAX_LENGTH
    if over > 0:
        prompt = prompt[min(over, len(prompt) - 1):]
    return (prompt + output)[:MAX_LENGTH], len(prompt)


def digest(item):
    parts = [b"", item["instruction"].encode(), item["input"].encode(), item["output"].encode()]
    return hashlib.sha256(b"".join(struct.pack("<Q", len(p)) + p for p in parts)).digest()


def hold_out(rows):
    """Items of the smallest digests, equal ones together or not at all."""
    places = {}
    for i, (tokens, prompt) in enumerate(rows):
        if len(tokens) > max(1, prompt):
            places.setdefault(digest(items[i]), []).append(i)
    held = set()
    for d in sorted(places):
        if len(held) + len(places[d]) <= HOLDOUT:
            held |= set(places[d])
    return [r for i, r in enumerate(rows) if i not in held], [r for i, r in enumerate(rows) if i in held]


def philox(seed, purpose, index):
    block = 0
    while True:
        k0, k1 = seed & 0xFFFFFFFF, seed >> 32 ^ purpose
        c = [block & 0xFFFFFFFF, block >> 32, index & 0xFFFFFFFF, index >> 32]
        for _ in range(10):
            x, y = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [y >> 32 ^ c[1] ^ k0, y & 0xFFFFFFFF, x >> 32 ^ c[3] ^ k1, x & 0xFFFFFFFF]
            k0, k1 = k0 + 0x9E3779B9 & 0xFFFFFFFF, k1 + 0xBB67AE85 & 0xFFFFFFFF
        yield from c
        block += 1


def shuffled(n, epoch):
    order, words = list(range(n)), philox(SEED, 1, epoch)
    for i in range(n - 1, 0, -1):
        low, high = next(words), next(words)
        j = (low | high << 32) * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    return order


def losses(model, tokens, start):
    """The loss of every token but the first, the row's positions counted from start."""
    at = torch.arange(start, start + len(tokens) - 1)[None]
    logits = model(torch.tensor([tokens[:-1]]), position_ids=at).logits[0]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(tokens[1:]), reduction="none")


def held_out(model, rows, step):
    out, prompts = [], []
    with torch.no_grad():
        for tokens, prompt in rows:
            ce = losses(model, tokens, 0).double().tolist()
            prompts += ce[:prompt - 1]
            out += ce[prompt - 1:]
    return {"step": step, "output_loss": sum(out) / len(out), "prompt_loss": sum(prompts) / len(prompts), "output_tokens": len(out), "prompt_tokens": len(prompts)}


def train(padding, weight):
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
    train, held = hold_out([row(i) for i in items])
    per_step = BATCH * ACCUMULATE
    per_epoch = math.ceil(len(train) / per_step)
    total = math.ceil(EPOCHS * per_epoch)
    groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1}, {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR)
    schedule = get_scheduler("cosine_with_min_lr", optimizer, math.ceil(WARMUP * total), total, scheduler_specific_kwargs={"min_lr_rate": 0.1})
    steps, measured = [], [held_out(model, held, 0)]
    for step in range(total):
        if step % per_epoch == 0:
            order = shuffled(len(train), step // per_epoch)
        mine = [train[i] for i in order[step % per_epoch * per_step:][:per_step]]
        terms, weights = [], []
        for at in range(0, len(mine), BATCH):
            longest = max(len(tokens) for tokens, _ in mine[at:at + BATCH])
            for tokens, prompt in mine[at:at + BATCH]:
                w = [1.0 if i >= prompt else weight for i in range(1, len(tokens))]
                weights += w
                terms.append((losses(model, tokens, longest - len(tokens) if padding == "left" else 0) * torch.tensor(w)).sum())
        s = {"step": step + 1, "lr": optimizer.param_groups[0]["lr"], "tokens": sum(len(t) for t, _ in mine),
             "targets": sum(w > 0 for w in weights), "weight_sum": sum(weights), "skipped": sum(weights) == 0}
        if not s["skipped"]:
            loss = sum(terms) / sum(weights)
            optimizer.zero_grad()
            loss.backward()
            s["grad_norm"] = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
            s["loss"] = loss.item()
            optimizer.step()
        schedule.step()
        steps.append(s)
        if (step + 1) % EVERY == 0 or step + 1 == total:
            measured.append(held_out(model, held, step + 1))
    return {"steps": steps, "heldout": measured}


cells = {f"padding={side},labels={name}": train(side, w) for side in ("left", "right") for name, w in (("output", 0.0), ("0.3", 0.3))}
json.dump(cells, sys.stdout, indent=1)
print()
