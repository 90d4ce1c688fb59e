package nvidia

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSignatures(t *testing.T) {
	const text = `
.visible .entry two(
	.param .u64 .ptr .global .align 1 two_param_0,
	.param .f32 two_param_1
)
.maxntid 256, 1, 1
{
}
.entry none()
{
}
.entry bare
{
}
.visible .entry $odd_1(.param .align 8 .b8 s[24], .param .s32 n) {}
`
	want := map[string]signature{"two": {8, 4}, "none": {}, "bare": {}, "$odd_1": {0, 4}}
	if d := cmp.Diff(want, signatures([]byte(text))); d != "" {
		t.Error(d)
	}
}
