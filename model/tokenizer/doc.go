// Package tokenizer is byte-level BPE as Hugging Face's tokenizers does it: the
// same ids and the same decoded text, read from the tokenizer.json of a model
// directory.
//
// It is not a trainer of vocabularies, and it knows no other kind of tokenizer
// (WordPiece, Unigram, SentencePiece with byte fallback): a tokenizer.json that
// asks for something else is an error that names the field.
//
// The two calls most readers need:
//
//	tok, err := tokenizer.Load(os.DirFS("path/to/model"))
//	ids := tok.Encode("Hello, world")
//
// # What is read
//
// tokenizer.json decides how text becomes ids. tokenizer_config.json and
// special_tokens_map.json name the bos, eos and pad tokens,
// chat_template.jinja (or chat_template of tokenizer_config.json) holds the chat
// template. Supported in tokenizer.json:
//
//   - added_tokens: longest match first, with lstrip, rstrip, single_word and
//     normalized; they are recognised in any text (add_special_tokens=False of
//     tokenizers does not turn that off);
//   - normalizer: none or NFC;
//   - pre_tokenizer: ByteLevel, alone or at the end of a Sequence of Split and
//     Digits. The patterns of GPT-2, Qwen2 and Llama 3 are hand-written
//     scanners; any other Split pattern runs in regexp2;
//   - model: BPE, with merges as strings or pairs, ignore_merges, unk_token;
//   - post_processor: none, ByteLevel (trim_offsets), TemplateProcessing, and a
//     Sequence of these;
//   - decoder: ByteLevel.
//
// The fields truncation and padding hold the settings of somebody's last call,
// not a property of the vocabulary; transformers replaces both on each call, and
// they have no effect here.
//
// # Unicode
//
// Letters and numbers are those of Unicode 16 and normalization is that of
// Unicode 9, because that is what the engines inside tokenizers 0.23 use (the
// regular expression engine and the NFC tables have different ages). Text that is
// not UTF-8 cannot reach tokenizers; here its bytes pass through unchanged, each
// seen by the scanners as U+FFFD.
package tokenizer
