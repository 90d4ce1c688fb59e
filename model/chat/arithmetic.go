package chat

import (
	"math"
	"math/bits"
	"strings"
)

// binary compiles an arithmetic operation.
func binary(op string, a, b expression) expression {
	return func(in *run) any {
		in.step()
		return in.arithmetic(op, a(in), b(in))
	}
}

func (in *run) arithmetic(op string, a, b any) any {
	af, ai, aInt, aNum := number(a)
	bf, bi, bInt, bNum := number(b)
	switch {
	case aNum && bNum:
		if (op == "/" || op == "//" || op == "%") && bf == 0 {
			in.fail("division by zero")
		}
		if aInt && bInt && op != "/" {
			return in.integers(op, ai, bi)
		}
		switch op {
		case "+":
			return af + bf
		case "-":
			return af - bf
		case "*":
			return af * bf
		case "/":
			return af / bf
		}
	case op == "+":
		switch a := a.(type) {
		case string:
			if b, ok := b.(string); ok {
				return in.made(a + b)
			}
		case []any:
			if b, ok := b.([]any); ok {
				in.work(len(a) + len(b))
				return append(append([]any{}, a...), b...)
			}
		case tuple:
			if b, ok := b.(tuple); ok {
				in.work(len(a) + len(b))
				return append(append(tuple{}, a...), b...)
			}
		}
	case op == "*" && (aInt || bInt):
		s, n := a, bi
		if aInt {
			s, n = b, ai
		}
		if s, ok := s.(string); ok {
			if n = max(n, 0); n > 0 && int64(len(s)) > maxOutput/n {
				in.fail("a repeated string exceeds %d bytes", maxOutput)
			}
			return in.made(strings.Repeat(s, int(n)))
		}
	}
	in.fail("%s %s %s is not supported", typeName(a), op, typeName(b))
	return nil
}

// integers computes with integers, using Python's floor division and sign of remainders.
func (in *run) integers(op string, a, b int64) any {
	result, fits := int64(0), true
	switch op {
	case "+":
		result = a + b
		fits = (result > a) == (b > 0)
	case "-":
		result = a - b
		fits = (result < a) == (b > 0)
	case "*":
		result = a * b
		high, low := bits.Mul64(absolute(a), absolute(b))
		fits = high == 0 && low <= math.MaxInt64
	case "//", "%":
		quotient, rest := a/b, a%b
		if rest != 0 && (rest < 0) != (b < 0) {
			quotient, rest = quotient-1, rest+b
		}
		if result = quotient; op == "%" {
			result = rest
		}
		fits = a != math.MinInt64 || b != -1
	}
	if !fits {
		in.fail("%d %s %d is beyond 64 bits", a, op, b)
	}
	return result
}

func absolute(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}
