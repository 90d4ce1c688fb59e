package runner

import "testing"

// Training items are numbered as messages number them: from 1, within their file.
func TestPlaceOfTrainingItem(t *testing.T) {
	one := overlaps{sets: []comparedSet{{"a.json", 0}, {"a.json", 10}}} // by two templates
	two := overlaps{sets: []comparedSet{{"a.json", 0}, {"b.json", 10}}}
	for _, c := range []struct {
		o      overlaps
		number int
		want   string
		item   int
	}{
		{one, 0, "training item 1", 1},
		{one, 12, "training item 3", 3},
		{two, 9, "item 10 of a.json", 10},
		{two, 10, "item 1 of b.json", 1},
	} {
		if text, item := c.o.place(c.number); text != c.want || item != c.item {
			t.Errorf("number %d: %q, %d; want %q, %d", c.number, text, item, c.want, c.item)
		}
	}
}
