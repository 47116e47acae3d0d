// Package tiled computes products with tiles of 32x32 results of bfloat16, and in float32 with
// every number split into two of those. It lays a picture out in blocks of rows, in which the
// shift of a tap is a constant distance: product.go, and grad.go for the gradient to the weights.
package tiled
