// Package experiments holds the studies that come with xrun and, in tiny, what
// the embedded scale of a study runs on. It is data only: tiny is written by the
// program in world and by `just pretrain`, never by hand.
//
// A spec names its parts as builtin:tiny (the model) and builtin:tiny/PATH:
//
//	tiny/model          a transformers directory: Qwen2 architecture, 0.9 M parameters
//	tiny/instruct.json  the instruction set, in the alpaca form
//	tiny/suites         the evaluation suites, in their original file formats
//
// README.md describes the world they speak of and how the study's axis shows in it.
package experiments

import "embed"

// FS is the embedded data: builtin:NAME in a spec is the file or directory NAME
// of it, except that the model builtin:tiny is tiny/model.
//
//go:embed tiny
var FS embed.FS
