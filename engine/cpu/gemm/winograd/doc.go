// Package winograd computes 3x3 convolutions of float32 by Winograd's algorithm over two
// dimensions, F(2x2,3x3) and F(4x4,3x3) (Lavin and Gray, arXiv 1509.09308), and their
// gradients to the weights.
package winograd
