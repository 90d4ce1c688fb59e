#!/usr/bin/env bash
# Makes everything under experiments/tiny again: the world's data and tokenizer,
# and the base model, trained by xrun from random weights. Leaves no diff.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf build/world build/pretrain build/base
go run ./experiments/world
go run . experiments/pretrain.cue -runs build/pretrain
go run . export build/pretrain/pretrain tuned build/base -dtype bf16
cp build/base/model.safetensors experiments/tiny/model/model.safetensors
git diff --stat -- experiments/tiny
