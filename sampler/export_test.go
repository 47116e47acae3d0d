package sampler

// For tests outside.
var (
	DDIMSigma = ddimSigma
	AlphaBar  = alphaBar
)
