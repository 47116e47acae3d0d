package programs

// Parts cuts a batch of n into as few parts of at most most as will do, which are alike:
// 9 by at most 8 are 5 and 4, so that no program is compiled for a small rest.
func Parts(n, most int) []int {
	if n < 1 {
		return nil
	}
	parts := make([]int, (n+max(most, 1)-1)/max(most, 1))
	for i := range parts {
		parts[i] = n / len(parts)
		if i < n%len(parts) {
			parts[i]++
		}
	}
	return parts
}
