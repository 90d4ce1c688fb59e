package suites

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"xrun/schema"
)

// Find returns the definition of a suite known by name. protocol "" is
// opencompass, variant "" the suite's default.
func Find(suite, protocol, variant string) (schema.Definition, error) {
	if protocol == "" {
		protocol = "opencompass"
	}
	var protocols, variants, names []string
	for _, d := range schema.Suites() {
		if !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
		if d.Name != suite {
			continue
		}
		if !slices.Contains(protocols, d.Protocol) {
			protocols = append(protocols, d.Protocol)
		}
		if d.Protocol != protocol {
			continue
		}
		if variant == "" || d.Variant == variant {
			return d, nil
		}
		variants = append(variants, d.Variant)
	}
	switch {
	case len(protocols) == 0:
		sort.Strings(names)
		return schema.Definition{}, fmt.Errorf("finding suite %q: the suites known are %s", suite, strings.Join(names, ", "))
	case len(variants) == 0:
		return schema.Definition{}, fmt.Errorf("finding suite %s: protocol %q is unknown to it; it has %s", suite, protocol, strings.Join(protocols, ", "))
	case len(variants) == 1 && variants[0] == "":
		return schema.Definition{}, fmt.Errorf("finding suite %s of %s: it has no variants, so no %q", suite, protocol, variant)
	}
	return schema.Definition{}, fmt.Errorf("finding suite %s of %s: variant %q is unknown; it has %s", suite, protocol, variant, strings.Join(variants, ", "))
}
