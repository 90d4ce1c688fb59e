package nvidia

import (
	"regexp"
	"strconv"
)

// signature holds the sizes of a kernel's parameters in bytes; 0 means unknown.
type signature []int

var (
	entry     = regexp.MustCompile(`\.entry\s+([\w$]+)(?:\s*\(([^)]*)\))?`)
	parameter = regexp.MustCompile(`\.param\s+(?:\.align\s+\d+\s+)?\.[a-z]+(\d+)([^,]*)`)
)

// signatures reads the parameters of the kernels in PTX. The driver reads as many
// arguments as a kernel has parameters, and copies their bytes untyped, so it does not
// notice a launch that does not match its kernel.
func signatures(ptx []byte) map[string]signature {
	all := map[string]signature{}
	for _, m := range entry.FindAllSubmatch(ptx, -1) {
		s := signature{}
		for _, p := range parameter.FindAllSubmatch(m[2], -1) {
			bits, _ := strconv.Atoi(string(p[1]))
			if len(p[2]) > 0 && p[2][len(p[2])-1] == ']' {
				bits = 0 // an array: size unknown
			}
			s = append(s, bits/8)
		}
		all[string(m[1])] = s
	}
	return all
}
