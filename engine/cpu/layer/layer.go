// Package layer computes the layers between the products, forward and backward
// side by side: normalisation, attention, gates, pooling.
//
// Every function binds slices and returns the phases that compute on them;
// running those does not allocate. Work is cut into tasks by the shape of one
// picture, or of all where that changes no sum, and sums have one order, so that
// results are the same bits for any number of workers and for a picture alone or in a
// batch.
package layer

func ceilDiv(a, b int) int { return (a + b - 1) / b }
