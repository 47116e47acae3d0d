// Package winorows computes 3x3 convolutions on tiles by Winograd's F(2,3) along the rows of
// a picture, and their gradients to the weights.
package winorows
