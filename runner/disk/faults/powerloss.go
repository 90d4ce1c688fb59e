package faults

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// inode is a file or directory as the disk holds it: what is durable, and for
// files, what was written since.
type inode struct {
	dir     bool
	entries map[string]*inode
	data    []byte   // durable contents
	recent  [][]byte // written since the last Sync
}

func newDir() *inode { return &inode{dir: true, entries: map[string]*inode{}} }

// place is a name in a directory.
type place struct {
	dir  *inode
	name string
}

// change is a change of names that is not durable yet: node leaves from, if
// set, and appears at to, if set. It happens whole or not at all.
type change struct {
	from, to place
	node     *inode
}

func (c change) touches(p place) bool { return c.from == p || c.to == p }

func (c change) in(dir *inode) bool { return c.from.dir == dir || c.to.dir == dir }

// model replays operations: live is what the running system sees, and pending
// what the disk may not have of it yet.
type model struct {
	root    *inode // durable
	live    map[*inode]map[string]*inode
	pending []change
	open    map[int]*inode
}

func newModel() *model {
	m := &model{root: newDir(), live: map[*inode]map[string]*inode{}, open: map[int]*inode{}}
	m.live[m.root] = map[string]*inode{}
	return m
}

// at finds the place of a path in the live view.
func (m *model) at(path string) place {
	dir := m.root
	parts := strings.Split(filepath.ToSlash(filepath.Clean(path)), "/")
	for _, p := range parts[:len(parts)-1] {
		dir = m.live[dir][p]
	}
	return place{dir, parts[len(parts)-1]}
}

func (m *model) node(path string) *inode {
	if filepath.Clean(path) == "." {
		return m.root
	}
	p := m.at(path)
	return m.live[p.dir][p.name]
}

func (m *model) change(c change) {
	if c.from.dir != nil {
		delete(m.live[c.from.dir], c.from.name)
	}
	if c.to.dir != nil {
		m.live[c.to.dir][c.to.name] = c.node
	}
	m.pending = append(m.pending, c)
}

func (m *model) do(o Op) {
	switch o.Kind {
	case Create, Append:
		n := m.node(o.Path)
		if n == nil {
			n = &inode{}
			m.change(change{to: m.at(o.Path), node: n})
		}
		m.open[o.file] = n
	case Mkdir:
		n := newDir()
		m.live[n] = map[string]*inode{}
		m.change(change{to: m.at(o.Path), node: n})
	case Rename:
		m.change(change{from: m.at(o.Path), to: m.at(o.To), node: m.node(o.Path)})
	case Link:
		m.change(change{to: m.at(o.To), node: m.node(o.Path)})
	case Remove:
		m.change(change{from: m.at(o.Path)})
	case Write:
		n := m.open[o.file]
		n.recent = append(n.recent, o.Data)
	case Sync:
		n := m.open[o.file]
		n.data = append(slices.Clone(n.data), slices.Concat(n.recent...)...)
		n.recent = nil
	case SyncDir:
		m.syncDir(m.node(o.Path))
	}
}

// syncDir makes the changes in a directory durable, and those before them that
// they build on.
func (m *model) syncDir(dir *inode) {
	forced := make([]bool, len(m.pending))
	for i := len(m.pending) - 1; i >= 0; i-- {
		c := m.pending[i]
		forced[i] = forced[i] || c.in(dir)
		if !forced[i] {
			continue
		}
		for j := range i {
			if c.from.dir != nil && m.pending[j].touches(c.from) || c.to.dir != nil && m.pending[j].touches(c.to) {
				forced[j] = true
			}
		}
	}
	var left []change
	for i, c := range m.pending {
		if forced[i] {
			apply(c)
		} else {
			left = append(left, c)
		}
	}
	m.pending = left
}

// apply makes a change durable.
func apply(c change) {
	if c.from.dir != nil {
		delete(c.from.dir.entries, c.from.name)
	}
	if c.to.dir != nil {
		c.to.dir.entries[c.to.name] = c.node
	}
}

// crash loses power: of what is not durable, each change of names and each
// write survives with probability survive, in any order that leaves every name
// with a prefix of its own history.
func (m *model) crash(draw *rand.Rand, survive float64) {
	lost := map[place]bool{}
	for _, c := range m.pending {
		if lost[c.from] || lost[c.to] || draw.Float64() >= survive {
			for _, p := range []place{c.from, c.to} {
				if p.dir != nil {
					lost[p] = true
				}
			}
			continue
		}
		apply(c)
	}
	m.pending = nil
	seen := map[*inode]bool{}
	var walk func(n *inode)
	walk = func(n *inode) {
		if seen[n] {
			return
		}
		seen[n] = true
		if !n.dir {
			n.tear(draw, survive)
			return
		}
		for _, name := range sortedNames(n.entries) { // in order: draw is used on the way
			walk(n.entries[name])
		}
	}
	walk(m.root)
}

// tear keeps of what was written since the last Sync some whole writes, a part
// of the next, and perhaps the length of the rest without its contents.
func (n *inode) tear(draw *rand.Rand, survive float64) {
	if len(n.recent) == 0 {
		return
	}
	whole, all := slices.Clone(n.data), append(slices.Clone(n.data), slices.Concat(n.recent...)...)
	for _, w := range n.recent {
		if draw.Float64() < survive {
			whole = append(whole, w...)
			continue
		}
		if draw.Float64() < survive {
			whole = append(whole, w[:draw.IntN(len(w)+1)]...)
		}
		break
	}
	if draw.Float64() < survive/2 {
		whole = append(whole, make([]byte, len(all)-len(whole))...)
	}
	n.data, n.recent = whole, nil
}

func sortedNames(m map[string]*inode) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// AfterPowerLoss writes into the directory to what the disk may hold when the
// power goes after the first n operations. survive is the probability that
// something not made durable survived nevertheless: 0 keeps what was synced and
// nothing else, 1 keeps everything, as killing the process does. skip leaves
// files out by name.
func AfterPowerLoss(ops []Op, n int, draw *rand.Rand, survive float64, to string, skip func(name string) bool) error {
	m := newModel()
	for _, o := range ops[:n] {
		m.do(o)
	}
	m.crash(draw, survive)
	return write(m.root, to, skip)
}

func write(n *inode, path string, skip func(string) bool) error {
	if !n.dir {
		return os.WriteFile(path, n.data, 0o666)
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return err
	}
	for _, name := range sortedNames(n.entries) {
		if skip(name) {
			continue
		}
		if err := write(n.entries[name], filepath.Join(path, name), skip); err != nil {
			return err
		}
	}
	return nil
}
