// Package indirect computes products in registers of float32, a tile of results at a time.
// A row of the left operand is found through an address of its own, so that a convolution
// needs no copy of its picture but where a pixel has 3 or 4 channels (gather.go). Its
// gradient to the weights is a sum of outer products (outer.go).
package indirect
