package train

import (
	"math"
	"strings"
)

// Keys of the random streams, so that draws for different purposes differ.
const (
	drawPosterior = iota + 1
	drawTimestep
	drawNoise
	drawDropout
	drawValidation
	drawSample
	drawJudged   // the posterior's noise for the discriminator's objective
	drawCodebook // the first means of a codebook
	drawRestart  // vectors in the place of dead codes
	drawOffset   // noise that is the same for a whole channel
	drawMask
	drawDegradation
)

// isUnder tells whether a parameter is part of a module.
func isUnder(name, module string) bool { return strings.HasPrefix(name, module+".") }

func exp(v float64) float64 { return math.Exp(v) }
