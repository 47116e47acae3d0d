package probe

// Agreement counts how often what was asked for was found.
type Agreement struct {
	Asked, Found, Both []int // places of each class that were asked for it, where it was found, and both
}

// NewAgreement is for so many classes.
func NewAgreement(classes int) *Agreement {
	return &Agreement{make([]int, classes), make([]int, classes), make([]int, classes)}
}

// Add notes a place.
func (a *Agreement) Add(asked, found int) {
	a.Asked[asked]++
	a.Found[found]++
	if asked == found {
		a.Both[asked]++
	}
}

// Share is the share of places where what was asked for was found.
func (a *Agreement) Share() float64 {
	asked, both := 0, 0
	for c := range a.Asked {
		asked += a.Asked[c]
		both += a.Both[c]
	}
	return float64(both) / float64(max(asked, 1))
}

// MeanIoU is the mean over the classes that were asked for of the intersection of
// what was asked for and what was found over their union.
func (a *Agreement) MeanIoU() float64 {
	var sum float64
	n := 0
	for c := range a.Asked {
		if a.Asked[c] > 0 {
			sum += float64(a.Both[c]) / float64(a.Asked[c]+a.Found[c]-a.Both[c])
			n++
		}
	}
	return sum / float64(max(n, 1))
}
