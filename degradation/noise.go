package degradation

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/ldm-go/ldm/tensor"
)

// addNoise adds normal noise: of each channel, of all alike, or with a covariance
// of the channels that is drawn.
func (v variant) addNoise(x pixels, s tensor.Stream) {
	deviation := float64(between(s, v.noise[0], v.noise[1])) / 255
	mixed := mat.NewDense(3, 3, nil)
	switch r := s.Float64(); {
	case r > .6:
		for c := range 3 {
			mixed.Set(c, c, deviation)
		}
	case r < .4:
		for c := range 3 {
			mixed.Set(c, 0, deviation)
		}
	default:
		mixed = correlated(float64(v.noise[1])/255, s)
	}
	var z [3]float64
	for i := range x.h * x.w {
		for c := range z {
			z[c] = s.NormFloat64()
		}
		for c := range 3 {
			x.v[3*i+c] += mixed.At(c, 0)*z[0] + mixed.At(c, 1)*z[1] + mixed.At(c, 2)*z[2]
		}
	}
	x.clip()
}

// correlated is a root of the covariance |deviation²·UᵀDU|, for a random rotation U
// and a random diagonal D.
func correlated(deviation float64, s tensor.Stream) *mat.Dense {
	random := mat.NewDense(3, 3, nil)
	diagonal := mat.NewDiagDense(3, nil)
	for i := range 3 {
		diagonal.SetDiag(i, s.Float64())
		for j := range 3 {
			random.Set(i, j, s.Float64())
		}
	}
	var svd mat.SVD
	svd.Factorize(random, mat.SVDFull)
	var u, half, product mat.Dense
	svd.UTo(&u)
	half.Mul(u.T(), diagonal)
	product.Mul(&half, &u)
	covariance := mat.NewSymDense(3, nil)
	for i := range 3 {
		for j := i; j < 3; j++ {
			covariance.SetSym(i, j, math.Abs(deviation*deviation*product.At(i, j)))
		}
	}
	var eigen mat.EigenSym
	eigen.Factorize(covariance, true)
	var root mat.Dense
	eigen.VectorsTo(&root)
	for j, value := range eigen.Values(nil) {
		for i := range 3 {
			root.Set(i, j, root.At(i, j)*math.Sqrt(math.Abs(value)))
		}
	}
	return &root
}
