package vec

// ExpSum writes e^(x-shift) as Exp does and returns the sum, for a softmax.
func ExpSum(dst, x []float32, shift float32) float32 {
	var s float32
	for i := 0; i < len(dst); i += longest {
		s += use.expSum(&dst[i], &x[i], min(longest, len(dst)-i), shift)
	}
	return s
}

// Max is the largest number of x, which is not empty. It may pass over NaN.
func Max(x []float32) float32 {
	top := use.max(&x[0], min(longest, len(x)))
	for i := longest; i < len(x); i += longest {
		top = max(top, use.max(&x[i], min(longest, len(x)-i)))
	}
	return top
}

// Sum is Σ x. Like Deviation and Dot it is float32 in lanes of which each takes
// a 32nd of the array or less, and is meant for rows.
func Sum(x []float32) float32 {
	var s float32
	for i := 0; i < len(x); i += longest {
		s += use.sum(&x[i], min(longest, len(x)-i))
	}
	return s
}

// Deviation is Σ (x-mean)².
func Deviation(x []float32, mean float32) float32 {
	var s float32
	for i := 0; i < len(x); i += longest {
		s += use.deviation(&x[i], min(longest, len(x)-i), mean)
	}
	return s
}

// Dot is Σ x·y over the length of x.
func Dot(x, y []float32) float32 {
	var s float32
	for i := 0; i < len(x); i += longest {
		s += use.dot(&x[i], &y[i], min(longest, len(x)-i))
	}
	return s
}

// SquaredNorm is Σ x², in float64.
func SquaredNorm(x []float32) float64 {
	var s float64
	for i := 0; i < len(x); i += longest {
		s += use.squaredNorm(&x[i], min(longest, len(x)-i))
	}
	return s
}
