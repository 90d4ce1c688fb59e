package main

import "math/bits"

// source is SplitMix64 (Steele, Lea and Flood 2014): the world must come out the
// same with every version of Go, which package math/rand does not promise for
// the methods over its generators.
type source struct{ state uint64 }

// newSource starts a stream of its own for every (seed, purpose).
func newSource(seed uint64, purpose string) *source {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(purpose) {
		h = (h ^ uint64(purpose[i])) * 1099511628211
	}
	s := &source{state: seed ^ h}
	s.next()
	return s
}

func (s *source) next() uint64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n).
func (s *source) below(n int) int {
	hi, _ := bits.Mul64(s.next(), uint64(n))
	return int(hi)
}

// perm returns a permutation of 0 … n-1.
func (s *source) perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	shuffle(s, p)
	return p
}

func shuffle[T any](s *source, x []T) {
	for i := len(x) - 1; i > 0; i-- {
		j := s.below(i + 1)
		x[i], x[j] = x[j], x[i]
	}
}

func pick[T any](s *source, x []T) T { return x[s.below(len(x))] }

// normal returns the sum of twelve uniform numbers less six: mean 0, deviation 1,
// and exact in float64 on every machine, which a logarithm would not be.
func (s *source) normal() float64 {
	sum := -6.0
	for range 12 {
		sum += float64(s.next()>>11) * (1.0 / (1 << 53))
	}
	return sum
}
