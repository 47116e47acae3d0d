package diffusion

import "math"

// SNR is the signal-to-noise ratio ᾱ/(1-ᾱ) at timestep t, from ᾱ in float32.
func (s *Schedule) SNR(t int) float64 {
	bar := float64(float32(s.AlphasCumprod[t]))
	return bar / (1 - bar)
}

// MinSNR weighs the loss at timestep t so that it counts as min(SNR, γ) times the
// error in x_0, whatever the network says (Hang et al., arXiv 2303.09556, section 3.4).
func (s *Schedule) MinSNR(t int, gamma float64) float64 {
	snr := s.SNR(t)
	least := min(snr, gamma)
	switch s.Parameterization {
	case X0:
		return least
	case V:
		return least / (snr + 1)
	}
	if snr == 0 {
		return 1
	}
	return least / snr
}

// Debiased weighs by 1/√SNR, for networks that say v by 1/(SNR + 1), the SNR being
// at most 1000 (Yu et al., arXiv 2310.08442, equation 8, as kohya's scripts have it).
func (s *Schedule) Debiased(t int) float64 {
	snr := min(s.SNR(t), 1000)
	if s.Parameterization == V {
		return 1 / (snr + 1)
	}
	return 1 / math.Sqrt(max(snr, noSignal))
}

// P2 weighs by 1/(k + SNR)^γ (Choi et al., arXiv 2204.00227, equation 8).
func (s *Schedule) P2(t int, k, gamma float64) float64 { return 1 / math.Pow(k+s.SNR(t), gamma) }

// EDM weighs the error in x_0 by (σ² + 1)/σ² (Karras et al., arXiv 2206.00364, table
// 1, for data of deviation 1).
func (s *Schedule) EDM(t int) float64 { return 1 + s.SNR(t) }

// SoftMinSNR weighs the error in x_0 by σ²/(σ² + 1)², which falls smoothly on both
// sides of σ = 1 (Crowson et al., arXiv 2401.11605, section 3.4).
func (s *Schedule) SoftMinSNR(t int) float64 {
	snr := s.SNR(t)
	return snr / ((1 + snr) * (1 + snr))
}

// ExponentialHuber is the width c of a Huber loss at timestep t that falls from 1 to
// c over the schedule (Khrapov et al., arXiv 2403.16728, section 4).
func (s *Schedule) ExponentialHuber(t int, c float64) float64 {
	return math.Exp(float64(t) * math.Log(c) / float64(len(s.AlphasCumprod)))
}

// SNRHuber is the width c of a Huber loss at timestep t that follows the noise level.
func (s *Schedule) SNRHuber(t int, c float64) float64 {
	root := 1 + math.Sqrt(1/s.SNR(t))
	return (1-c)/(root*root) + c
}
