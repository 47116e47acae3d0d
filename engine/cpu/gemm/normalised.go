package gemm

// Norm is a normalisation of the rows of X on their way into bfloat16,
//
//	(x-mean)·a + beta, then SiLU if asked for,
//
// so that the normalised picture, often larger than the caches, is neither written
// nor read. Rows that neighbouring bands share are normalised for each of them.
type Norm struct {
	Coef []float32 // [pictures][2][depth]: a, then mean
	Beta []float32 // [depth]
	Rows int       // of a picture
	SiLU bool
}
