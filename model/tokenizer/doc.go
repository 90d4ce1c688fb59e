// Package tokenizer implements byte-level BPE as Hugging Face's tokenizers library
// does, with the same ids and the same decoded text. It reads the tokenizer.json of
// a model directory.
//
// It does not train vocabularies and supports no other kind of tokenizer
// (WordPiece, Unigram, SentencePiece with byte fallback). A tokenizer.json that
// needs one is an error that names the field.
//
// The two calls most readers need:
//
//	tok, err := tokenizer.Load(os.DirFS("path/to/model"))
//	ids := tok.Encode("Hello, world")
//
// # What is read
//
// tokenizer.json decides how text becomes ids. tokenizer_config.json and
// special_tokens_map.json name the bos, eos and pad tokens. chat_template.jinja, or
// the field chat_template of tokenizer_config.json, holds the chat template.
// Supported in tokenizer.json are:
//
//   - added_tokens: longest match first, with lstrip, rstrip, single_word and
//     normalized; they are recognized in any text (add_special_tokens=False of
//     tokenizers does not turn that off either);
//   - normalizer: none or NFC;
//   - pre_tokenizer: ByteLevel, alone or at the end of a Sequence of Split and
//     Digits. The patterns of GPT-2, Qwen2 and Llama 3 are hand-written
//     scanners; any other Split pattern runs in regexp2;
//   - model: BPE, with merges as strings or pairs, ignore_merges, unk_token;
//   - post_processor: none, ByteLevel (trim_offsets), TemplateProcessing, and a
//     Sequence of these;
//   - decoder: ByteLevel.
//
// The fields truncation and padding are ignored: they hold the settings of whoever
// saved the file, not a property of the vocabulary, and transformers replaces both on
// each call.
//
// # Unicode
//
// Letters and numbers are those of Unicode 16, and normalization is that of Unicode
// 9, because tokenizers 0.23 uses a regular expression engine and NFC tables of
// these versions. tokenizers accepts only UTF-8; here, invalid bytes pass through
// unchanged, and the scanners see each as U+FFFD.
package tokenizer
